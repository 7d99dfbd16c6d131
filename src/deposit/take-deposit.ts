// The one streaming pass: every byte of the pack goes through here once, into the sealed file and into git, and memory stays flat
// whatever the remote sends. When it fails, git and the remote are gone and nothing is left to clean but the scratch folder.
import { stat } from 'node:fs/promises'
import { EscrowError } from '../core/errors.js'
import { readBlockBytes } from '../core/limits.js'
import type { DepositKind } from '../format/manifest.js'
import type { ObjectFormat } from '../git/git-remote.js'
import { startPackIndexer, type IndexedPack, type PackIndexer } from '../git/index-pack.js'
import { both, inBlocks } from './blocks.js'
import type { ReportProgress } from './progress.js'
import type { SealedFile, SealedFileDigests } from './sealed-file.js'

/** What one pass takes. */
export interface TakeRequest {
  readonly kind: DepositKind
  readonly objectFormat: ObjectFormat
  /** Bytes of the bundle that precede the pack. */
  readonly bundleHeader: Uint8Array
  /** Start the transfer; the signal ends it. */
  readonly openPack: (signal: AbortSignal) => AsyncIterable<Uint8Array>
  /** An empty bare repository on scratch. */
  readonly gitDir: string
  readonly packBytesMax: number
  readonly onProgress?: ReportProgress | undefined
}

/** A pack that is sealed and indexed. That it is connected is for `check-pack.ts` to say. */
export interface TakenPack extends SealedFileDigests {
  readonly pack: IndexedPack
}

/**
 * Take one pack: bundle header and pack to the sealed file, the pack to `git index-pack` beside it.
 *
 * @param file - created by the caller, who closes it.
 * @returns when every object has been hashed and every delta resolved.
 * @throws EscrowError `DEPOSIT_TOO_LARGE`, `PACK_CORRUPT`, `PACK_INCOMPLETE`, `SCRATCH_FULL`, what the transfer throws; the signal's reason.
 *
 * Source: DESIGN section 4, step 3.
 */
export async function takeDeposit(request: TakeRequest, file: SealedFile, signal?: AbortSignal): Promise<TakenPack> {
  const stop = new AbortController()
  const stopped = signal === undefined ? stop.signal : AbortSignal.any([signal, stop.signal])
  const indexer = await startPackIndexer({ ...request, check: request.kind, onProgress: indexProgress(request.onProgress) }, stopped)
  try {
    await file.write(request.bundleHeader)
    await pump(request, { indexer, file }, stopped)
    const [pack, digests] = await both(indexer.end(), file.finish())
    await refuseJunk(pack)
    return { pack, ...digests }
  } catch (error) {
    stop.abort(error)
    indexer.abort()
    // Git removes its temporary files as it goes; the folder must not vanish under it.
    await indexer.end().catch(() => undefined)
    signal?.throwIfAborted()
    throw error
  }
}

/** The slower of git and disk sets the pace, and the remote waits for both. */
async function pump(request: TakeRequest, to: { indexer: PackIndexer; file: SealedFile }, signal: AbortSignal): Promise<void> {
  let bytes = 0
  for await (const block of inBlocks(request.openPack(signal), readBlockBytes)) {
    signal.throwIfAborted()
    bytes += block.byteLength
    if (bytes > request.packBytesMax) {
      throw new EscrowError('DEPOSIT_TOO_LARGE', `expected a pack of at most ${request.packBytesMax} bytes, got more`)
    }
    await both(to.indexer.write(block), to.file.write(block))
    request.onProgress?.({ phase: 'fetching', bytes })
  }
}

/** Git stops reading after the trailer of the pack, so bytes that follow would be sealed unseen. */
async function refuseJunk(pack: IndexedPack): Promise<void> {
  const { size } = await stat(pack.packPath)
  if (size !== pack.sizeBytes) throw new EscrowError('PACK_CORRUPT', `expected a pack of ${size} bytes, got ${pack.sizeBytes}`)
}

/** What git says of its objects, as progress of a deposit. @returns undefined when nobody listens */
export function indexProgress(report: ReportProgress | undefined) {
  if (report === undefined) return undefined
  return ({ phase, done, total }: { readonly phase: 'receiving' | 'resolving'; readonly done: number; readonly total: number }) =>
    report({ phase: phase === 'receiving' ? 'fetching' : 'resolving', objects: done, objectsTotal: total })
}
