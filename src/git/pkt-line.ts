import { EscrowError } from '../core/errors.js'
import { pktLineBytesMax } from '../core/limits.js'
import { ByteReader } from './byte-reader.js'

/**
 * pkt-line framing of git's wire protocol (gitprotocol-common): four hex digits of length, which count themselves, then the payload.
 * `0000` is a flush, `0001` a delimiter, `0002` the end of a response. Everything read here is written by the remote.
 */

const lengthDigits = 4
const requestBlockBytes = 64 * 1024

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
 * @param line - at most 65,516 bytes, of UTF-8 if it is a text; a protocol line brings its own `\n`.
 * @throws EscrowError `REMOTE_PROTOCOL` if it is longer.
 */
export function encodePacket(line: string | Uint8Array): Uint8Array {
  const bytes = Buffer.from(line)
  const sizeBytes = bytes.length + lengthDigits
  if (sizeBytes > pktLineBytesMax)
    throw new EscrowError('REMOTE_PROTOCOL', `expected a packet of at most ${pktLineBytesMax} bytes, got ${sizeBytes}`)
  return Buffer.concat([Buffer.from(sizeBytes.toString(16).padStart(lengthDigits, '0')), bytes])
}

/**
 * The packets of a request joined into blocks of some 64 KiB, each time it is iterated: a hundred thousand packets are not as many writes.
 *
 * @param packets - can be iterated more than once.
 */
export function inRequestBlocks(packets: Iterable<Uint8Array>): Iterable<Uint8Array> {
  function* blocks(): Generator<Uint8Array> {
    let parts: Uint8Array[] = []
    let sizeBytes = 0
    for (const packet of packets) {
      parts.push(packet)
      sizeBytes += packet.length
      if (sizeBytes < requestBlockBytes) continue
      yield Buffer.concat(parts)
      parts = []
      sizeBytes = 0
    }
    if (parts.length > 0) yield Buffer.concat(parts)
  }
  return { [Symbol.iterator]: blocks }
}

/**
 * Side-band packets that carry the bytes, for a client that asked for `side-band-64k`.
 *
 * @param band - 1 for the answer itself, 2 for words to be shown, 3 for a last word.
 * @returns as many packets as it takes; one empty packet for no bytes, which keeps a connection alive.
 */
export function encodeBand(band: 1 | 2 | 3, bytes: Uint8Array): Uint8Array {
  const room = pktLineBytesMax - lengthDigits - 1
  const packets: Uint8Array[] = []
  for (let at = 0; at === 0 || at < bytes.length; at += room) {
    const piece = bytes.subarray(at, at + room)
    packets.push(Buffer.from((piece.length + lengthDigits + 1).toString(16).padStart(lengthDigits, '0')), Buffer.of(band), piece)
  }
  return Buffer.concat(packets)
}

/**
 * Reads packets from bytes that arrive in chunks of any size.
 *
 * Lines are put together; side-band payloads are passed on as views of the chunks that arrived, because a pack of gigabytes goes
 * through here and a copy of each byte would cost more than the network.
 */
export class PacketReader {
  readonly #bytes: ByteReader

  /** @param source - read only by this object from now on; `close` ends it. */
  constructor(source: AsyncIterable<Uint8Array>) {
    this.#bytes = new ByteReader(source)
  }

  /**
   * The next packet.
   *
   * @returns `end` when the stream ended between packets, again and again.
   * @throws EscrowError `REMOTE_PROTOCOL` for a length that no packet can have; `REMOTE_BROKEN` if the stream ends inside a packet.
   */
  async next(): Promise<Packet> {
    const size = await this.#size()
    if (typeof size !== 'number') return { kind: size }
    if (!(await this.#bytes.need(size))) throw brokenInside()
    return { kind: 'line', payload: this.#bytes.take(size) }
  }

  /**
   * The next packet if all of it is there already: a listing of a hundred thousand refs is as many packets, and a promise for each costs more
   * than to read it.
   *
   * @returns null when one has to wait for it with `next`. @throws as `next`
   */
  arrived(): Packet | null {
    if (this.#bytes.available < lengthDigits) return null
    const length = parseLength(this.#bytes.peek(lengthDigits))
    if (this.#bytes.available < length) return null
    this.#bytes.take(lengthDigits)
    const size = sizeOf(length)
    return typeof size === 'number' ? { kind: 'line', payload: this.#bytes.take(size) } : { kind: size }
  }

  /**
   * Side-band packets up to the closing flush, piece by piece and without a copy.
   *
   * @throws EscrowError as `next`, and `REMOTE_BROKEN` if the stream ends before the flush: a sequence that ends is complete.
   */
  async *bands(): AsyncGenerator<BandPiece, void, undefined> {
    for (;;) {
      const size = await this.#size()
      if (size === 'flush') return
      if (size === 'end') throw new EscrowError('REMOTE_BROKEN', 'the stream ended before the closing flush')
      if (typeof size !== 'number' || size < 1) throw new EscrowError('REMOTE_PROTOCOL', `expected a side-band packet, got ${size}`)
      if (!(await this.#bytes.need(1))) throw brokenInside()
      const band = this.#bytes.take(1)[0] ?? 0
      let left = size - 1
      do {
        if (left > 0 && this.#bytes.available === 0 && !(await this.#bytes.need(1))) throw brokenInside()
        const bytes = this.#bytes.take(left)
        left -= bytes.length
        yield { band, bytes, last: left === 0 }
      } while (left > 0)
    }
  }

  /** The bytes behind the last packet that was read, as they come: a push sends its pack like this. Nothing else may be read afterwards. */
  rest(): AsyncGenerator<Uint8Array, void, undefined> {
    return this.#bytes.rest()
  }

  /** End the source early. Idempotent. */
  async close(): Promise<void> {
    await this.#bytes.close()
  }

  /** Bytes of payload that follow, or what the packet is instead. */
  async #size(): Promise<PacketSize | 'end'> {
    if (this.#bytes.available < lengthDigits && !(await this.#bytes.need(lengthDigits))) {
      if (this.#bytes.available === 0) return 'end'
      throw brokenInside()
    }
    return sizeOf(parseLength(this.#bytes.take(lengthDigits)))
  }
}

type PacketSize = number | 'flush' | 'delim' | 'responseEnd'

function sizeOf(length: number): PacketSize {
  if (length === 0) return 'flush'
  if (length === 1) return 'delim'
  if (length === 2) return 'responseEnd'
  return length - lengthDigits
}

function parseLength(digits: Uint8Array): number {
  let length = 0
  for (const code of digits) {
    const digit = hexDigit(code)
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
