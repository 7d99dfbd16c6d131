import { createPrivateKey, createPublicKey, sign as signBytes, verify as verifyBytes, type KeyObject } from 'node:crypto'
import { ed25519 } from '@noble/curves/ed25519.js'
import type { Entropy } from '../core/environment.js'
import { EscrowError, assert } from '../core/errors.js'
import { decodeBase64, encodeBase64, encodeBase64Unpadded } from './base64.js'
import { sha256 } from './digest.js'
import { sshString } from './ssh-wire.js'

/**
 * Ed25519 (RFC 8032) over node:crypto. OpenSSL already refuses S >= L; we also refuse public keys that are not canonical or of
 * small order, because under such a key one signature fits every message.
 */

const seedBytes = 32
const publicKeyBytes = 32
const signatureBytes = 64
/** DER around a raw key, RFC 8410 section 10: the only variable part is the last 32 bytes. */
const pkcs8Prefix = Buffer.from('302e020100300506032b657004220420', 'hex')
const spkiPrefix = Buffer.from('302a300506032b6570032100', 'hex')

/** Something that can sign with one key, without showing it. */
export interface SigningKey {
  /** 32 raw bytes in base64; of an SSH key its line without comment. */
  readonly publicKey: string
  /** What people compare; see `fingerprintOf`. */
  readonly fingerprint: string
  /** The signature over a message: the 64 bytes of Ed25519, which are always the same, or an SSHSIG blob. */
  sign(message: Uint8Array): Uint8Array
}

/** A fresh seed of a signing key: 32 bytes that the caller owns, stores and wipes. */
export function generateSigningSeed(entropy: Entropy): Uint8Array {
  return entropy.bytes(seedBytes)
}

/**
 * The signing key of a seed (the "private key" of RFC 8032).
 *
 * @param seed - 32 bytes; copied, so the caller may wipe it afterwards.
 * @throws EscrowError `KEY_INVALID` when it has another size.
 */
export function signingKeyFromSeed(seed: Uint8Array): SigningKey {
  if (seed.byteLength !== seedBytes) {
    throw new EscrowError('KEY_INVALID', `expected a signing key of ${seedBytes} bytes, got ${seed.byteLength}`)
  }
  const der = Buffer.concat([pkcs8Prefix, seed])
  const key = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' })
  der.fill(0)
  const raw = createPublicKey(key).export({ format: 'der', type: 'spki' }).subarray(spkiPrefix.byteLength)
  const publicKey = encodeBase64(raw)
  return {
    publicKey,
    fingerprint: fingerprintOf(publicKey),
    sign: (message) => new Uint8Array(signBytes(null, message, key)),
  }
}

/** A fresh signing key that lives only in memory. To keep one, use `generateSigningSeed` and store the seed. */
export function generateSigningKey(entropy: Entropy): SigningKey {
  const seed = generateSigningSeed(entropy)
  const key = signingKeyFromSeed(seed)
  seed.fill(0)
  return key
}

/**
 * The 32 raw bytes of a public key.
 *
 * @param publicKey - base64 as pinned in an agreement; may come from anybody.
 * @throws EscrowError `KEY_INVALID` unless it is the canonical encoding of a point that is not of small order.
 */
export function parsePublicKey(publicKey: string): Uint8Array {
  return Uint8Array.from(usableKey(publicKey).raw)
}

/** A public key that was found good, in the forms it is needed in. */
interface UsableKey {
  readonly raw: Uint8Array
  readonly object: KeyObject
  readonly fingerprint: string
}

/**
 * Keys found good lately. Decompressing a point takes longer (1.5 ms) than a signature (0.2 ms), and ten thousand receipts name three keys.
 * Only good keys are kept, under their exact text; the oldest leaves when there are too many.
 */
const usableKeys = new Map<string, UsableKey>()
const usableKeysMax = 1024

function usableKey(publicKey: string): UsableKey {
  const known = usableKeys.get(publicKey)
  if (known !== undefined) return known
  const raw = checkPublicKey(publicKey)
  const fingerprint = fingerprintOfSshBlob(Buffer.concat([sshString('ssh-ed25519'), sshString(raw)]))
  const key = { raw, object: ed25519KeyObject(raw), fingerprint }
  const [oldest] = usableKeys.keys()
  if (usableKeys.size >= usableKeysMax && oldest !== undefined) usableKeys.delete(oldest)
  usableKeys.set(publicKey, key)
  return key
}

function checkPublicKey(publicKey: string): Uint8Array {
  const bytes = publicKey.length === 44 ? decodeBase64(publicKey) : null
  if (bytes === null || bytes.byteLength !== publicKeyBytes) {
    throw new EscrowError('KEY_INVALID', `expected ${publicKeyBytes} bytes in base64, got ${publicKey.length} characters`)
  }
  if (!isUsablePoint(bytes)) throw new EscrowError('KEY_INVALID', 'expected a canonical Ed25519 point of large order')
  return bytes
}

function isUsablePoint(bytes: Uint8Array): boolean {
  try {
    return !ed25519.Point.fromBytes(bytes).isSmallOrder()
  } catch {
    return false
  }
}

/** Whether a signature of one known key is valid for a message; anything malformed is simply not valid. */
export type Verifier = (message: Uint8Array, signature: Uint8Array) => boolean

/**
 * A verifier for one Ed25519 key; parse once, verify often.
 *
 * @throws EscrowError `KEY_INVALID` when the public key, which ought to be pinned, is not one.
 */
export function ed25519Verifier(publicKey: string): Verifier {
  const { object: key } = usableKey(publicKey)
  return (message, signature) =>
    signature.byteLength === signatureBytes &&
    (foundGood.take({ publicKey, message, signature }) || verifyBytes(null, message, key, signature))
}

/** Somebody's word that a key has signed a message. */
export interface SignatureClaim {
  /** 32 bytes in base64. */
  readonly publicKey: string
  readonly message: Uint8Array
  /** From anybody. */
  readonly signature: Uint8Array
}

/** Claims that were found true and not asked for yet, by signature. Bounded, because whoever looked ahead may have been stopped. */
class FoundGood {
  readonly #claims = new Map<string, SignatureClaim>()

  add(claim: SignatureClaim): void {
    const [oldest] = this.#claims.keys()
    if (this.#claims.size >= foundGoodMax && oldest !== undefined) this.#claims.delete(oldest)
    this.#claims.set(encodeBase64(claim.signature), claim)
  }

  /** Whether this very claim was found true; each finding is good for one answer. */
  take({ publicKey, message, signature }: SignatureClaim): boolean {
    if (this.#claims.size === 0) return false
    const name = encodeBase64(signature)
    const found = this.#claims.get(name)
    if (found === undefined || found.publicKey !== publicKey || Buffer.compare(found.message, message) !== 0) return false
    return this.#claims.delete(name)
  }
}

const foundGoodMax = 1024
const foundGood = new FoundGood()

/**
 * Verify signatures on other threads, before somebody asks: a verifier that is asked for the same ones next answers at once. Nothing else
 * changes: what is not found true here, for whatever reason, is verified when it is asked for.
 *
 * Worth it for many: a signature takes 0.2 ms, and a folder of evidence has tens of thousands.
 */
export async function verifyAhead(claims: readonly SignatureClaim[]): Promise<void> {
  const verify = async ({ publicKey, message, signature }: SignatureClaim) => {
    // What is remembered must be what was verified, whatever the caller does with its bytes meanwhile.
    const own = { publicKey, message: Uint8Array.from(message), signature: Uint8Array.from(signature) }
    if (await isTrue(own)) foundGood.add(own)
  }
  await Promise.all(claims.map((claim) => verify(claim)))
}

function isTrue({ publicKey, message, signature }: SignatureClaim): Promise<boolean> {
  const { object: key } = usableKey(publicKey)
  return new Promise((resolve) => {
    if (signature.byteLength !== signatureBytes) return resolve(false)
    verifyBytes(null, message, key, signature, (error, valid) => resolve(error === null && valid))
  })
}

/**
 * Whether an Ed25519 signature is valid.
 *
 * @param options.signature - from anybody; anything but 64 bytes is simply not valid.
 * @throws EscrowError `KEY_INVALID` when the public key, which ought to be pinned, is not one.
 */
export function verifySignature(options: SignatureClaim): boolean {
  return ed25519Verifier(options.publicKey)(options.message, options.signature)
}

/** The node:crypto key of 32 raw bytes that were checked before. */
export function ed25519KeyObject(raw: Uint8Array): KeyObject {
  assert(raw.byteLength === publicKeyBytes, 'a raw Ed25519 public key has 32 bytes')
  return createPublicKey({ key: Buffer.concat([spkiPrefix, raw]), format: 'der', type: 'spki' })
}

/**
 * The text people compare over another channel: `SHA256:` and the unpadded base64 SHA-256 of the key in OpenSSH's wire form.
 * `ssh-keygen -lf` prints the same, so a fingerprint can be checked without our software.
 *
 * @throws EscrowError `KEY_INVALID`
 */
export function fingerprintOf(publicKey: string): string {
  return usableKey(publicKey).fingerprint
}

/** The fingerprint of a public key that is already in OpenSSH's wire form. */
export function fingerprintOfSshBlob(blob: Uint8Array): string {
  return `SHA256:${encodeBase64Unpadded(sha256(blob))}`
}
