import { open, readdir, readFile, rename, rm, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { EscrowError, isEscrowError } from '../core/errors.js'
import { makeFolders } from '../core/make-folders.js'

/** Codes of the operating system that a person can do something about. */
const words: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file or folder',
  EACCES: 'permission denied',
  EPERM: 'permission denied',
  EISDIR: 'it is a folder',
  ENOTDIR: 'a part of the path is not a folder',
  ENOSPC: 'the disk is full',
  EEXIST: 'it exists already',
}

/** Words for an error of the file system, without the stack of the runtime. */
export function fileFault(path: string, error: unknown): EscrowError {
  const code = (error as NodeJS.ErrnoException).code ?? ''
  const stable = code === 'EEXIST' ? 'FILE_EXISTS' : 'FILE_UNREADABLE'
  return new EscrowError(stable, `${path}: ${words[code] ?? (error as Error).message}`, { cause: error })
}

/**
 * A file that a person named, whole.
 *
 * @param sizeMax - larger files are refused before they are read.
 * @throws EscrowError `FILE_UNREADABLE`, `FORMAT_INVALID` when it is too large
 */
export async function readNamedFile(path: string, sizeMax: number): Promise<Buffer> {
  try {
    const { size } = await stat(path)
    if (size > sizeMax) throw new EscrowError('FORMAT_INVALID', `${path}: expected at most ${sizeMax} bytes, got ${size}`)
    return await readFile(path)
  } catch (error) {
    throw error instanceof EscrowError ? error : fileFault(path, error)
  }
}

/**
 * What a step makes of a file; when it refuses, the file's name stands before its words.
 *
 * @throws EscrowError of the step
 */
export function ofFile<Result>(path: string, step: () => Result): Result {
  try {
    return step()
  } catch (error) {
    if (!isEscrowError(error) || error.message.startsWith(path)) throw error
    throw new EscrowError(error.code, `${path}: ${error.message}`, { cause: error, details: error.details })
  }
}

/**
 * Write a file whole or not at all: a new file beside it, forced to disk, then renamed.
 *
 * @param options.secret - readable by the owner alone.
 * @param options.replace - false: refuse to overwrite.
 * @throws EscrowError `FILE_EXISTS`, `FILE_UNREADABLE`
 */
export async function writeNamedFile(
  path: string,
  bytes: Uint8Array | string,
  options: { readonly secret?: boolean; readonly replace?: boolean } = {},
): Promise<void> {
  if (options.replace === false && (await exists(path))) throw fileFault(path, { code: 'EEXIST' })
  const fresh = `${path}.writing`
  try {
    await makeFolders(dirname(path))
    await rm(fresh, { force: true })
    const file = await open(fresh, 'wx', options.secret === true ? 0o600 : 0o644)
    try {
      await file.writeFile(bytes)
      await file.sync()
    } finally {
      await file.close()
    }
    await rename(fresh, path)
  } catch (error) {
    // What cannot be removed either is not the fault that is told.
    await rm(fresh, { force: true }).catch(() => undefined)
    throw fileFault(path, error)
  }
}

/** Whether something lies at a path. */
export async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  )
}

/**
 * Make a folder that is this command's own to fill.
 *
 * @throws EscrowError `FOLDER_NOT_EMPTY` when something lies there; `FILE_UNREADABLE`
 */
export async function freshFolder(path: string): Promise<void> {
  try {
    await makeFolders(path, { mode: 0o700 })
    if ((await readdir(path)).length > 0) throw new EscrowError('FOLDER_NOT_EMPTY', `${path} is not empty`)
  } catch (error) {
    throw error instanceof EscrowError ? error : fileFault(path, error)
  }
}

/** Force a finished folder to disk: every file, then every folder, then its own name. @throws EscrowError `FILE_UNREADABLE` */
export async function syncTree(path: string): Promise<void> {
  try {
    for (const entry of await readdir(path, { withFileTypes: true })) {
      const below = join(path, entry.name)
      if (entry.isDirectory()) await syncTree(below)
      else if (entry.isFile()) await syncOne(below)
    }
    await syncOne(path)
  } catch (error) {
    throw error instanceof EscrowError ? error : fileFault(path, error)
  }
}

async function syncOne(path: string): Promise<void> {
  const file = await open(path, 'r')
  try {
    await file.sync()
  } finally {
    await file.close()
  }
}
