// The same pass over a repository of whoever makes the deposit (`--no-fsck`): git packs it straight into scratch, and what it writes is sealed
// while it grows. No object is hashed again; that the bytes which were sealed are those that git wrote is.
import { readBlockBytes } from '../core/limits.js'
import { threadMemory } from '../crypto/thread-memory.js'
import { startPacking } from '../git/pack-repository.js'
import { indexProgress, type TakeRequest, type TakenPack } from './take-deposit.js'
import type { FetchRequest } from '../git/git-remote.js'
import type { SealedFile } from './sealed-file.js'

/** What one pass over an own repository takes. */
export type TakeOwnRequest = Omit<TakeRequest, 'openPack'> & {
  /** The git folder of the repository. */
  readonly from: string
  readonly fetch: FetchRequest
  /** Called when pack and index lie in the scratch repository, while the last of it is still being sealed. */
  readonly onWritten?: () => void
}

/**
 * Pack a repository into scratch, and seal the pack as git writes it.
 *
 * @param file - created by the caller, who closes it.
 * @returns when every object is copied, the copies compared with their CRC, and the trailer of what was sealed holds.
 * @throws EscrowError `DEPOSIT_TOO_LARGE`, `PACK_CORRUPT`, `PACK_INCOMPLETE`, `REMOTE_SHALLOW`, `SCRATCH_FULL`, `GIT_FAILED`; the signal's reason.
 *
 * Source: decision 0021.
 */
export async function takeOwnPack(request: TakeOwnRequest, file: SealedFile, signal?: AbortSignal): Promise<TakenPack> {
  const { from, gitDir, packBytesMax, fetch, onProgress } = request
  const packing = await startPacking({ ...fetch, from, gitDir, packBytesMax, onProgress: indexProgress(onProgress) }, signal)
  packing.written.then(request.onWritten, () => undefined)
  try {
    await file.write(request.bundleHeader)
    let bytes = 0
    for await (const block of packing.bytes(threadMemory(readBlockBytes))) {
      signal?.throwIfAborted()
      bytes += block.byteLength
      await file.write(block)
      onProgress?.({ phase: 'fetching', bytes })
    }
    const pack = await packing.end()
    return { pack, ...(await file.finish()) }
  } catch (error) {
    await packing.abort()
    signal?.throwIfAborted()
    throw error
  }
}
