import { createHash } from 'node:crypto'
import type { ArchiveTarget } from '../store/archive-target.js'
import type { ObjectKey } from '../store/object-key.js'

/** A folder of evidence while it is written: it keeps the digest of every file. */
export class EvidenceFolder {
  /** SHA-256 in hex by name. */
  readonly digests = new Map<string, string>()

  constructor(
    private readonly target: ArchiveTarget,
    private readonly onFile?: (files: number) => void,
  ) {}

  /** Files written so far. */
  get files(): number {
    return this.digests.size
  }

  /** Write a file. @throws EscrowError `STORE_*` */
  async write(name: ObjectKey, bytes: Uint8Array): Promise<void> {
    await this.stream(name, only(bytes))
  }

  /** Write a file block by block. @throws EscrowError `STORE_*`; what `blocks` throws */
  async stream(name: ObjectKey, blocks: AsyncIterable<Uint8Array>): Promise<void> {
    const hash = createHash('sha256')
    await this.target.write(
      name,
      hashed(blocks, (block) => void hash.update(block)),
    )
    this.digests.set(name, hash.digest('hex'))
    this.onFile?.(this.files)
  }
}

async function* only(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes
}

async function* hashed(blocks: AsyncIterable<Uint8Array>, update: (block: Uint8Array) => void): AsyncGenerator<Uint8Array> {
  for await (const block of blocks) {
    update(block)
    yield block
  }
}
