// File operations that survive a power cut, and the words for those that fail. A rename or link is durable only once the folder
// that holds the name is synced (fsync(2), "Calling fsync() does not necessarily ensure that the entry in the directory ... has
// also reached disk").
import { constants } from 'node:fs'
import { link, lstat, mkdir, open, opendir, rename, unlink } from 'node:fs/promises'
import { dirname, sep } from 'node:path'
import { EscrowError } from '../core/errors.js'

/** What the operating system says when the place answers and says no. Everything else is a place that does not answer. */
const refusals: Readonly<Record<string, string>> = {
  ENOSPC: 'no space left on its disk',
  EDQUOT: 'its quota is used up',
  EFBIG: 'the file is larger than its file system takes',
  EROFS: 'it is mounted read-only',
  EACCES: 'permission denied',
  EPERM: 'operation not permitted',
  ENAMETOOLONG: 'a name is longer than its file system takes',
  ENOTDIR: 'a folder of the key is a file',
  EISDIR: 'the key is a folder',
  ELOOP: 'a symbolic link lies under the key',
  EXDEV: 'it spans more than one file system',
}

/** The code of a failed system call, or null for any other error. */
export function errnoOf(error: unknown): string | null {
  const code = error instanceof Error && 'code' in error ? error.code : null
  return typeof code === 'string' && /^E[A-Z0-9]+$/.test(code) ? code : null
}

/**
 * Translate a failed system call at this adapter's edge; every other error comes back as it is.
 *
 * @param doing - what was tried, as in "cannot <doing>".
 * @returns an EscrowError `STORE_REFUSED` (no space, no permission) or `STORE_UNREACHABLE` (gone, input/output error).
 */
export function fsFault(error: unknown, doing: string): unknown {
  const code = errnoOf(error)
  if (code === null) return error
  const refusal = refusals[code]
  const words = refusal === undefined ? `the store folder does not answer (${code})` : `the store folder refuses: ${refusal} (${code})`
  return new EscrowError(refusal === undefined ? 'STORE_UNREACHABLE' : 'STORE_REFUSED', `cannot ${doing}: ${words}`, {
    details: { errno: code },
    cause: error,
  })
}

/** Run file operations with their failures translated. @throws EscrowError `STORE_REFUSED`, `STORE_UNREACHABLE` */
export async function translated<T>(doing: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    throw fsFault(error, doing)
  }
}

/** What `work` gives, or null when there is no such file or folder, or a folder above it is a file. */
export async function orNull<T>(work: Promise<T>): Promise<T | null> {
  try {
    return await work
  } catch (error) {
    if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENOTDIR') return null
    throw error
  }
}

/** Make the names in a folder durable. */
export async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, constants.O_RDONLY | constants.O_DIRECTORY)
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/** Make a folder and those above it that are missing below `root`, durably. Idempotent; `root` itself must exist. */
export async function makeFolder(root: string, folder: string): Promise<void> {
  if (folder === root || (await orNull(lstat(folder))) !== null) return
  await makeFolder(root, dirname(folder))
  await mkdir(folder).catch((error: unknown) => {
    if (errnoOf(error) !== 'EEXIST') throw error
  })
  await syncFolder(dirname(folder))
}

/**
 * Replace a small file, whole or not at all, also across a power cut.
 *
 * @param temporary - a free name on the same file system; gone afterwards, whatever happens.
 */
export async function replaceFile(path: string, bytes: Uint8Array, temporary: string, mode = 0o644): Promise<void> {
  try {
    const handle = await open(temporary, 'wx', mode)
    try {
      await handle.writeFile(bytes)
      await handle.sync()
    } finally {
      await handle.close()
    }
    await rename(temporary, path)
  } catch (error) {
    await removeQuietly(temporary)
    throw error
  }
  await syncFolder(dirname(path))
}

/** Give a finished file its name only if the name is free; `EEXIST` otherwise. Unlike rename, link never replaces. */
export async function nameExclusively(temporary: string, path: string): Promise<void> {
  await link(temporary, path)
  await unlink(temporary)
  await syncFolder(dirname(path))
}

/** Remove a temporary file of ours if it is there. What stays behind is invisible, and swept when its lease is over. */
export async function removeQuietly(path: string): Promise<void> {
  await unlink(path).catch(() => undefined)
}

/** Whether a folder has no entries at all: what an unmounted disk leaves behind. */
export async function isEmptyFolder(folder: string): Promise<boolean> {
  const entries = await opendir(folder)
  try {
    return (await entries.read()) === null
  } finally {
    await entries.close()
  }
}

/** The path of a checked slash-separated name below a root that was resolved. */
export function pathBelow(root: string, name: string): string {
  const path = sep === '/' ? name : name.replaceAll('/', sep)
  return root.endsWith(sep) ? `${root}${path}` : `${root}${sep}${path}`
}
