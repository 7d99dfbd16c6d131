import { join, resolve } from 'node:path'
import { HomeLock } from '../db/home-lock.js'

/**
 * Work in a folder that nobody else may change meanwhile. A lock that a dead process left is removed.
 *
 * @param folder - made when it is missing; the lock lies in it, as `lock`.
 * @throws EscrowError `HOME_LOCKED` while another command works in it; what `work` throws
 */
export async function withFolderLock<T>(folder: string, work: () => Promise<T>): Promise<T> {
  const lock = await HomeLock.take(join(resolve(folder), 'lock'))
  try {
    return await work()
  } finally {
    await lock.release()
  }
}
