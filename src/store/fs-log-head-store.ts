import { lstat, readFile } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import type { Entropy } from '../core/environment.js'
import { EscrowError } from '../core/errors.js'
import { logHeadBytesMax } from '../core/limits.js'
import { makeFolder, orNull, pathBelow, replaceFile, translated } from './fs-durable.js'
import { LogHeadStore } from './log-head-store.js'
import { parseObjectKey } from './object-key.js'

/** ADAPTER: the unlocked place of checkpoint and partial tiles, in a folder that `makeStoreFolder` has made. */
export class FsLogHeadStore extends LogHeadStore {
  private readonly root: string

  constructor(
    folder: string,
    private readonly entropy: Entropy,
  ) {
    super()
    this.root = resolve(folder)
  }

  async read(name: string, signal?: AbortSignal): Promise<Uint8Array | null> {
    signal?.throwIfAborted()
    const path = pathBelow(this.root, parseObjectKey(name))
    return translated(`read ${name}`, async () => {
      const stats = await orNull(lstat(path))
      if (stats === null || !stats.isFile()) {
        await lstat(join(this.root, '.incoming'))
        return null
      }
      if (stats.size > logHeadBytesMax) throw new EscrowError('STORE_REFUSED', `${name} has ${stats.size} bytes, more than any log head`)
      return orNull(readFile(path))
    })
  }

  async write(name: string, bytes: Uint8Array, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted()
    const path = pathBelow(this.root, parseObjectKey(name))
    await translated(`write ${name}`, async () => {
      const temporary = join(this.root, '.incoming', Buffer.from(this.entropy.bytes(12)).toString('hex'))
      await lstat(dirname(temporary))
      await makeFolder(this.root, dirname(path))
      await replaceFile(path, bytes, temporary)
    })
  }
}
