import { open, readdir, rm, stat, type FileHandle } from 'node:fs/promises'
import { dirname, join, relative, resolve, sep } from 'node:path'
import type { Clock, Entropy } from '../core/environment.js'
import { assert, EscrowError } from '../core/errors.js'
import { readBlockBytes } from '../core/limits.js'
import { makeFolders } from '../core/make-folders.js'
import { ArchiveReader } from './archive-reader.js'
import { orNull, pathBelow, translated } from './fs-durable.js'
import { FsObjectStore } from './fs-object-store.js'
import { KeyedTurns } from './keyed-turns.js'
import { parseObjectKey } from './object-key.js'
import { OfferInbox, type ArrivedFile } from './offer-inbox.js'

/** ADAPTER: offers as folders of plain files. */
export class FsOfferInbox extends OfferInbox {
  private readonly root: string
  /** Two requests for one file must not write between each other's lines. */
  private readonly turns = new KeyedTurns()

  /** @param folder - made when it is missing. */
  constructor(
    folder: string,
    private readonly clock: Clock,
    private readonly entropy: Entropy,
  ) {
    super()
    this.root = resolve(folder)
  }

  async offers(prefix: string): Promise<readonly string[]> {
    const names = (await translated('look for offers', () => orNull(readdir(this.root)))) ?? []
    return names.filter((name) => name.startsWith(prefix))
  }

  async list(offer: string): Promise<readonly ArrivedFile[]> {
    const folder = this.folderOf(offer)
    return translated('list an offer', async () => {
      const entries = (await orNull(readdir(folder, { recursive: true, withFileTypes: true }))) ?? []
      const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name))
      const arrived = files.map(async (path) => {
        const key = parseObjectKey(relative(folder, path).split(sep).join('/'))
        return { key, sizeBytes: (await stat(path)).size }
      })
      return Promise.all(arrived)
    })
  }

  append(offer: string, piece: Parameters<OfferInbox['append']>[1]): Promise<number> {
    const path = pathBelow(this.folderOf(offer), piece.key)
    return this.turns.run(path, async () => {
      await translated('make room for an offer', () => makeFolders(dirname(path), { mode: 0o700 }))
      const handle = await translated('write an offer', () => open(path, 'a', 0o600))
      try {
        let { size } = await translated('write an offer', () => handle.stat())
        if (size !== piece.offset) {
          throw new EscrowError('OFFER_OFFSET', `expected bytes from ${size} on, got some from ${piece.offset}`, {
            details: { sizeBytes: size },
          })
        }
        for await (const blocks of gathered(piece.bytes)) {
          size += sizeOf(blocks)
          if (size > piece.sizeBytesMax) {
            throw new EscrowError('DEPOSIT_TOO_LARGE', `expected a file of at most ${piece.sizeBytesMax} bytes, got more`)
          }
          await translated('write an offer', () => appendAll(handle, blocks))
        }
        return size
      } finally {
        await handle.close()
      }
    })
  }

  open(offer: string): ArchiveReader {
    return new ArchiveReader(new FsObjectStore(this.folderOf(offer), this.clock, this.entropy))
  }

  async remove(offer: string): Promise<void> {
    await translated('forget an offer', () => rm(this.folderOf(offer), { recursive: true, force: true }))
  }

  async addedTo(offer: string): Promise<Date | null> {
    const folder = this.folderOf(offer)
    return translated('look at an offer', async () => {
      const files = (await orNull(readdir(folder, { recursive: true }))) ?? []
      const found = await Promise.all([folder, ...files.map((name) => join(folder, name))].map((path) => orNull(stat(path))))
      const times = found.flatMap((file) => (file === null ? [] : [file.mtimeMs]))
      return times.length === 0 ? null : new Date(Math.max(...times))
    })
  }

  async sweep(before: Date, keep: string): Promise<number> {
    let swept = 0
    for (const offer of (await this.offers('')).filter((name) => name !== keep)) {
      const addedTo = await this.addedTo(offer)
      if (addedTo === null || addedTo >= before) continue
      await this.remove(offer)
      swept += 1
    }
    return swept
  }

  private folderOf(offer: string): string {
    assert(/^[a-z0-9_-]{1,200}$/.test(offer), 'an offer has a plain name')
    return join(this.root, offer)
  }
}

/** What arrives comes in pieces of 64 KiB or less: a megabyte of them is written at once. What has arrived when the source fails is given first. */
async function* gathered(source: AsyncIterable<Uint8Array>): AsyncGenerator<readonly Uint8Array[]> {
  let blocks: Uint8Array[] = []
  try {
    for await (const bytes of source) {
      blocks.push(bytes)
      if (sizeOf(blocks) < readBlockBytes) continue
      yield blocks
      blocks = []
    }
  } catch (error) {
    if (blocks.length > 0) yield blocks
    throw error
  }
  if (blocks.length > 0) yield blocks
}

const sizeOf = (blocks: readonly Uint8Array[]): number => blocks.reduce((sum, bytes) => sum + bytes.length, 0)

/** The file was opened to append. */
async function appendAll(handle: FileHandle, blocks: readonly Uint8Array[]): Promise<void> {
  const { bytesWritten } = await handle.writev([...blocks])
  if (bytesWritten === sizeOf(blocks)) return
  // A disk that is nearly full takes some of it; what is left says why.
  await handle.appendFile(Buffer.concat(blocks).subarray(bytesWritten))
}
