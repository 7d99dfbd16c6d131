// A chain of envelopes becomes a repository. The plaintext is written once, by `git index-pack`, as it is decrypted; refs come last, from
// the inventory. Nothing stands under the wanted name before everything has been compared.
import { mkdir, rename, rm } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { SystemEntropy } from '../../../core/environment.js'
import { EscrowError, isEscrowError } from '../../../core/errors.js'
import { bundleHeaderBytesMax } from '../../../core/limits.js'
import { makeFolders } from '../../../core/make-folders.js'
import { Digester } from '../../../crypto/digest.js'
import { openEnvelope } from '../../../crypto/holder/open-envelope.js'
import { parseBundleHeader, type BundleHeader } from '../../../format/bundle-header.js'
import type { Inventory, Manifest } from '../../../format/manifest.js'
import { digestRefs, type ListedRefs } from '../../../format/refs-digest.js'
import { checkConnectedBeyond, packRefs, startPackRestore } from '../../../git/restore-pack.js'
import { listLocalRefs, readHead, setHead, setSymbolicRefs, updateRefs } from '../../../git/restore-repository.js'
import { initRepository } from '../../../git/scratch-repository.js'
import type { ArchivedDeposit } from '../../../store/archived-deposit.js'
import { depositFileKey, type ArchiveReader } from '../../../store/archive-reader.js'
import { fileFault, syncTree } from '../../files.js'
import { restoreAttachments, type RestoredAttachments } from './holder-attachments.js'
import { openInventory } from './holder-inventory.js'
import type { Progress } from '../../terminal.js'

/** What is to be restored, and where. */
export interface RestoreWish {
  /** From the full deposit to the wanted one; verified. */
  readonly chain: readonly ArchivedDeposit[]
  /** Of the chain's epoch. */
  readonly identity: string
  /** The folder to make; nothing may lie there. */
  readonly to: string
  readonly progress: (progress: Progress) => void
}

/** What was restored. */
export interface Restored {
  readonly refs: number
  /** In the packs of the chain. */
  readonly objects: number
  readonly inventory: Inventory
  readonly attachments: RestoredAttachments
  /** What git said of packs that their depositor had not let it look at; null when there was none. */
  readonly fsck: ReadonlyMap<string, number> | null
}

/**
 * Restore a chain into a new bare repository and compare it with the inventory of its last deposit.
 *
 * If we stop on the way, what was built lies beside the wanted name under one that begins with a dot, and may be deleted.
 *
 * @throws EscrowError `RESTORE_MISMATCH` when what comes out is not what the manifests say; `OBJECT_*`, `ENVELOPE_*`, `DIGEST_MISMATCH` when
 *   what goes in is not; `FILE_UNREADABLE`, `SCRATCH_FULL`, `GIT_MISSING`; the signal's reason. Nothing is left behind then.
 */
export async function restoreChain(reader: ArchiveReader, wish: RestoreWish, signal: AbortSignal): Promise<Restored> {
  const to = resolve(wish.to)
  const building = join(dirname(to), `.${basename(to)}.restoring-${Buffer.from(new SystemEntropy().bytes(6)).toString('hex')}`)
  try {
    await makeFolders(dirname(to))
    await mkdir(building, { mode: 0o700 })
  } catch (error) {
    throw fileFault(building, error)
  }
  try {
    const restored = await build(reader, { ...wish, gitDir: building }, signal)
    await syncTree(building)
    signal.throwIfAborted()
    await rename(building, to).catch((error: unknown) => {
      throw fileFault(to, error)
    })
    return restored
  } catch (error) {
    throw translated(error)
  } finally {
    await rm(building, { recursive: true, force: true, maxRetries: 3 })
  }
}

type Building = RestoreWish & { readonly gitDir: string }

async function build(reader: ArchiveReader, work: Building, signal: AbortSignal): Promise<Restored> {
  const { chain, gitDir } = work
  const last = chain.at(-1)
  if (last === undefined) throw new EscrowError('RESTORE_MISMATCH', 'expected a chain of at least one deposit')
  const inventory = await openInventory(reader, last, work.identity, signal)
  await initRepository(gitDir, last.manifest.objectFormat)
  let proven: readonly string[] = []
  let objects = 0
  const fsck = chain.some(({ manifest }) => isUnchecked(manifest)) ? new Map<string, number>() : null
  for (const [place, deposit] of chain.entries()) {
    const { header, said } = await takePack(reader, { deposit, title: `deposit ${place + 1} of ${chain.length}`, work }, signal)
    for (const [id, count] of said) fsck?.set(id, (fsck.get(id) ?? 0) + count)
    objects += deposit.manifest.bundle.objectCount
    if (place === 0 && deposit.manifest.bundle.objectCount > 0) proven = [...new Set(header.refs.map((ref) => ref.oid))]
  }
  work.progress({ phase: 'setting refs', done: 0, total: inventory.refs.length, unit: 'objects' })
  await setRefs(gitDir, inventory)
  if (chain.length > 1) await checkConnectedBeyond(gitDir, proven, {}, signal)
  await compare(gitDir, inventory, signal)
  const attachments = await restoreAttachments(reader, { ...work, inventory }, signal)
  return { refs: inventory.refs.length, objects, inventory, attachments, fsck }
}

const isUnchecked = ({ findings }: Manifest): boolean => findings.some(({ code }) => code === 'PACK_NOT_CHECKED')

/** Decrypt one bundle into the repository. @returns its header, and what fsck said of its objects if nobody had asked before. */
async function takePack(
  reader: ArchiveReader,
  { deposit, title, work }: { readonly deposit: ArchivedDeposit; readonly title: string; readonly work: Building },
  signal: AbortSignal,
): Promise<{ readonly header: BundleHeader; readonly said: ReadonlyMap<string, number> }> {
  const { bundle, envelope, objectFormat, kind, sequence } = deposit.manifest
  const indexer =
    bundle.objectCount === 0
      ? null
      : await startPackRestore(
          {
            gitDir: work.gitDir,
            objectFormat,
            packBytesMax: bundle.sizeBytes,
            selfContained: kind === 'full',
            strict: isUnchecked(deposit.manifest),
            onProgress: ({ phase, done, total }) => {
              if (phase === 'resolving') work.progress({ phase: `${title}: resolving deltas`, done, total, unit: 'objects' })
            },
          },
          signal,
        )
  const digester = new Digester()
  let bytes = 0
  try {
    const sealed = reader.open(depositFileKey(deposit.place, envelope.key), envelope, signal)
    const plain = new BundleSplitter(openEnvelope(sealed, [work.identity]), (block) => {
      digester.update(block)
      bytes += block.length
      work.progress({ phase: `${title}: opening`, done: bytes, total: bundle.sizeBytes, unit: 'bytes' })
    })
    for await (const block of plain.pack()) await indexer?.write(block)
    const got = digester.finish()
    if (got.sha256 !== bundle.sha256 || got.sizeBytes !== bundle.sizeBytes) {
      throw new EscrowError('DIGEST_MISMATCH', `deposit ${sequence}: expected a bundle with digest ${bundle.sha256}, got ${got.sha256}`)
    }
    const indexed = indexer === null ? null : await indexer.end()
    requirePack(deposit, indexed)
    return { header: plain.requireHeader(objectFormat), said: indexed?.fsck.counts ?? new Map() }
  } catch (error) {
    indexer?.abort()
    throw error
  }
}

function requirePack(deposit: ArchivedDeposit, indexed: { readonly packChecksum: string; readonly objectCount: number } | null): void {
  if (indexed === null) return
  const { bundle, sequence } = deposit.manifest
  if (indexed.packChecksum === bundle.packChecksum && indexed.objectCount === bundle.objectCount) return
  throw new EscrowError('RESTORE_MISMATCH', `deposit ${sequence}: expected pack ${bundle.packChecksum}, got ${indexed.packChecksum}`)
}

/** Cuts a bundle that comes as a stream into its header and its pack. */
class BundleSplitter {
  #header: BundleHeader | null = null

  constructor(
    private readonly source: AsyncIterable<Uint8Array>,
    private readonly onBlock: (block: Uint8Array) => void,
  ) {}

  /** The pack's bytes. @throws EscrowError `FORMAT_INVALID` */
  async *pack(): AsyncGenerator<Uint8Array> {
    const seen: Uint8Array[] = []
    let seenBytes = 0
    for await (const block of this.source) {
      this.onBlock(block)
      if (this.#header !== null) {
        yield block
        continue
      }
      seen.push(block)
      seenBytes += block.length
      // The empty line that ends the header may lie across two blocks.
      const tail = Buffer.concat([seen.at(-2)?.subarray(-1) ?? new Uint8Array(0), block])
      if (!tail.includes('\n\n') && seenBytes <= bundleHeaderBytesMax) continue
      const { header, packOffset } = parseBundleHeader(Buffer.concat(seen))
      this.#header = header
      yield Buffer.concat(seen).subarray(packOffset)
    }
  }

  /** The header, when the pack has been read. @throws EscrowError `RESTORE_MISMATCH` */
  requireHeader(objectFormat: BundleHeader['objectFormat']): BundleHeader {
    if (this.#header?.objectFormat === objectFormat) return this.#header
    throw new EscrowError('RESTORE_MISMATCH', `expected a ${objectFormat} bundle, got ${this.#header?.objectFormat ?? 'none'}`)
  }
}

async function setRefs(gitDir: string, { refs, head }: Inventory): Promise<void> {
  const plain = refs.filter((ref) => ref.symref === undefined)
  if (plain.length > 0) {
    await updateRefs(gitDir, plain)
    await packRefs(gitDir)
  }
  const symbolic = refs.flatMap(({ name, symref }) => (symref === undefined ? [] : [{ name, symref }]))
  await setSymbolicRefs(gitDir, symbolic)
  await setHead(gitDir, head)
}

/** The repository lists what the source listed. */
async function compare(gitDir: string, inventory: Inventory, signal: AbortSignal): Promise<void> {
  const refs = await listLocalRefs(gitDir, {}, signal)
  // A source may have no HEAD at all; a repository on disk always names a branch.
  const head = inventory.head.kind === 'none' ? inventory.head : await readHead(gitDir)
  const restored = { objectFormat: inventory.objectFormat, head, refs }
  if (digestRefs(restored) === digestRefs(inventory)) return
  throw new EscrowError('RESTORE_MISMATCH', `expected the refs of the inventory: ${firstDifference(inventory, restored)}`)
}

function firstDifference(expected: ListedRefs, got: ListedRefs): string {
  const text = (ref: ListedRefs['refs'][number] | undefined) =>
    ref === undefined ? 'nothing' : [ref.oid, ref.peeled ?? '', ref.symref ?? ''].join(' ').trim()
  const found = new Map(got.refs.map((ref) => [ref.name, ref]))
  const different = expected.refs.find((ref) => text(found.get(ref.name)) !== text(ref))
  if (different !== undefined) return `${different.name} is ${text(found.get(different.name))}, expected ${text(different)}`
  const known = new Set(expected.refs.map((ref) => ref.name))
  const extra = got.refs.find((ref) => !known.has(ref.name))
  return extra === undefined
    ? `HEAD is ${JSON.stringify(got.head)}, expected ${JSON.stringify(expected.head)}`
    : `${extra.name} is too many`
}

/** What git refuses here is no fault of a remote: the archive does not give what its manifests promise. */
function translated(error: unknown): unknown {
  if (!isEscrowError(error)) return error
  if (!/^(?:PACK_|REF_|GIT_FAILED|DEPOSIT_TOO_LARGE)/.test(error.code)) return error
  return new EscrowError('RESTORE_MISMATCH', error.message, { cause: error })
}
