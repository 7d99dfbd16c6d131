import { createCipheriv, createDecipheriv, createPrivateKey, createPublicKey, diffieHellman, hkdfSync, type KeyObject } from 'node:crypto'

/**
 * X25519 over node:crypto, and how age wraps a file key with it (c2sp.org/age, "The X25519 recipient type"). All scalars and
 * points are 32 raw bytes, little-endian.
 */

/** DER around a raw key, RFC 8410. */
const pkcs8Prefix = Buffer.from('302e020100300506032b656e04220420', 'hex')
const spkiPrefix = Buffer.from('302a300506032b656e032100', 'hex')
const wrapLabel = 'age-encryption.org/v1/X25519'
const zeroNonce = new Uint8Array(12)
const tagBytes = 16

/** Of which every import says what the scalar says: a private key's own point is not looked at. Where it is, keys go the long way. */
const noPoint = Buffer.alloc(32).toString('base64url')

function importScalar(scalar: Uint8Array): KeyObject {
  return createPrivateKey({ key: { kty: 'OKP', crv: 'X25519', d: Buffer.from(scalar).toString('base64url'), x: noPoint }, format: 'jwk' })
}

function importScalarAsDer(scalar: Uint8Array): KeyObject {
  const der = Buffer.concat([pkcs8Prefix, scalar])
  const key = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' })
  der.fill(0)
  return key
}

/** OpenSSL takes 1.6 ms to read DER and 0.15 ms to take a raw key, which node:crypto lets through as JWK alone: a sealed attachment needs two. */
const privateKey = takesScalarAlone() ? importScalar : importScalarAsDer

function takesScalarAlone(): boolean {
  const scalar = new Uint8Array(32).fill(9)
  try {
    return importScalar(scalar).equals(importScalarAsDer(scalar))
  } catch {
    return false
  }
}

/** The public point of a scalar; node:crypto clamps as RFC 7748 says. */
export function x25519PublicKey(scalar: Uint8Array): Uint8Array {
  const der = createPublicKey(privateKey(scalar)).export({ format: 'der', type: 'spki' })
  return new Uint8Array(der.subarray(spkiPrefix.byteLength))
}

/**
 * The Diffie-Hellman secret of a scalar and a point.
 *
 * @returns null when the point is of low order, so that everybody knows the secret (age demands to refuse it).
 */
export function x25519Agreement(scalar: Uint8Array, point: Uint8Array): Uint8Array | null {
  const publicKey = createPublicKey({ key: { kty: 'OKP', crv: 'X25519', x: Buffer.from(point).toString('base64url') }, format: 'jwk' })
  try {
    const secret = new Uint8Array(diffieHellman({ privateKey: privateKey(scalar), publicKey }))
    return secret.every((byte) => byte === 0) ? null : secret
  } catch {
    // OpenSSL fails exactly when the result is all zeros: both inputs have been parsed above.
    return null
  }
}

/** The key under which age wraps a file key for one recipient. @param share - the ephemeral public point. */
export function wrapKey(options: { readonly secret: Uint8Array; readonly share: Uint8Array; readonly recipient: Uint8Array }): Uint8Array {
  const salt = Buffer.concat([options.share, options.recipient])
  return new Uint8Array(hkdfSync('sha256', options.secret, salt, wrapLabel, 32))
}

/** A file key of 16 bytes, encrypted to 32. The zero nonce is age's: a wrap key is used once. */
export function encryptFileKey(key: Uint8Array, fileKey: Uint8Array): Uint8Array {
  const cipher = createCipheriv('chacha20-poly1305', key, zeroNonce, { authTagLength: tagBytes })
  return new Uint8Array(Buffer.concat([cipher.update(fileKey), cipher.final(), cipher.getAuthTag()]))
}

/** The 16-byte file key in a stanza's 32-byte body, or null when the key is not the one it was wrapped with. */
export function decryptFileKey(key: Uint8Array, body: Uint8Array): Uint8Array | null {
  const decipher = createDecipheriv('chacha20-poly1305', key, zeroNonce, { authTagLength: tagBytes })
  decipher.setAuthTag(body.subarray(body.byteLength - tagBytes))
  try {
    const fileKey = decipher.update(body.subarray(0, body.byteLength - tagBytes))
    decipher.final()
    return new Uint8Array(fileKey)
  } catch {
    return null
  }
}
