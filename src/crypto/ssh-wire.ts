import { EscrowError } from '../core/errors.js'

/** The `string` of RFC 4251 section 5: a 32-bit big-endian length and the bytes. */
export function sshString(value: Uint8Array | string): Uint8Array {
  const bytes = typeof value === 'string' ? Buffer.from(value, 'utf8') : value
  const framed = Buffer.alloc(4 + bytes.byteLength)
  framed.writeUInt32BE(bytes.byteLength, 0)
  framed.set(bytes, 4)
  return framed
}

/** Reads the fields of an SSH blob in order. Everything it is given is attacker-controlled. */
export class SshReader {
  #offset = 0
  readonly #bytes: Buffer

  constructor(bytes: Uint8Array) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }

  /**
   * The next bytes as they are.
   *
   * @throws EscrowError `FORMAT_INVALID` when fewer are left.
   */
  take(sizeBytes: number): Uint8Array {
    const left = this.#bytes.byteLength - this.#offset
    if (sizeBytes > left) throw new EscrowError('FORMAT_INVALID', `expected ${sizeBytes} more bytes in an SSH blob, got ${left}`)
    this.#offset += sizeBytes
    return new Uint8Array(this.#bytes.subarray(this.#offset - sizeBytes, this.#offset))
  }

  /** The next 32-bit big-endian number. @throws EscrowError `FORMAT_INVALID` */
  uint32(): number {
    return Buffer.from(this.take(4)).readUInt32BE(0)
  }

  /** The next length-framed bytes. @throws EscrowError `FORMAT_INVALID` */
  string(): Uint8Array {
    return this.take(this.uint32())
  }

  /** The next length-framed ASCII text. @throws EscrowError `FORMAT_INVALID` when it has other bytes. */
  ascii(): string {
    const text = Buffer.from(this.string()).toString('latin1')
    if (!/^[\x20-\x7e]*$/.test(text)) throw new EscrowError('FORMAT_INVALID', 'expected printable ASCII in an SSH blob')
    return text
  }

  /**
   * A positive `mpint` of at most `sizeBytes`, left-padded to exactly that.
   *
   * @throws EscrowError `FORMAT_INVALID` when it is negative, too large or not the shortest form.
   */
  positiveInteger(sizeBytes: number): Uint8Array {
    const raw = this.string()
    const [first = 0, second = 0] = raw
    const shortest = raw.byteLength > 0 && (first !== 0 || (raw.byteLength > 1 && second >= 0x80))
    const magnitude = first === 0 ? raw.subarray(1) : raw
    if (!shortest || first >= 0x80 || magnitude.byteLength > sizeBytes) {
      throw new EscrowError('FORMAT_INVALID', `expected a positive integer of at most ${sizeBytes} bytes in an SSH blob`)
    }
    const padded = new Uint8Array(sizeBytes)
    padded.set(magnitude, sizeBytes - magnitude.byteLength)
    return padded
  }

  /** State that nothing is left. @throws EscrowError `FORMAT_INVALID` */
  end(): void {
    const left = this.#bytes.byteLength - this.#offset
    if (left !== 0) throw new EscrowError('FORMAT_INVALID', `expected the end of an SSH blob, got ${left} more bytes`)
  }
}
