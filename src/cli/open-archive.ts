import { SystemClock, SystemEntropy } from '../core/environment.js'
import { ArchiveReader } from '../store/archive-reader.js'
import { FsObjectStore } from '../store/fs-object-store.js'

/** Read a folder as an archive. Nothing is written to it. */
export function openArchive(path: string): ArchiveReader {
  return new ArchiveReader(new FsObjectStore(path, new SystemClock(), new SystemEntropy()))
}
