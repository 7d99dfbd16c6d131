import { createHmac, hkdfSync, timingSafeEqual } from 'node:crypto'
import { EscrowError } from '../core/errors.js'
import { envelopeHeaderBytesMax } from '../core/limits.js'
import { decodeBase64Unpadded, encodeBase64Unpadded } from './base64.js'

/**
 * The textual header of an age v1 file (c2sp.org/age, "Header"), without any key: what it looks like, where it ends, its MAC.
 *
 * ```
 * age-encryption.org/v1
 * -> X25519 <43 characters: ephemeral share>
 * <43 characters: wrapped file key>
 * --- <43 characters: HMAC-SHA-256>
 * ```
 */

const version = 'age-encryption.org/v1'
const lineColumns = 64
const macBytes = 32

/** One recipient's section; `args[0]` is its type. */
export interface Stanza {
  readonly args: readonly string[]
  readonly body: Uint8Array
}

/** A header as read. Nothing is verified: that needs the file key. */
export interface EnvelopeHeader {
  readonly stanzas: readonly Stanza[]
  readonly mac: Uint8Array
  /** What the MAC covers: everything up to and with `---`. A view of the bytes that were parsed. */
  readonly macInput: Uint8Array
}

/** The header's bytes, its last line and the newline included. */
export function encodeHeader(stanzas: readonly Stanza[], fileKey: Uint8Array): Uint8Array {
  const macInput = Buffer.from([version, ...stanzas.flatMap(stanzaLines), '---'].join('\n'), 'latin1')
  return Buffer.concat([macInput, Buffer.from(` ${encodeBase64Unpadded(headerMac(fileKey, macInput))}\n`)])
}

/** A body whose length is a multiple of 48 ends with an empty line, so that the short line always marks the end. */
function stanzaLines(stanza: Stanza): string[] {
  const body = encodeBase64Unpadded(stanza.body)
  const lines = Array.from({ length: Math.floor(body.length / lineColumns) + 1 }, (_, row) =>
    body.slice(row * lineColumns, (row + 1) * lineColumns),
  )
  return [`-> ${stanza.args.join(' ')}`, ...lines]
}

function headerMac(fileKey: Uint8Array, macInput: Uint8Array): Uint8Array {
  const key = Buffer.from(hkdfSync('sha256', fileKey, new Uint8Array(0), 'header', 32))
  return createHmac('sha256', key).update(macInput).digest()
}

/**
 * State that the header was made with this file key.
 *
 * @throws EscrowError `ENVELOPE_HEADER` when its MAC does not verify.
 */
export function verifyHeaderMac(header: EnvelopeHeader, fileKey: Uint8Array): void {
  if (!timingSafeEqual(headerMac(fileKey, header.macInput), header.mac)) throw malformed('a header whose MAC verifies')
}

/**
 * Parse a whole header.
 *
 * @param bytes - attacker-controlled; exactly the header, at most 64 KiB.
 * @throws EscrowError `ENVELOPE_HEADER`
 */
export function parseHeader(bytes: Uint8Array): EnvelopeHeader {
  if (bytes.byteLength > envelopeHeaderBytesMax) throw malformed(`at most ${envelopeHeaderBytesMax} bytes`)
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1')
  const lines = text.split('\n')
  if (lines.pop() !== '' || lines.shift() !== version) throw malformed(`the line ${version} first`)
  const macLine = /^--- ([A-Za-z0-9+/]{43})$/.exec(lines.pop() ?? '')
  const mac = decodeBase64Unpadded(macLine?.[1] ?? '')
  if (mac === null || mac.byteLength !== macBytes) throw malformed('a MAC of 32 bytes last')
  const stanzas: Stanza[] = []
  while (lines.length > 0) stanzas.push(takeStanza(lines))
  if (stanzas.length === 0) throw malformed('at least one stanza')
  return { stanzas, mac, macInput: bytes.subarray(0, text.lastIndexOf('\n--- ') + 4) }
}

/** @param lines - the stanza's lines are removed from its front. */
function takeStanza(lines: string[]): Stanza {
  const first = lines.shift() ?? ''
  const args = first.slice(3).split(' ')
  if (!first.startsWith('-> ') || !args.every((arg) => /^[\x21-\x7e]+$/.test(arg))) throw malformed('a stanza line')
  const rows: string[] = []
  for (;;) {
    const row = lines.shift()
    if (row === undefined || row.length > lineColumns) throw malformed(`body lines of at most ${lineColumns} columns`)
    rows.push(row)
    if (row.length < lineColumns) break
  }
  const body = decodeBase64Unpadded(rows.join(''))
  if (body === null) throw malformed('a body in canonical base64')
  return { args, body }
}

/** An envelope, parted where its payload begins. */
export interface SplitEnvelope {
  /** The header's bytes; parse them with `parseHeader`. */
  readonly header: Uint8Array
  /** The 16-byte nonce and the encrypted chunks. Whoever does not read it to its end calls its `return`, which closes the source. */
  readonly payload: AsyncIterableIterator<Uint8Array>
}

/**
 * Part an envelope into header and payload without reading more of it than the header's cap.
 *
 * @param source - attacker-controlled; closed when the payload is closed, or at once when this throws.
 * @throws EscrowError `ENVELOPE_HEADER` when no header ends within 64 KiB.
 */
export async function splitEnvelope(source: AsyncIterable<Uint8Array>): Promise<SplitEnvelope> {
  const iterator = source[Symbol.asyncIterator]()
  try {
    let seen: Buffer = Buffer.alloc(0)
    for (;;) {
      const { done, value } = await iterator.next()
      if (done) throw malformed('a complete header')
      seen = seen.byteLength === 0 ? Buffer.from(value) : Buffer.concat([seen, value])
      const size = envelopeHeaderSize(seen)
      if (size !== null) return { header: seen.subarray(0, size), payload: rest(seen.subarray(size), iterator) }
    }
  } catch (error) {
    await iterator.return?.()
    throw error
  }
}

/**
 * How many bytes at the beginning of an envelope are its header.
 *
 * @param seen - the first bytes of the envelope, or all of it; attacker-controlled.
 * @returns null when more must be read. No other line can begin with `---`.
 * @throws EscrowError `ENVELOPE_HEADER` when no header ends within 64 KiB.
 */
export function envelopeHeaderSize(seen: Uint8Array): number | null {
  const head = Buffer.from(seen.buffer, seen.byteOffset, Math.min(seen.byteLength, envelopeHeaderBytesMax))
  const start = head.subarray(0, version.length).toString('latin1')
  if (!version.startsWith(start)) throw malformed(`the line ${version} first`)
  const macLine = head.indexOf('\n---')
  const end = macLine < 0 ? -1 : head.indexOf('\n', macLine + 1)
  if (end >= 0) return end + 1
  if (seen.byteLength >= envelopeHeaderBytesMax) throw malformed(`a header of at most ${envelopeHeaderBytesMax} bytes`)
  return null
}

/** Not a generator: `return` on one that was never started would leave the source open. */
function rest(first: Uint8Array, iterator: AsyncIterator<Uint8Array>): AsyncIterableIterator<Uint8Array> {
  let pending = first
  return {
    [Symbol.asyncIterator]() {
      return this
    },
    async next() {
      if (pending.byteLength === 0) return await iterator.next()
      const value = pending
      pending = pending.subarray(pending.byteLength)
      return { done: false, value }
    },
    async return() {
      await iterator.return?.()
      return { done: true, value: undefined }
    },
  }
}

function malformed(expected: string): EscrowError {
  return new EscrowError('ENVELOPE_HEADER', `expected ${expected} in an age header`)
}
