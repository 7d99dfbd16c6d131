import { readdir } from 'node:fs/promises'
import { SystemClock, SystemEntropy } from '../core/environment.js'
import { readBlockBytes } from '../core/limits.js'
import { ArchiveReader } from '../store/archive-reader.js'
import { FsObjectStore } from '../store/fs-object-store.js'
import type { ObjectKey } from '../store/object-key.js'
import { fileFault } from './files.js'

/** Read a folder as an archive. Nothing is written to it. @param onRead - hears of every document that was read whole. */
export function openArchive(path: string, onRead?: (key: ObjectKey, bytes: Uint8Array) => void): ArchiveReader {
  return new ArchiveReader(new FsObjectStore(path, new SystemClock(), new SystemEntropy(), readBlockBytes), onRead)
}

/** As `openArchive`, of a folder that a person named. @throws EscrowError `FILE_UNREADABLE`, naming it, when there is none */
export async function openNamedArchive(path: string): Promise<ArchiveReader> {
  try {
    await readdir(path)
  } catch (error) {
    throw fileFault(path, error)
  }
  return openArchive(path)
}
