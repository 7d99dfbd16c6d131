import { ed25519 } from '@noble/curves/ed25519.js'
import { EscrowError } from '../core/errors.js'
import { custodiansMax } from '../core/limits.js'
import { encodeBase64 } from './base64.js'
import { encodeRecipient } from './recipient.js'
import { verifySignature } from './signature.js'

/**
 * The public half of a vault: Feldman commitments of RFC 9591 appendix C over Ed25519 (DESIGN section 5, docs/formats/share.md).
 * Everybody can check them; nothing here is secret, and nothing here can open anything.
 */

const Point = ed25519.Point
type Point = InstanceType<typeof Point>

/** A vault's public key material of one epoch, as an agreement carries it. Attacker-controlled until `checkVault`. */
export interface VaultKey {
  readonly recipient: string
  /** `A_0 .. A_(t-1)`, each a compressed Ed25519 point in 64 lower-case hex digits. */
  readonly commitments: readonly string[]
}

/** A vault key whose commitments are points, as many as the threshold, and belong to its recipient. Only `checkVault` makes one. */
export interface CheckedVault {
  readonly recipient: string
  readonly threshold: number
  readonly points: readonly Point[]
}

/**
 * Check the public half of a vault.
 *
 * @param threshold - t, from the agreement. Fewer or more commitments would make another number of shares suffice.
 * @throws EscrowError `VAULT_INVALID` for a wrong number of commitments, a point that is not canonical, not torsion-free or the
 * identity, or a recipient that is not the one of `A_0`.
 */
export function checkVault(vault: VaultKey, threshold: number): CheckedVault {
  if (threshold < 2 || threshold > custodiansMax || vault.commitments.length !== threshold) {
    throw new EscrowError('VAULT_INVALID', `expected exactly ${threshold} commitments, got ${vault.commitments.length}`)
  }
  const points = vault.commitments.map(parseCommitment)
  const recipient = recipientOf(points[0])
  if (recipient !== vault.recipient) {
    throw new EscrowError('VAULT_INVALID', `expected the recipient of the commitments, ${recipient}, got ${vault.recipient.slice(0, 80)}`)
  }
  return { recipient, threshold, points }
}

function parseCommitment(hex: string, index: number): Point {
  try {
    if (!/^[0-9a-f]{64}$/.test(hex)) throw new EscrowError('VAULT_INVALID', 'expected 64 lower-case hex digits')
    const point = Point.fromBytes(Uint8Array.from(Buffer.from(hex, 'hex')))
    if (point.is0() || !point.isTorsionFree()) throw new EscrowError('VAULT_INVALID', 'expected a point of prime order')
    return point
  } catch (error) {
    throw new EscrowError('VAULT_INVALID', `expected a canonical Ed25519 point of prime order as commitment ${index}`, { cause: error })
  }
}

/** u = (1 + y) / (1 - y): the same point on the Montgomery curve, RFC 7748 section 4.1. */
function recipientOf(first: Point | undefined): string {
  if (first === undefined) throw new EscrowError('VAULT_INVALID', 'expected a first commitment, got none')
  return encodeRecipient(ed25519.utils.toMontgomery(first.toBytes()))
}

/**
 * The point `Y_i = sum i^j A_j` that the share of custodian i must open.
 *
 * @param index - 1 to 255; 0 would be the vault's own key.
 * @throws EscrowError `SHARE_INVALID` for an index out of range, or one whose share would be zero.
 */
export function sharePoint(vault: CheckedVault, index: number): Point {
  if (!Number.isInteger(index) || index < 1 || index > custodiansMax) {
    throw new EscrowError('SHARE_INVALID', `expected an index of 1 to ${custodiansMax}, got ${index}`)
  }
  const point = vault.points.reduceRight((sum, commitment) => sum.multiplyUnsafe(BigInt(index)).add(commitment), Point.ZERO)
  if (point.is0()) throw new EscrowError('SHARE_INVALID', `expected a share of custodian ${index} that is not zero`)
  return point
}

/**
 * The Ed25519 public key of a custodian's share, in base64: share-health statements verify under it like any other.
 *
 * @throws EscrowError `SHARE_INVALID`
 */
export function sharePublicKey(vault: CheckedVault, index: number): string {
  return encodeBase64(sharePoint(vault, index).toBytes())
}

/**
 * Whether a text was signed with the share of custodian i: proof that the share still exists, without showing it.
 *
 * @param options.message - must carry something fresh, else an old signature passes.
 * @throws EscrowError `SHARE_INVALID` for an index out of range.
 */
export function verifyShareHealth(
  vault: CheckedVault,
  options: { readonly index: number; readonly message: Uint8Array; readonly signature: Uint8Array },
): boolean {
  const publicKey = sharePublicKey(vault, options.index)
  return verifySignature({ publicKey, message: options.message, signature: options.signature })
}
