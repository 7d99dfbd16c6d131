import { lstat, open, rename } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import type { Entropy } from '../core/environment.js'
import { makeFolders } from '../core/make-folders.js'
import { ArchiveTarget } from './archive-target.js'
import { makeFolder, orNull, pathBelow, removeQuietly, syncFolder, translated } from './fs-durable.js'
import type { ObjectKey } from './object-key.js'

/** ADAPTER: a copy of the archive as plain files in a folder. */
export class FsArchiveTarget extends ArchiveTarget {
  private readonly root: string

  /** @param folder - made when it is missing. */
  constructor(
    folder: string,
    private readonly entropy: Entropy,
  ) {
    super()
    this.root = resolve(folder)
  }

  async holds(key: ObjectKey, sizeBytes: number | null): Promise<boolean> {
    const stats = await translated(`look for ${key}`, () => orNull(lstat(pathBelow(this.root, key))))
    return stats !== null && stats.isFile() && (sizeBytes === null || stats.size === sizeBytes)
  }

  async write(key: ObjectKey, blocks: AsyncIterable<Uint8Array>): Promise<void> {
    const path = pathBelow(this.root, key)
    const temporary = join(dirname(path), `.incoming-${Buffer.from(this.entropy.bytes(12)).toString('hex')}`)
    await translated(`write ${key}`, async () => {
      await makeFolders(this.root)
      await makeFolder(this.root, dirname(path))
    })
    try {
      const handle = await translated(`write ${key}`, () => open(temporary, 'wx', 0o644))
      try {
        for await (const block of blocks) await translated(`write ${key}`, () => handle.writeFile(block))
        await translated(`write ${key}`, () => handle.sync())
      } finally {
        await handle.close()
      }
      await translated(`write ${key}`, async () => {
        await rename(temporary, path)
        await syncFolder(dirname(path))
      })
    } finally {
      await removeQuietly(temporary)
    }
  }
}
