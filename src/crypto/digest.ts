import { createHash, hash, type Hash } from 'node:crypto'
import { partBytes as partBytesDefault } from '../core/limits.js'

/** SHA-256 in lower-case hex. */
export function sha256Hex(bytes: Uint8Array): string {
  return hash('sha256', bytes, 'hex')
}

/** SHA-256 as 32 bytes. */
export function sha256(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(hash('sha256', bytes, 'buffer'))
}

/** What a stream was: its digest and its length. */
export interface StreamDigest {
  readonly sha256: string
  readonly sizeBytes: number
}

/** SHA-256 and size of bytes that come in pieces. */
export class Digester {
  readonly #hash = createHash('sha256')
  #sizeBytes = 0

  /** Take the next bytes. Keeps no reference to them. */
  update(bytes: Uint8Array): void {
    this.#hash.update(bytes)
    this.#sizeBytes += bytes.byteLength
  }

  /** The digest in lower-case hex and the size. Once only: the digester is used up. */
  finish(): StreamDigest {
    return { sha256: this.#hash.digest('hex'), sizeBytes: this.#sizeBytes }
  }
}

/** The digest of a whole and of each of its parts in order; the last part may be short, and nothing at all is one empty part. */
export interface PartsDigest extends StreamDigest {
  readonly partBytes: number
  readonly partSha256: readonly string[]
}

/**
 * SHA-256 of the whole and of every part of bytes that come in pieces of any size. Parts let a store be checked, repaired and
 * resumed without reading everything (docs/formats/manifest.md, "envelope").
 */
export class PartsDigester {
  readonly #whole = createHash('sha256')
  readonly #parts: string[] = []
  #sizeBytes = 0
  /** Null for the first part, which is how the whole begins: it is hashed once. */
  #part: Hash | null = null
  #partUsed = 0

  /** @param partBytes - size of a part, at least 1; 8 MiB when left out. */
  constructor(private readonly partBytes: number = partBytesDefault) {}

  /** Take the next bytes. Keeps no reference to them. */
  update(bytes: Uint8Array): void {
    this.#sizeBytes += bytes.byteLength
    for (let offset = 0; offset < bytes.byteLength;) {
      if (this.#partUsed === this.partBytes) this.#closePart()
      const piece = bytes.subarray(offset, offset + this.partBytes - this.#partUsed)
      this.#part?.update(piece)
      this.#whole.update(piece)
      this.#partUsed += piece.byteLength
      offset += piece.byteLength
    }
  }

  /** All digests in lower-case hex. Once only: the digester is used up. */
  finish(): PartsDigest {
    this.#parts.push(this.#partDigest())
    return { sha256: this.#whole.digest('hex'), sizeBytes: this.#sizeBytes, partBytes: this.partBytes, partSha256: this.#parts }
  }

  #closePart(): void {
    this.#parts.push(this.#partDigest())
    this.#part = createHash('sha256')
    this.#partUsed = 0
  }

  #partDigest(): string {
    return (this.#part ?? this.#whole.copy()).digest('hex')
  }
}

/** The bytes of a source, passed on as they are, while a digester sees them. */
export async function* digesting(
  source: AsyncIterable<Uint8Array>,
  digester: { update(bytes: Uint8Array): void },
): AsyncGenerator<Uint8Array> {
  for await (const bytes of source) {
    digester.update(bytes)
    yield bytes
  }
}
