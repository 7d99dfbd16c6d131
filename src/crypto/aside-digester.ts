// Digests of large streams, made on another thread while the caller seals or writes. What is small is hashed here: to ask a thread costs more.
import { partBytes as partBytesDefault, readBlockBytes } from '../core/limits.js'
import { Digester, PartsDigester, type PartsDigest, type StreamDigest } from './digest.js'
import { openHashedStream, type DigestsOfStream, type HashedStream } from './digest-thread.js'

/** Bytes that are kept until it is known whether more of them will come than are hashed here. */
const earlyBytesMax = readBlockBytes / 2

/** Bytes on their way to a thread, or to a digester here when they are few. */
class AsideStream {
  readonly #early: Uint8Array[] = []
  #stream: HashedStream | null = null
  #sizeBytes = 0

  /** @param partBytes - at least 1; null when parts are not asked for. */
  constructor(private readonly partBytes: number | null) {}

  get sizeBytes(): number {
    return this.#sizeBytes
  }

  async update(bytes: Uint8Array): Promise<void> {
    if (this.#stream === null && this.#sizeBytes + bytes.byteLength <= earlyBytesMax) {
      this.#early.push(Uint8Array.from(bytes))
      this.#sizeBytes += bytes.byteLength
      return
    }
    await Promise.all(this.#begin(bytes))
  }

  /** @param here - sees everything when it was little. @returns null then. */
  async end(here: { update(bytes: Uint8Array): void }): Promise<DigestsOfStream | null> {
    if (this.#stream !== null) return this.#stream.end()
    for (const bytes of this.#early) here.update(bytes)
    return null
  }

  drop(): void {
    this.#stream?.drop()
  }

  #begin(bytes: Uint8Array): readonly Promise<void>[] {
    if (this.#stream !== null) return this.#send(bytes)
    this.#stream = openHashedStream()
    this.#sizeBytes = 0
    return [...this.#early.splice(0), bytes].flatMap((piece) => this.#send(piece))
  }

  /** In pieces that belong to one part each. */
  #send(bytes: Uint8Array): readonly Promise<void>[] {
    const sent: Promise<void>[] = []
    for (let offset = 0; offset < bytes.byteLength;) {
      const used = this.partBytes === null ? 0 : this.#sizeBytes % this.partBytes
      const piece = bytes.subarray(offset, this.partBytes === null ? undefined : offset + this.partBytes - used)
      const beginsPart = this.partBytes !== null && this.#sizeBytes > 0 && used === 0
      sent.push(this.#stream?.take(piece, beginsPart) ?? Promise.resolve())
      offset += piece.byteLength
      this.#sizeBytes += piece.byteLength
    }
    return sent
  }
}

/** SHA-256 and size of bytes that come in pieces, as `Digester`. Let it finish, or drop it. */
export class AsideDigester {
  readonly #stream = new AsideStream(null)

  /** Take the next bytes; without a copy when they lie in `threadMemory`. @returns when they may be written over; further bytes may be given before. */
  update(bytes: Uint8Array): Promise<void> {
    return this.#stream.update(bytes)
  }

  /** The digest in lower-case hex and the size. Once only: the digester is used up. */
  async finish(): Promise<StreamDigest> {
    const here = new Digester()
    const found = await this.#stream.end(here)
    return found === null ? here.finish() : { sha256: found.sha256, sizeBytes: this.#stream.sizeBytes }
  }

  /** Give up; idempotent, also after `finish`. */
  drop(): void {
    this.#stream.drop()
  }
}

/** SHA-256 of the whole and of every part, as `PartsDigester`. Let it finish, or drop it. */
export class AsidePartsDigester {
  readonly #stream: AsideStream

  /** @param partBytes - size of a part, at least 1; 8 MiB when left out. */
  constructor(private readonly partBytes: number = partBytesDefault) {
    this.#stream = new AsideStream(partBytes)
  }

  /** As `AsideDigester.update`. */
  update(bytes: Uint8Array): Promise<void> {
    return this.#stream.update(bytes)
  }

  /** All digests in lower-case hex. Once only: the digester is used up. */
  async finish(): Promise<PartsDigest> {
    const here = new PartsDigester(this.partBytes)
    const found = await this.#stream.end(here)
    if (found === null) return here.finish()
    return { sha256: found.sha256, sizeBytes: this.#stream.sizeBytes, partBytes: this.partBytes, partSha256: found.parts }
  }

  /** Give up; idempotent, also after `finish`. */
  drop(): void {
    this.#stream.drop()
  }
}
