import { mkdir, stat } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'

/**
 * Make a folder and those above it that are missing; nothing happens where it lies already.
 *
 * Node's own recursive `mkdir` goes on for ever where the system answers that a parent is missing although it is there, as it does below
 * `/proc` (decision 0024).
 *
 * @param options.mode - of every folder that is made.
 * @throws the error of the file system, with its `code`: `EEXIST` when something else lies there, `ENOTDIR` below a file, `EACCES`, ...;
 *   `ENOTSUP` where no folder can be made at all
 */
export async function makeFolders(path: string, options: { readonly mode?: number } = {}): Promise<void> {
  const folder = resolve(path)
  try {
    return await makeOne(folder, options)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || dirname(folder) === folder) throw error
  }
  await makeFolders(dirname(folder), options)
  try {
    await makeOne(folder, options)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    // Its parent is there by now.
    throw Object.assign(new Error(`no folder can be made in ${dirname(folder)}`, { cause: error }), { code: 'ENOTSUP' })
  }
}

async function makeOne(folder: string, options: { readonly mode?: number }): Promise<void> {
  try {
    await mkdir(folder, options)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') throw error
    // A folder that is there answers EEXIST, but on some systems EROFS or EISDIR.
    const found = await stat(folder).catch(() => null)
    if (found?.isDirectory() !== true) throw error
  }
}
