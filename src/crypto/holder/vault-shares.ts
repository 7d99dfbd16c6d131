import { createHash } from 'node:crypto'
import { ed25519, ed25519_FROST as frost } from '@noble/curves/ed25519.js'
import type { Entropy } from '../../core/environment.js'
import { EscrowError, assert, isEscrowError } from '../../core/errors.js'
import { custodiansMax } from '../../core/limits.js'
import { encodeBase64 } from '../base64.js'
import { encodeIdentity, encodeRecipient, identityToRecipient } from '../recipient.js'
import { fingerprintOf, type SigningKey } from '../signature.js'
import { checkVault, sharePoint, type CheckedVault } from '../vault-commitments.js'
import { x25519PublicKey } from '../x25519.js'

/**
 * The secret half of a vault: dealing, checking, combining shares (suite `x25519-rfc9591`, docs/formats/share.md). Touches plaintext
 * secrets, so only the command line of parties and tests may import it.
 *
 * Shares pass through JavaScript bigints, which nobody can wipe. That is why dealing and combining belong into a short-lived command
 * on a holder's machine, and never into a server.
 */

const scalarBytes = 32
/** An eighth of the numbers that clamping leaves unchanged: 2^251 <= m < 2^252. m and L - m give the same recipient. */
const clampedMin = 2n ** 251n
const clampedEnd = 2n ** 252n
/** Keeps the nonces of share-health signatures apart from everything else that hashes a scalar. */
const nonceDomain = 'escrow-share-health/v1 nonce'

const { Point } = ed25519
const { Fn } = Point

/** One custodian's share of a vault: a secret. */
export interface Share {
  /** 1 to 255. */
  readonly index: number
  /** f(index), 32 bytes, little-endian. */
  readonly value: Uint8Array
}

/** A freshly dealt vault. No identity is in it: that exists only as shares. */
export interface DealtVault {
  readonly recipient: string
  readonly threshold: number
  /** What the agreement publishes: t points in hex. */
  readonly commitments: readonly string[]
  /** n shares, in order of their index. */
  readonly shares: readonly Share[]
  /** Overwrite the shares, once each is sealed to its custodian; idempotent. */
  wipe(): void
}

/**
 * Deal a new vault: t of n shares of a random age identity.
 *
 * @param options.threshold - t, at least 2 and at most n - 2: two lost shares must never lose the vault.
 * @param options.custodians - n, at most 255.
 * @throws EscrowError `ARGUMENT_INVALID` for other numbers.
 */
export function dealVault(options: { readonly threshold: number; readonly custodians: number }, entropy: Entropy): DealtVault {
  const { threshold: min, custodians: max } = options
  if (!Number.isInteger(min) || !Number.isInteger(max) || min < 2 || max - min < 2 || max > custodiansMax) {
    throw new EscrowError('ARGUMENT_INVALID', `expected 2 <= t, t <= n - 2 and n <= ${custodiansMax}, got t = ${min} and n = ${max}`)
  }
  const identity = entropy.bytes(scalarBytes)
  const recipient = encodeRecipient(x25519PublicKey(identity))
  const secret = Fn.toBytes(clampedScalar(identity))
  identity.fill(0)
  const dealt = frost.trustedDealer({ min, max }, undefined, secret, (size = scalarBytes) => Uint8Array.from(entropy.bytes(size)))
  secret.fill(0)
  const shares = Array.from({ length: max }, (_, place) => {
    const value = dealt.secretShares[frost.Identifier.fromNumber(place + 1)]?.signingShare
    assert(value !== undefined, 'the dealer gives every custodian a share')
    return { index: place + 1, value }
  })
  const commitments = dealt.public.commitments.map((point) => Buffer.from(point).toString('hex'))
  // The recipient came from OpenSSL and the commitments from @noble/curves: a mistake of either does not pass.
  const vault = checkVault({ recipient, commitments }, min)
  for (const share of shares) checkShare(vault, share)
  return { recipient, threshold: min, commitments, shares, wipe: () => shares.forEach((share) => share.value.fill(0)) }
}

/** The scalar of identity bytes: clamped as RFC 7748 section 5 says, then mod L. */
function clampedScalar(identity: Uint8Array): bigint {
  const clamped = Uint8Array.from(identity)
  clamped[0] = (clamped[0] ?? 0) & 248
  clamped[31] = ((clamped[31] ?? 0) & 127) | 64
  const scalar = Fn.create(littleEndian(clamped))
  clamped.fill(0)
  return scalar
}

function littleEndian(bytes: Uint8Array): bigint {
  return BigInt(`0x${Buffer.from(bytes.toReversed()).toString('hex')}`)
}

/**
 * State that a share opens this vault: `[share]B` is the point that the commitments give for its index. This is what a custodian's
 * client runs before it accepts, and again before it releases.
 *
 * @param vault - from `checkVault`, which has made the checks that must come first.
 * @param share - attacker-controlled.
 * @throws EscrowError `SHARE_INVALID`
 */
export function checkShare(vault: CheckedVault, share: Share): void {
  const expected = sharePoint(vault, share.index)
  const scalar = share.value.byteLength === scalarBytes ? littleEndian(share.value) : -1n
  if (!Fn.isValidNot0(scalar)) {
    throw new EscrowError('SHARE_INVALID', `expected share ${share.index} to be a number from 1 to L - 1 in ${scalarBytes} bytes`)
  }
  if (!Point.BASE.multiply(scalar).equals(expected)) {
    throw new EscrowError('SHARE_INVALID', `expected share ${share.index} to open the vault ${vault.recipient}; it does not`)
  }
}

/** What combining gives. */
export interface CombinedVault {
  /** `AGE-SECRET-KEY-1...`: opens every envelope of this vault's epoch. */
  readonly identity: string
  /** The t indices that were used. */
  readonly used: readonly number[]
  /** Shares that do not belong to this vault, with the reason; they were left out. */
  readonly refused: readonly RefusedShare[]
}

/** A share that does not open the vault. Whoever gave it made a mistake, or lies. */
export interface RefusedShare {
  readonly index: number
  readonly reason: string
}

/**
 * Rebuild a vault's identity from shares, each checked against the commitments first: a wrong share is named, never mixed in.
 *
 * @param shares - any number, in any order; a share given twice counts once.
 * @throws EscrowError `SHARES_TOO_FEW` when fewer than t are valid, naming those that are not; `VAULT_INVALID` when the shares do not
 * give the vault's recipient.
 */
export function combineShares(vault: CheckedVault, shares: readonly Share[]): CombinedVault {
  const { valid, refused } = sortOut(vault, shares)
  const used = [...valid.values()].slice(0, vault.threshold)
  if (used.length < vault.threshold) {
    const bad = refused.map((share) => share.index).join(', ')
    const suffix = bad === '' ? '' : `; not of this vault: ${bad}`
    throw new EscrowError('SHARES_TOO_FEW', `expected ${vault.threshold} valid shares, got ${used.length}${suffix}`)
  }
  const packages = used.map(({ index, value }) => ({ identifier: frost.Identifier.fromNumber(index), signingShare: value }))
  const secret = frost.combineSecret(packages, { min: vault.threshold, max: vault.threshold })
  const identity = identityOfScalar(littleEndian(secret))
  secret.fill(0)
  if (identityToRecipient(identity) !== vault.recipient) {
    throw new EscrowError('VAULT_INVALID', `expected the shares to give the identity of ${vault.recipient}; they do not`)
  }
  return { identity, used: used.map((share) => share.index), refused }
}

function sortOut(vault: CheckedVault, shares: readonly Share[]): { readonly valid: Map<number, Share>; readonly refused: RefusedShare[] } {
  const valid = new Map<number, Share>()
  const refused: RefusedShare[] = []
  for (const share of shares) {
    try {
      checkShare(vault, share)
      valid.set(share.index, share)
    } catch (error) {
      if (!isEscrowError(error, 'SHARE_INVALID')) throw error
      refused.push({ index: share.index, reason: error.message })
    }
  }
  return { valid, refused }
}

/**
 * The age identity whose recipient belongs to [s]B. X25519 uses only u, which is equal for s and -s, and one of m = s/8 and L - m has
 * the form that clamping leaves unchanged, except for one scalar in 2^127: m or L - m of at most L - 2^252.
 *
 * @param scalar - 1 to L - 1.
 * @throws EscrowError `VAULT_INVALID` for those scalars: no honest dealer meets one, and no identity is made up for it.
 */
export function identityOfScalar(scalar: bigint): string {
  const eighth = Fn.div(scalar, 8n)
  const m = eighth < clampedMin ? Fn.ORDER - eighth : eighth
  if (m >= clampedEnd) throw new EscrowError('VAULT_INVALID', 'expected a vault with an age identity; its dealer chose a key without one')
  const bytes = Uint8Array.from(Buffer.from((8n * m).toString(16).padStart(2 * scalarBytes, '0'), 'hex')).toReversed()
  const identity = encodeIdentity(bytes)
  bytes.fill(0)
  return identity
}

/**
 * A share as a signing key, for share-health statements. The signatures are ordinary Ed25519 ones, under `sharePublicKey`; the nonce is
 * derived from share and message as RFC 8032 does, so a bad random generator cannot give the share away.
 *
 * @param share - checked before by `checkShare`.
 * @throws EscrowError `SHARE_INVALID` when it is no scalar.
 */
export function shareSigningKey(share: Share): SigningKey {
  const scalar = share.value.byteLength === scalarBytes ? littleEndian(share.value) : 0n
  if (!Fn.isValidNot0(scalar)) throw new EscrowError('SHARE_INVALID', 'expected a share from 1 to L - 1')
  const point = Point.BASE.multiply(scalar).toBytes()
  const publicKey = encodeBase64(point)
  const sign = (message: Uint8Array): Uint8Array => {
    const nonce = wideScalar(Buffer.from(nonceDomain), Fn.toBytes(scalar), message)
    const commitment = Point.BASE.multiply(nonce).toBytes()
    const challenge = wideScalar(commitment, point, message)
    return Uint8Array.from([...commitment, ...Fn.toBytes(Fn.add(nonce, Fn.mul(challenge, scalar)))])
  }
  return { publicKey, fingerprint: fingerprintOf(publicKey), sign }
}

/** SHA-512 of the parts as a little-endian number mod L, RFC 8032 section 5.1.6. */
function wideScalar(...parts: readonly Uint8Array[]): bigint {
  const hash = createHash('sha512')
  for (const part of parts) hash.update(part)
  return Fn.create(littleEndian(hash.digest()))
}
