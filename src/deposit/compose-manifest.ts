// The documents of a deposit, put together from what was found. Pure.
import type { PartsDigest, StreamDigest } from '../crypto/digest.js'
import type { ExpectedObject } from '../store/expected-object.js'
import type { ObjectKey } from '../store/object-key.js'
import type { DepositKind, Finding, Inventory, Manifest, Severity } from '../format/manifest.js'
import type { FsckReport } from '../git/fsck-message.js'
import { attachmentName } from '../format/attachment.js'
import type { FindingLedger } from './findings.js'

/** Why a full deposit was made where an incremental was due. */
export function restartFinding(detail: string): Finding {
  return { code: 'CHAIN_RESTARTED', severity: 'info', subject: 'chain', detail }
}

/** Messages that are attacks on whoever checks the repository out, not only old age. */
const alarming =
  /^(?:gitmodules|gitattributes|hasDot|fullPathname|symlinkTarget|symlinkPointsTo|nullSha1|zeroPaddedFilemode|treeNotSorted|duplicateEntries)/i

/** Record what fsck said, every message counted. */
export function addFsckFindings(ledger: FindingLedger, report: FsckReport): void {
  const severityOf = (id: string): Severity => (alarming.test(id) ? 'warning' : 'info')
  const listed = new Map<string, number>()
  for (const { id, oid, text } of report.listed) {
    listed.set(id, (listed.get(id) ?? 0) + 1)
    ledger.add({ code: 'FSCK_MESSAGE', severity: severityOf(id), subject: oid, detail: `${id}: ${text}` })
  }
  for (const [id, count] of report.counts) {
    ledger.count('FSCK_MESSAGE', severityOf(id), count - (listed.get(id) ?? 0))
  }
}

/** Everything that a manifest says. */
export interface ManifestParts {
  readonly agreement: string
  readonly source: string
  readonly mode: Manifest['mode']
  readonly sequence: number
  readonly kind: DepositKind
  /** The deposit before: its manifest, and the digest of that; null for the first. */
  readonly previous: { readonly manifest: Manifest; readonly digest: string } | null
  readonly takenAt: Date
  readonly listing: { readonly objectFormat: Manifest['objectFormat']; readonly refCount: number; readonly refsDigest: string }
  readonly bundle: StreamDigest
  readonly pack: { readonly packChecksum: string; readonly objectCount: number }
  readonly envelope: PartsDigest & { readonly key: ObjectKey }
  readonly vault: { readonly recipient: string; readonly epoch: number }
  readonly inventory: ExpectedObject & { readonly key: ObjectKey }
  readonly knownObjects: ExpectedObject & { readonly key: ObjectKey }
  /** The age files; in any order, each once. */
  readonly attachments: readonly ExpectedObject[]
  readonly ledger: FindingLedger
  readonly tools: Readonly<Record<string, string>>
}

/** The body of a manifest, not signed yet. */
export function composeManifest(parts: ManifestParts): Manifest {
  const { kind, sequence, previous, listing, envelope, ledger } = parts
  return {
    type: 'escrow/manifest/v1',
    agreement: parts.agreement,
    source: parts.source,
    sequence,
    kind,
    mode: parts.mode,
    previous: previous?.digest ?? null,
    base: kind === 'full' || previous === null ? sequence : previous.manifest.base,
    takenAt: parts.takenAt.toISOString(),
    ...listing,
    bundle: { ...parts.bundle, packChecksum: parts.pack.packChecksum, objectCount: parts.pack.objectCount },
    envelope: {
      ...belowFolder(envelope),
      partBytes: envelope.partBytes,
      partSha256: [...envelope.partSha256],
      recipient: parts.vault.recipient,
      epoch: parts.vault.epoch,
    },
    inventory: belowFolder(parts.inventory),
    knownObjects: belowFolder(parts.knownObjects),
    attachments: parts.attachments
      .map(({ sha256, sizeBytes }) => ({ key: attachmentName(sha256), sha256, sizeBytes }))
      .toSorted((left, right) => (left.key < right.key ? -1 : 1)),
    findings: ledger.counts().map((tally) => ({ ...tally })),
    outcome: ledger.outcome(),
    tools: { ...parts.tools },
  }
}

/** Keys in a manifest are names below its own folder: a folder can be copied elsewhere and still be read. */
function belowFolder(file: ExpectedObject & { readonly key: ObjectKey }): Manifest['inventory'] {
  return { key: file.key.slice(file.key.lastIndexOf('/') + 1), sha256: file.sha256, sizeBytes: file.sizeBytes }
}

/** An inventory without its type; lists may be read-only. */
export type InventoryParts = { readonly [Part in keyof Omit<Inventory, 'type'>]: Readonly<Inventory[Part]> }

const listed = <T>(name: 'commits' | 'innerTags' | 'attachments' | 'lfsMissing', list: readonly T[] | undefined) =>
  list === undefined || list.length === 0 ? {} : { [name]: [...list] }

/** The plain inventory, in the shape that its canonical bytes have. */
export function composeInventory(parts: InventoryParts): Inventory {
  const { commits, innerTags, attachments, lfsMissing, ...rest } = parts
  return {
    type: 'escrow/inventory/v1',
    ...rest,
    ...listed('commits', commits),
    ...listed('innerTags', innerTags),
    ...listed('attachments', attachments),
    ...listed('lfsMissing', lfsMissing),
    refs: [...parts.refs],
    prerequisites: [...parts.prerequisites],
    haves: [...parts.haves],
    findings: [...parts.findings],
    lfs: [...parts.lfs],
    submodules: [...parts.submodules],
    largestFiles: [...parts.largestFiles],
    buildRecipes: [...parts.buildRecipes],
    licences: [...parts.licences],
  }
}
