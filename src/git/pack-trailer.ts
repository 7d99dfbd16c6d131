import { createHash, type Hash } from 'node:crypto'
import { EscrowError } from '../core/errors.js'
import type { ObjectFormat } from './git-remote.js'

const headerBytes = 12
const trailerBytesOf: Readonly<Record<ObjectFormat, number>> = { sha1: 20, sha256: 32 }

/** What a pack says of itself. */
export interface PackSummary {
  /** The trailer, in hex. */
  readonly packChecksum: string
  readonly objectCount: number
  readonly sizeBytes: number
}

/**
 * Follows the bytes of a pack and holds its trailer against them: a digest of everything before it (gitformat-pack). Says that these are the
 * bytes that their writer wrote, and all of them; nothing about the objects in them.
 */
export class PackTrailer {
  private readonly hash: Hash
  private readonly trailerBytes: number
  private header: Buffer = Buffer.alloc(0)
  /** The last bytes so far: they are the trailer if nothing follows. */
  private held: Buffer = Buffer.alloc(0)
  private sizeBytes = 0

  constructor(objectFormat: ObjectFormat) {
    this.hash = createHash(objectFormat)
    this.trailerBytes = trailerBytesOf[objectFormat]
  }

  /** Take the next bytes; keeps no reference to them. */
  update(bytes: Uint8Array): void {
    if (this.header.length < headerBytes) this.header = Buffer.concat([this.header, bytes.subarray(0, headerBytes - this.header.length)])
    this.sizeBytes += bytes.byteLength
    const keepFrom = bytes.byteLength - this.trailerBytes
    if (keepFrom >= 0) {
      this.hash.update(this.held)
      this.hash.update(bytes.subarray(0, keepFrom))
      this.held = Buffer.from(bytes.subarray(keepFrom))
      return
    }
    const joined = Buffer.concat([this.held, bytes])
    const from = Math.max(0, joined.length - this.trailerBytes)
    this.hash.update(joined.subarray(0, from))
    this.held = joined.subarray(from)
  }

  /**
   * Say that the pack has ended. Once only.
   *
   * @throws EscrowError `PACK_CORRUPT` when it is cut short, changed, or no pack of version 2 or 3
   */
  finish(): PackSummary {
    const { header, held, sizeBytes } = this
    if (sizeBytes < headerBytes + this.trailerBytes) {
      throw new EscrowError('PACK_CORRUPT', `expected a pack of at least ${headerBytes + this.trailerBytes} bytes, got ${sizeBytes}`)
    }
    const version = header.readUInt32BE(4)
    if (header.toString('latin1', 0, 4) !== 'PACK' || (version !== 2 && version !== 3))
      throw new EscrowError('PACK_CORRUPT', 'expected a pack of version 2 or 3, got something else')
    const packChecksum = held.toString('hex')
    const digest = this.hash.digest('hex')
    if (digest !== packChecksum) throw new EscrowError('PACK_CORRUPT', `expected the pack to end with ${digest}, got ${packChecksum}`)
    return { packChecksum, objectCount: header.readUInt32BE(8), sizeBytes }
  }
}
