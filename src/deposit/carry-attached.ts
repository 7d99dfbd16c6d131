// Pure: which attached files the next deposit names. A file stays attached from deposit to deposit until another of its name comes.
import type { AttachedFile } from '../format/attachment.js'
import type { Finding, Inventory, Manifest } from '../format/manifest.js'
import type { ExpectedObject } from '../store/expected-object.js'
import type { AttachedFiles } from './deposit-request.js'

/** An attached file, and its age file. */
export interface SealedAttachment {
  readonly entry: AttachedFile
  readonly sealed: ExpectedObject
}

/** What the deposit before says of itself, and what is in it: null when that cannot be opened any more. */
export interface DepositBefore {
  readonly manifest: Manifest
  readonly inventory: Inventory | null
}

/**
 * The attached files of the next deposit.
 *
 * @param before - the deposit that it follows; null for the first.
 * @param vault - what the next one is sealed to: files that are sealed to another epoch could not be opened with it.
 * @param waiting - attached since, oldest first.
 * @returns by name; a finding for each file that has to be attached again.
 */
export function attachedFiles(
  before: DepositBefore | null,
  vault: { readonly recipient: string; readonly epoch: number },
  waiting: readonly SealedAttachment[],
): AttachedFiles {
  const fresh = new Map(waiting.map((file) => [file.entry.name, file]))
  const carried = before === null ? { files: [], lost: [] } : carriedFrom(before, vault)
  const files = new Map([...carried.files.map((file): [string, SealedAttachment] => [file.entry.name, file]), ...fresh])
  const findings = carried.lost
    .filter(({ name }) => !fresh.has(name))
    .map(({ name, why }): Finding => ({
      code: 'ATTACHMENT_OUTDATED',
      severity: 'warning',
      subject: name,
      detail: `${why}: attach it again`,
    }))
  return { files: [...files.values()].toSorted((left, right) => (left.entry.name < right.entry.name ? -1 : 1)), findings }
}

function carriedFrom({ manifest, inventory }: DepositBefore, vault: { readonly recipient: string; readonly epoch: number }) {
  const { attachments, envelope } = manifest
  if (inventory === null) {
    const why = 'the names in the deposit before cannot be read any more'
    return { files: [], lost: attachments.length === 0 ? [] : [{ name: 'attachments', why }] }
  }
  const entries = (inventory.attachments ?? []).filter((entry) => entry.kind !== 'lfs')
  if (envelope.recipient !== vault.recipient || envelope.epoch !== vault.epoch) {
    return { files: [], lost: entries.map(({ name }) => ({ name, why: `it is sealed to epoch ${envelope.epoch}, which is over` })) }
  }
  const sizes = new Map(attachments.map((file) => [file.sha256, file.sizeBytes]))
  const files = entries.flatMap((entry): SealedAttachment[] => {
    const sizeBytes = sizes.get(entry.sealed)
    return sizeBytes === undefined ? [] : [{ entry, sealed: { sha256: entry.sealed, sizeBytes } }]
  })
  return { files, lost: [] }
}
