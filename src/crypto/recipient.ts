import { EscrowError } from '../core/errors.js'
import { decodeBech32, encodeBech32 } from './bech32.js'
import { x25519PublicKey, x25519Agreement } from './x25519.js'

/**
 * Native age X25519 recipients and identities as text. Plugin recipients (`age1name1...`) make the age command run a binary of that
 * name, and post-quantum ones (`age1pq1...`) must not be mixed with these: nothing but X25519 passes (DESIGN section 10).
 */

const recipientPattern = /^age1[02-9ac-hj-np-z]{58}$/
const identityPattern = /^AGE-SECRET-KEY-1[02-9AC-HJ-NP-Z]{58}$/
const identityPrefix = 'age-secret-key-'
const fieldPrime = 2n ** 255n - 19n

/**
 * The X25519 point of a recipient.
 *
 * @param text - attacker-controlled.
 * @returns 32 bytes, little-endian.
 * @throws EscrowError `RECIPIENT_INVALID` for another kind, a wrong checksum, or a point that is not canonical or of low order.
 */
export function parseRecipient(text: string): Uint8Array {
  const point = recipientPattern.test(text) ? decodeBech32('age', text) : null
  if (point === null || point.byteLength !== 32) {
    throw new EscrowError(
      'RECIPIENT_INVALID',
      `expected age1 and 58 characters with a valid checksum, got ${JSON.stringify(text.slice(0, 80))}`,
    )
  }
  const u = BigInt(`0x${Buffer.from(point.toReversed()).toString('hex')}`)
  const anyScalar = new Uint8Array(32)
  if (u >= fieldPrime || x25519Agreement(anyScalar, point) === null) {
    throw new EscrowError('RECIPIENT_INVALID', `expected a canonical point of large order in ${text}`)
  }
  return point
}

/** The text of a recipient. @param point - 32 bytes, little-endian. */
export function encodeRecipient(point: Uint8Array): string {
  return encodeBech32('age', point)
}

/**
 * The scalar of an identity (secret: the caller wipes it).
 *
 * @returns 32 bytes, not clamped.
 * @throws EscrowError `KEY_INVALID`; the message never repeats the text.
 */
export function parseIdentity(text: string): Uint8Array {
  const scalar = identityPattern.test(text) ? decodeBech32(identityPrefix, text.toLowerCase()) : null
  if (scalar === null || scalar.byteLength !== 32) {
    throw new EscrowError('KEY_INVALID', `expected an identity AGE-SECRET-KEY-1 with a valid checksum, got ${text.length} characters`)
  }
  return scalar
}

/** The text of an identity. @param scalar - 32 bytes. */
export function encodeIdentity(scalar: Uint8Array): string {
  return encodeBech32(identityPrefix, scalar).toUpperCase()
}

/** The recipient of an identity, as `age-keygen -y` prints it. @throws EscrowError `KEY_INVALID` */
export function identityToRecipient(identity: string): string {
  const scalar = parseIdentity(identity)
  const recipient = encodeRecipient(x25519PublicKey(scalar))
  scalar.fill(0)
  return recipient
}
