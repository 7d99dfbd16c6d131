import { EscrowError } from '../core/errors.js'
import { custodiansMax } from '../core/limits.js'
import { parseRecipient } from '../crypto/recipient.js'

/**
 * A custodian's share as text (docs/formats/share.md): to its custodian
 *
 * ```
 * escrow-share/v1
 * vault age1...
 * index 3
 * value <64 lower-case hex digits>
 * ```
 *
 * and, once released, to the beneficiary as `3:<64 lower-case hex digits>`. Both are only ever written inside an age file. Whether the
 * share opens the vault is not known here: `checkShare` says so.
 */

/** Both texts are much shorter; what is longer is something else. */
const shareBytesMax = 256

/** A share as its custodian holds it. */
export interface ShareText {
  /** The vault's recipient. */
  readonly vault: string
  /** 1 to 255. */
  readonly index: number
  /** 32 bytes, little-endian: a secret that the caller wipes. */
  readonly value: Uint8Array
}

/** A share as a beneficiary gets it; which vault it is of, the statement around it says. */
export type ReleasedShare = Omit<ShareText, 'vault'>

/** The bytes to seal to the custodian. */
export function encodeShare(share: ShareText): Uint8Array {
  return Buffer.from(`escrow-share/v1\nvault ${share.vault}\nindex ${share.index}\nvalue ${hex(share.value)}\n`)
}

/**
 * The share in an opened file.
 *
 * @param bytes - attacker-controlled.
 * @throws EscrowError `FORMAT_INVALID`, `RECIPIENT_INVALID`; no message repeats a byte of the value.
 */
export function parseShare(bytes: Uint8Array): ShareText {
  const pattern = /^escrow-share\/v1\nvault (age1[02-9ac-hj-np-z]{58})\nindex ([1-9][0-9]{0,2})\nvalue ([0-9a-f]{64})\n$/
  const [, vault = '', index = '', value = ''] = pattern.exec(textOf(bytes)) ?? []
  if (vault === '') throw new EscrowError('FORMAT_INVALID', 'expected a share (escrow-share/v1) of four lines')
  parseRecipient(vault)
  return { vault, ...fields(index, value) }
}

/** The bytes to seal to the beneficiary. */
export function encodeReleasedShare(share: ReleasedShare): Uint8Array {
  return Buffer.from(`${share.index}:${hex(share.value)}\n`)
}

/**
 * The released share in an opened file.
 *
 * @param bytes - attacker-controlled.
 * @throws EscrowError `FORMAT_INVALID`; no message repeats a byte of the value.
 */
export function parseReleasedShare(bytes: Uint8Array): ReleasedShare {
  const [, index = '', value = ''] = /^([1-9][0-9]{0,2}):([0-9a-f]{64})\n$/.exec(textOf(bytes)) ?? []
  if (index === '') throw new EscrowError('FORMAT_INVALID', 'expected a released share: index, colon, 64 hex digits, newline')
  return fields(index, value)
}

function fields(index: string, value: string): ReleasedShare {
  const number = Number(index)
  if (number > custodiansMax) throw new EscrowError('FORMAT_INVALID', `expected an index of 1 to ${custodiansMax}, got ${number}`)
  return { index: number, value: Uint8Array.from(Buffer.from(value, 'hex')) }
}

function textOf(bytes: Uint8Array): string {
  return bytes.byteLength > shareBytesMax ? '' : Buffer.from(bytes).toString('latin1')
}

function hex(value: Uint8Array): string {
  return Buffer.from(value).toString('hex')
}
