import { createCipheriv, createDecipheriv, createSecretKey, hkdfSync, type KeyObject } from 'node:crypto'
import { EscrowError, assert } from '../core/errors.js'
import { envelopeChunkBytes as chunkBytes, readBlockBytes } from '../core/limits.js'
import { BuffersInTurn, copyTo, giveBack } from './thread-memory.js'

/**
 * The payload of an age v1 file (c2sp.org/age, "Payload"): a 16-byte nonce, then the STREAM construction over 64 KiB chunks with
 * ChaCha20-Poly1305. The nonce of a chunk is an 11-byte big-endian counter and a byte that is 1 for the last chunk, so a cut,
 * added, repeated or reordered chunk does not open.
 *
 * typage does the same at about 54 MiB/s; node:crypto does 700 and more when whole blocks come in. Feed blocks of about 1 MiB.
 */

const tagBytes = 16
const nonceBytes = 16
const sealedChunkBytes = chunkBytes + tagBytes
const algorithm = 'chacha20-poly1305'
const cipherOptions = { authTagLength: tagBytes } as const

/** Size of a payload, its nonce included. @param plainBytes - 0 or more. */
export function sealedPayloadBytes(plainBytes: number): number {
  return nonceBytes + plainBytes + tagBytes * Math.max(1, Math.ceil(plainBytes / chunkBytes))
}

/** Key and counter of one payload. */
class ChunkKey {
  readonly #key: KeyObject
  /** 11 bytes of counter, then the flag of the last chunk. */
  readonly #nonce = new Uint8Array(12)
  /** Whether no chunk has been taken yet. */
  first = true

  constructor(fileKey: Uint8Array, nonce: Uint8Array) {
    this.#key = createSecretKey(Buffer.from(hkdfSync('sha256', fileKey, nonce, 'payload', 32)))
  }

  /** Encrypt into `out`, which takes `chunk.byteLength + 16` bytes. */
  seal(chunk: Uint8Array, out: Uint8Array, last: boolean): void {
    this.#nonce[11] = last ? 1 : 0
    const cipher = createCipheriv(algorithm, this.#key, this.#nonce, cipherOptions)
    const sealed = cipher.update(chunk)
    copyTo(out, 0, sealed)
    giveBack(sealed)
    cipher.final()
    out.set(cipher.getAuthTag(), chunk.byteLength)
    this.#advance()
  }

  /** Decrypt into `out`, which takes `sealed.byteLength - 16` bytes; false when it is not this chunk at this place. */
  open(sealed: Uint8Array, out: Uint8Array, last: boolean): boolean {
    this.#nonce[11] = last ? 1 : 0
    const decipher = createDecipheriv(algorithm, this.#key, this.#nonce, cipherOptions)
    decipher.setAuthTag(sealed.subarray(sealed.byteLength - tagBytes))
    const plain = decipher.update(sealed.subarray(0, sealed.byteLength - tagBytes))
    try {
      decipher.final()
    } catch {
      return false
    }
    copyTo(out, 0, plain)
    giveBack(plain)
    this.#advance()
    return true
  }

  #advance(): void {
    this.first = false
    for (let place = 10; place >= 0; place -= 1) {
      const next = ((this.#nonce[place] ?? 0) + 1) & 0xff
      this.#nonce[place] = next
      if (next !== 0) return
    }
  }
}

/**
 * Cuts a byte stream into chunks of one size. A full chunk waits until more bytes follow, because only then it is not the last.
 * Whole chunks are passed on where they lie in the caller's block: only what straddles two blocks is copied.
 */
class Chunker {
  readonly #pending: Uint8Array
  #used = 0

  constructor(private readonly sizeBytes: number) {
    this.#pending = new Uint8Array(sizeBytes)
  }

  /** How many chunks will be taken when these bytes come. */
  count(bytes: Uint8Array): number {
    return bytes.byteLength === 0 ? 0 : Math.ceil((this.#used + bytes.byteLength) / this.sizeBytes) - 1
  }

  /** Call `take` with each chunk that is certainly not the last; the array is only valid during the call. */
  push(bytes: Uint8Array, take: (chunk: Uint8Array) => void): void {
    let offset = 0
    if (this.#used > 0) {
      offset = this.#keep(bytes, 0)
      if (offset === bytes.byteLength) return
      take(this.#pending)
      this.#used = 0
    }
    while (bytes.byteLength - offset > this.sizeBytes) {
      take(bytes.subarray(offset, offset + this.sizeBytes))
      offset += this.sizeBytes
    }
    this.#keep(bytes, offset)
  }

  /** What is left: the last chunk, 0 to `sizeBytes` bytes. */
  get last(): Uint8Array {
    return this.#pending.subarray(0, this.#used)
  }

  #keep(bytes: Uint8Array, offset: number): number {
    const piece = bytes.subarray(offset, offset + this.sizeBytes - this.#used)
    this.#pending.set(piece, this.#used)
    this.#used += piece.byteLength
    return offset + piece.byteLength
  }
}

/** Encrypts one payload, pushed in pieces of any size. */
export class PayloadSealer {
  readonly #key: ChunkKey
  readonly #chunker = new Chunker(chunkBytes)
  readonly #out = new BuffersInTurn()

  /**
   * @param fileKey - 16 bytes.
   * @param nonce - 16 bytes, fresh for every payload; the caller writes them before the first output.
   */
  constructor(fileKey: Uint8Array, nonce: Uint8Array) {
    assert(fileKey.byteLength === 16 && nonce.byteLength === nonceBytes, 'a file key and a payload nonce have 16 bytes')
    this.#key = new ChunkKey(fileKey, nonce)
  }

  /**
   * The sealed chunks that these bytes complete; empty when there are none. Keeps no reference to `bytes`. What it gives is valid until the
   * call after the next, so that it can still be hashed while the next block is sealed.
   */
  push(bytes: Uint8Array): Uint8Array {
    const out = this.#out.take(this.#chunker.count(bytes) * sealedChunkBytes)
    let offset = 0
    this.#chunker.push(bytes, (chunk) => {
      this.#key.seal(chunk, out.subarray(offset), false)
      offset += sealedChunkBytes
    })
    return out
  }

  /** The last chunk, 16 to 65552 bytes. Once only: the sealer is used up. */
  end(): Uint8Array {
    const { last } = this.#chunker
    const out = Buffer.allocUnsafeSlow(last.byteLength + tagBytes)
    this.#key.seal(last, out, true)
    last.fill(0)
    return out
  }
}

/**
 * Decrypts one payload, pushed in pieces of any size. Every byte it gives back is authentic and in its place, but that nothing is
 * missing is known only after `end`.
 */
export class PayloadOpener {
  readonly #fileKey: Uint8Array
  readonly #nonce = new Chunker(nonceBytes)
  readonly #chunker = new Chunker(sealedChunkBytes)
  readonly #out = new BuffersInTurn()
  #key: ChunkKey | null = null

  /**
   * @param fileKey - 16 bytes; copied.
   * @param transient - what `push` gives is valid until the call after the next alone, and lies in two buffers in turn.
   */
  constructor(
    fileKey: Uint8Array,
    private readonly transient = false,
  ) {
    assert(fileKey.byteLength === 16, 'a file key has 16 bytes')
    // Not `slice`: on a Buffer that is a view, and `#takeNonce` would wipe the caller's key.
    this.#fileKey = Uint8Array.from(fileKey)
  }

  /**
   * The plaintext of the chunks that these bytes complete; empty when there are none.
   *
   * @param bytes - attacker-controlled. Keeps no reference to them.
   * @throws EscrowError `ENVELOPE_PAYLOAD`
   */
  push(bytes: Uint8Array): Uint8Array {
    const { key, sealed } = this.#takeNonce(bytes)
    if (key === null) return new Uint8Array(0)
    const out = this.#room(this.#chunker.count(sealed) * chunkBytes)
    let offset = 0
    this.#chunker.push(sealed, (chunk) => {
      if (!key.open(chunk, out.subarray(offset), false)) throw damaged('a chunk is altered, or out of its place')
      offset += chunkBytes
    })
    return out
  }

  /**
   * The plaintext of the last chunk. Once only: the opener is used up.
   *
   * @throws EscrowError `ENVELOPE_PAYLOAD` when the payload is cut or goes on after its last chunk.
   */
  end(): Uint8Array {
    const { key } = this.#takeNonce(new Uint8Array(0))
    const { last } = this.#chunker
    if (key === null || last.byteLength < tagBytes) throw damaged('it ends too early')
    const { first } = key
    const out = Buffer.allocUnsafeSlow(last.byteLength - tagBytes)
    if (!key.open(last, out, true)) throw damaged('its last chunk is altered or missing')
    // One plaintext, one ciphertext: only an empty payload may end with an empty chunk.
    if (out.byteLength === 0 && !first) throw damaged('its last chunk is empty')
    return out
  }

  #room(sizeBytes: number): Uint8Array {
    return this.transient ? this.#out.take(sizeBytes) : Buffer.allocUnsafeSlow(sizeBytes)
  }

  #takeNonce(bytes: Uint8Array): { readonly key: ChunkKey | null; readonly sealed: Uint8Array } {
    if (this.#key !== null) return { key: this.#key, sealed: bytes }
    const missing = nonceBytes - this.#nonce.last.byteLength
    this.#nonce.push(bytes.subarray(0, missing), () => assert(false, 'a nonce is never overfilled'))
    if (this.#nonce.last.byteLength < nonceBytes) return { key: null, sealed: new Uint8Array(0) }
    this.#key = new ChunkKey(this.#fileKey, this.#nonce.last)
    this.#fileKey.fill(0)
    return { key: this.#key, sealed: bytes.subarray(missing) }
  }
}

/**
 * A payload, its nonce first, for a plaintext that is pulled as the payload is read.
 *
 * @param secrets.fileKey - 16 bytes.
 * @param secrets.nonce - 16 bytes, fresh for every payload.
 */
export async function* sealPayload(
  plaintext: AsyncIterable<Uint8Array>,
  secrets: { readonly fileKey: Uint8Array; readonly nonce: Uint8Array },
): AsyncGenerator<Uint8Array> {
  const sealer = new PayloadSealer(secrets.fileKey, secrets.nonce)
  yield secrets.nonce
  for await (const bytes of plaintext) {
    const sealed = sealer.push(bytes)
    // A copy: who pulls may keep it.
    if (sealed.byteLength > 0) yield Uint8Array.from(sealed)
  }
  yield sealer.end()
}

/**
 * The plaintext of a payload (an envelope without its header) by its file key. This is what the check of the seal uses: it needs
 * no identity.
 *
 * @param options.transient - each block is done with when the one after the next is asked for.
 * @throws EscrowError `ENVELOPE_PAYLOAD`; what was yielded before is then authentic but not complete, and must be thrown away.
 */
export async function* openWithFileKey(
  payload: AsyncIterable<Uint8Array>,
  fileKey: Uint8Array,
  options: { readonly transient?: boolean } = {},
): AsyncGenerator<Uint8Array> {
  const opener = new PayloadOpener(fileKey, options.transient)
  for await (const bytes of payload) {
    // In pieces that a processor's cache holds: whoever pulls hashes or writes what was just decrypted.
    for (let at = 0; at < bytes.byteLength; at += readBlockBytes) {
      const plain = opener.push(bytes.subarray(at, at + readBlockBytes))
      if (plain.byteLength > 0) yield plain
    }
  }
  const plain = opener.end()
  if (plain.byteLength > 0) yield plain
}

function damaged(how: string): EscrowError {
  return new EscrowError('ENVELOPE_PAYLOAD', `expected a whole age payload, but ${how}`)
}
