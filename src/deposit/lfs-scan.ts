import { lfsListedMax, lfsPointerBytesMax } from '../core/limits.js'
import { listBlobs, readManyObjects } from '../git/cat-file.js'
import { lfsPointerBytesMin, parseLfsPointer } from './lfs-pointer.js'

/** Blobs that are read by one git: enough to make its start not count. */
const blobsAtOnce = 20_000

/**
 * The LFS objects that pointers of a pack stand for, wherever in its history they are: every blob that is small enough is looked at.
 *
 * @param gitDir - a scratch repository with the pack.
 * @returns sizes by SHA-256, the first `lfsListedMax`; empty when there are none. Of two sizes for one digest the first counts.
 * @throws EscrowError `GIT_FAILED`, `GIT_MISSING`
 */
export async function scanLfsPointers(gitDir: string, signal?: AbortSignal): Promise<ReadonlyMap<string, number>> {
  const found = new Map<string, number>()
  const read = async (oids: readonly string[]): Promise<void> => {
    for await (const some of readManyObjects(gitDir, oids, lfsPointerBytesMax, signal)) {
      for (const blob of some) {
        const pointer = blob === null ? null : parseLfsPointer(blob.body)
        if (pointer !== null && found.size < lfsListedMax && !found.has(pointer.oid)) found.set(pointer.oid, pointer.sizeBytes)
      }
    }
  }
  let waiting: string[] = []
  for await (const oids of listBlobs(gitDir, { atLeast: lfsPointerBytesMin, below: lfsPointerBytesMax }, signal)) {
    waiting.push(...oids)
    if (waiting.length < blobsAtOnce) continue
    await read(waiting)
    waiting = []
  }
  await read(waiting)
  return found
}
