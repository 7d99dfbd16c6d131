// Small files in one go: where tens of thousands of documents of a few kilobytes are read, a promise for each of five system calls costs more than
// the calls. For a program that does nothing else; a server would keep its other callers waiting.
import { closeSync, constants, fstatSync, lstatSync, openSync, readSync, type Stats } from 'node:fs'
import { errnoOf } from './fs-durable.js'

/**
 * The bytes of a small regular file.
 *
 * @param bytesMax - a larger file is left alone.
 * @returns null for one that is larger or changes meanwhile, and when there is no such file; a symbolic link, a folder or a device is none.
 * @throws the operating system's error, untranslated.
 */
export function readAtOnce(path: string, bytesMax: number): Uint8Array | null {
  const before = statAtOnce(path)
  if (before === null || before.size > bytesMax) return null
  const descriptor = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW)
  try {
    // Looked at again: the name may have passed to another file meanwhile.
    const { size } = fstatSync(descriptor)
    if (size > bytesMax) return null
    const bytes = Buffer.allocUnsafe(size)
    let filled = 0
    for (let got = -1; got !== 0 && filled < size; filled += got) got = readSync(descriptor, bytes, filled, size - filled, filled)
    return filled === size ? bytes : null
  } finally {
    closeSync(descriptor)
  }
}

/** What lies at a path; null when it is no regular file. @throws the operating system's error, untranslated */
export function statAtOnce(path: string): Stats | null {
  try {
    const stats = lstatSync(path, { throwIfNoEntry: false })
    return stats?.isFile() === true ? stats : null
  } catch (error) {
    if (errnoOf(error) === 'ENOTDIR') return null
    throw error
  }
}
