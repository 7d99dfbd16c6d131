import { SystemClock, SystemEntropy } from '../core/environment.js'
import { readBlockBytes } from '../core/limits.js'
import { ArchiveReader } from '../store/archive-reader.js'
import { FsObjectStore } from '../store/fs-object-store.js'
import type { ObjectKey } from '../store/object-key.js'

/** Read a folder as an archive. Nothing is written to it. @param onRead - hears of every document that was read whole. */
export function openArchive(path: string, onRead?: (key: ObjectKey, bytes: Uint8Array) => void): ArchiveReader {
  return new ArchiveReader(new FsObjectStore(path, new SystemClock(), new SystemEntropy(), readBlockBytes), onRead)
}
