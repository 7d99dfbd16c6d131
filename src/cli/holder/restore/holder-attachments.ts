// What belongs to a chain beside its packs becomes files: LFS objects where git-lfs looks for them, attached files under their names. What is
// attacker-controlled: every name and every byte. One attachment that cannot be had keeps nobody from the repository: it is a problem to show.
import { open, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { EscrowError, isEscrowError } from '../../../core/errors.js'
import { compartmentHeaderBytesMax } from '../../../core/limits.js'
import { makeFolders } from '../../../core/make-folders.js'
import { Digester, type StreamDigest } from '../../../crypto/digest.js'
import { openEnvelope } from '../../../crypto/holder/open-envelope.js'
import { parseCompartmentHeader, type AttachedFile, type InventoryAttachment } from '../../../format/attachment.js'
import type { Inventory } from '../../../format/manifest.js'
import type { ArchivedDeposit } from '../../../store/archived-deposit.js'
import type { ArchiveReader } from '../../../store/archive-reader.js'
import type { ExpectedObject } from '../../../store/expected-object.js'
import { objectKeys } from '../../../store/object-key.js'
import { fileFault } from '../../files.js'
import { openInventory } from './holder-inventory.js'
import type { Progress } from '../../terminal.js'

/** What is to be restored beside the repository. */
export interface AttachmentsWish {
  /** From the full deposit to the wanted one; verified. */
  readonly chain: readonly ArchivedDeposit[]
  /** Of the wanted one. */
  readonly inventory: Inventory
  readonly identity: string
  /** The repository; `lfs/objects` and `attachments` are made in it. */
  readonly gitDir: string
  readonly progress: (progress: Progress) => void
}

/** What was restored beside the repository. */
export interface RestoredAttachments {
  readonly lfsObjects: number
  /** Attached files, with their paths below the repository. */
  readonly files: readonly { readonly kind: AttachedFile['kind']; readonly path: string; readonly sizeBytes: number }[]
  /** What the inventory lists and could not be restored. */
  readonly problems: readonly { readonly where: string; readonly error: EscrowError }[]
}

interface Wanted {
  readonly entry: InventoryAttachment
  readonly deposit: ArchivedDeposit
  readonly sealed: ExpectedObject
}

/**
 * Restore LFS objects of the whole chain and the files that the last deposit lists as attached.
 *
 * @throws EscrowError `DIGEST_MISMATCH` when an inventory lists what its manifest does not name; `FILE_UNREADABLE`; the signal's reason
 */
export async function restoreAttachments(reader: ArchiveReader, wish: AttachmentsWish, signal: AbortSignal): Promise<RestoredAttachments> {
  const wanted = await listWanted(reader, wish, signal)
  const files: RestoredAttachments['files'][number][] = []
  const problems: RestoredAttachments['problems'][number][] = []
  let [lfsObjects, done] = [0, 0]
  for (const one of wanted) {
    wish.progress({ phase: 'restoring attachments', done, total: wanted.length, unit: 'files' })
    done += 1
    const { entry } = one
    try {
      const { path, sizeBytes } = await restoreOne(reader, one, wish, signal)
      if (entry.kind === 'lfs') lfsObjects += 1
      else files.push({ kind: entry.kind, path, sizeBytes })
    } catch (error) {
      signal.throwIfAborted()
      if (!isEscrowError(error) || !/^(?:OBJECT_|ENVELOPE_|DIGEST_MISMATCH$|FORMAT_INVALID$)/.test(error.code)) throw error
      problems.push({ where: entry.kind === 'lfs' ? `LFS object ${entry.sha256}` : entry.name, error })
    }
  }
  return { lfsObjects, files, problems }
}

async function listWanted(reader: ArchiveReader, wish: AttachmentsWish, signal: AbortSignal): Promise<readonly Wanted[]> {
  const wanted = new Map<string, Wanted>()
  for (const deposit of wish.chain) {
    if (deposit.manifest.attachments.length === 0) continue
    const last = deposit === wish.chain.at(-1)
    const inventory = last ? wish.inventory : await openInventory(reader, deposit, wish.identity, signal)
    const named = new Map(deposit.manifest.attachments.map((file) => [file.sha256, file]))
    for (const entry of inventory.attachments ?? []) {
      const sealed = named.get(entry.sealed)
      if (sealed === undefined) {
        throw new EscrowError('DIGEST_MISMATCH', `deposit ${deposit.place.sequence} lists an attachment that its manifest does not name`)
      }
      // Attached files are listed anew by every deposit; those of an earlier one were replaced.
      if (entry.kind === 'lfs') wanted.set(`lfs ${entry.sha256}`, { entry, deposit, sealed })
      else if (last) wanted.set(`file ${entry.name}`, { entry, deposit, sealed })
    }
  }
  return [...wanted.values()]
}

async function restoreOne(
  reader: ArchiveReader,
  { entry, deposit, sealed }: Wanted,
  { identity, gitDir }: AttachmentsWish,
  signal: AbortSignal,
): Promise<{ readonly path: string; readonly sizeBytes: number }> {
  const { agreement, source } = deposit.place
  const plain = openEnvelope(reader.open(objectKeys.attachment(agreement, source, sealed.sha256), sealed, signal), [identity])
  if (entry.kind === 'lfs') {
    const path = join('lfs', 'objects', entry.sha256.slice(0, 2), entry.sha256.slice(2, 4), entry.sha256)
    return { path, sizeBytes: await write(join(gitDir, path), plain, entry) }
  }
  if (entry.kind !== 'build-secrets') {
    const path = join('attachments', entry.name)
    return { path, sizeBytes: await write(join(gitDir, path), plain, entry) }
  }
  const { header, bytes } = await openCompartment(plain)
  const path = join('attachments', entry.name, header.name)
  return { path, sizeBytes: await write(join(gitDir, path), bytes, header) }
}

/** A file whole and as promised, or no file. */
async function write(path: string, bytes: AsyncIterable<Uint8Array>, expected: StreamDigest): Promise<number> {
  const file = await makeFolders(dirname(path), { mode: 0o700 })
    .then(() => open(path, 'wx', 0o600))
    .catch((error: unknown) => {
      throw fileFault(path, error)
    })
  try {
    const digester = new Digester()
    for await (const block of bytes) {
      digester.update(block)
      await file.appendFile(block).catch((error: unknown) => {
        throw fileFault(path, error)
      })
    }
    const got = digester.finish()
    if (got.sha256 === expected.sha256 && got.sizeBytes === expected.sizeBytes) return got.sizeBytes
    throw new EscrowError('DIGEST_MISMATCH', `expected ${expected.sizeBytes} bytes with digest ${expected.sha256}, got ${got.sha256}`)
  } catch (error) {
    await rm(path, { force: true })
    throw error
  } finally {
    await file.close()
  }
}

/** Cut a compartment into its header and the bytes of its file. */
async function openCompartment(plain: AsyncGenerator<Uint8Array>) {
  let start = Buffer.alloc(0)
  while (start.length < compartmentHeaderBytesMax) {
    const { done, value } = await plain.next()
    if (done === true) break
    start = Buffer.concat([start, value])
  }
  const { header, offset } = parseCompartmentHeader(start)
  const rest = async function* () {
    yield start.subarray(offset)
    yield* plain
  }
  return { header, bytes: rest() }
}
