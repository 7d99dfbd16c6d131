import { EscrowError } from '../core/errors.js'
import { pktLineBytesMax } from '../core/limits.js'

/**
 * pkt-line framing of git's wire protocol (gitprotocol-common): four hex digits of length, which count themselves, then the payload.
 * `0000` is a flush, `0001` a delimiter, `0002` the end of a response. Everything read here is written by the remote.
 */

const lengthDigits = 4
const nothing: Uint8Array = new Uint8Array(0)

/** One packet, or the end of the stream between two packets. A payload is a view that is valid until the next read. */
export type Packet = { readonly kind: 'line'; readonly payload: Uint8Array } | { readonly kind: 'flush' | 'delim' | 'responseEnd' | 'end' }

/** A part of a side-band packet; `last` closes the packet. A packet may come in any number of pieces. */
export interface BandPiece {
  readonly band: number
  readonly bytes: Uint8Array
  readonly last: boolean
}

export const flushPacket: Uint8Array = Buffer.from('0000')
export const delimPacket: Uint8Array = Buffer.from('0001')

/**
 * One packet that carries the text.
 *
 * @param text - at most 65,516 bytes in UTF-8; a protocol line brings its own `\n`.
 * @throws EscrowError `REMOTE_PROTOCOL` if it is longer.
 */
export function encodePacket(text: string): Uint8Array {
  const sizeBytes = Buffer.byteLength(text) + lengthDigits
  if (sizeBytes > pktLineBytesMax)
    throw new EscrowError('REMOTE_PROTOCOL', `expected a packet of at most ${pktLineBytesMax} bytes, got ${sizeBytes}`)
  return Buffer.from(sizeBytes.toString(16).padStart(lengthDigits, '0') + text)
}

/**
 * Reads packets from bytes that arrive in chunks of any size.
 *
 * Lines are put together; side-band payloads are passed on as views of the chunks that arrived, because a pack of gigabytes goes
 * through here and a copy of each byte would cost more than the network.
 */
export class PacketReader {
  readonly #source: AsyncIterator<Uint8Array>
  #chunk: Uint8Array = nothing
  #offset = 0

  /** @param source - read only by this object from now on; `close` ends it. */
  constructor(source: AsyncIterable<Uint8Array>) {
    this.#source = source[Symbol.asyncIterator]()
  }

  /**
   * The next packet.
   *
   * @returns `end` when the stream ended between packets, again and again.
   * @throws EscrowError `REMOTE_PROTOCOL` for a length that no packet can have; `REMOTE_BROKEN` if the stream ends inside a packet.
   */
  async next(): Promise<Packet> {
    const size = await this.#length()
    if (typeof size !== 'number') return { kind: size }
    if (!(await this.#atLeast(size))) throw brokenInside()
    const payload = this.#chunk.subarray(this.#offset, this.#offset + size)
    this.#offset += size
    return { kind: 'line', payload }
  }

  /**
   * Side-band packets up to the closing flush, piece by piece and without a copy.
   *
   * @throws EscrowError as `next`, and `REMOTE_BROKEN` if the stream ends before the flush: a sequence that ends is complete.
   */
  async *bands(): AsyncGenerator<BandPiece, void, undefined> {
    for (;;) {
      const size = await this.#length()
      if (size === 'flush') return
      if (size === 'end') throw new EscrowError('REMOTE_BROKEN', 'the stream ended before the closing flush')
      if (typeof size !== 'number' || size < 1) throw new EscrowError('REMOTE_PROTOCOL', `expected a side-band packet, got ${size}`)
      if (this.#available === 0 && !(await this.#atLeast(1))) throw brokenInside()
      const band = this.#chunk[this.#offset] ?? 0
      this.#offset += 1
      for (let left = size - 1; left > 0;) {
        if (this.#available === 0 && !(await this.#atLeast(1))) throw brokenInside()
        const bytes = this.#chunk.subarray(this.#offset, this.#offset + left)
        this.#offset += bytes.length
        left -= bytes.length
        yield { band, bytes, last: left === 0 }
      }
    }
  }

  /** End the source early. Idempotent. */
  async close(): Promise<void> {
    await this.#source.return?.()
  }

  get #available(): number {
    return this.#chunk.length - this.#offset
  }

  async #length(): Promise<number | 'flush' | 'delim' | 'responseEnd' | 'end'> {
    if (this.#available < lengthDigits && !(await this.#atLeast(lengthDigits))) {
      if (this.#available === 0) return 'end'
      throw brokenInside()
    }
    const length = parseLength(this.#chunk, this.#offset)
    this.#offset += lengthDigits
    if (length === 0) return 'flush'
    if (length === 1) return 'delim'
    if (length === 2) return 'responseEnd'
    return length - lengthDigits
  }

  /** Make `count` bytes contiguous; false if the stream ends first. Joins once, however small the chunks are. */
  async #atLeast(count: number): Promise<boolean> {
    if (this.#available >= count) return true
    const parts: Uint8Array[] = [this.#chunk.subarray(this.#offset)]
    let have = this.#available
    while (have < count) {
      const { value, done } = await this.#source.next()
      if (done === true) break
      parts.push(value)
      have += value.length
    }
    const [first, second] = parts
    this.#chunk = parts.length === 2 && first?.length === 0 && second !== undefined ? second : Buffer.concat(parts)
    this.#offset = 0
    return have >= count
  }
}

function parseLength(bytes: Uint8Array, offset: number): number {
  let length = 0
  for (let at = offset; at < offset + lengthDigits; at += 1) {
    const digit = hexDigit(bytes[at] ?? 0)
    if (digit === -1) throw new EscrowError('REMOTE_PROTOCOL', 'expected four hex digits of packet length, got something else')
    length = length * 16 + digit
  }
  if (length === 3 || length > pktLineBytesMax)
    throw new EscrowError('REMOTE_PROTOCOL', `expected a packet length of 4 to ${pktLineBytesMax}, got ${length}`)
  return length
}

function hexDigit(code: number): number {
  if (code >= 0x30 && code <= 0x39) return code - 0x30
  const lower = code | 0x20
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1
}

function brokenInside(): EscrowError {
  return new EscrowError('REMOTE_BROKEN', 'the stream ended inside a packet')
}
