import { createHash, createPublicKey, verify as verifyBytes, type KeyObject } from 'node:crypto'
import { EscrowError, isEscrowError } from '../core/errors.js'
import { decodeBase64, encodeBase64, encodeBase64Unpadded } from './base64.js'
import { sha256 } from './digest.js'
import { ed25519KeyObject, fingerprintOfSshBlob, parsePublicKey, type Verifier } from './signature.js'
import { SshReader, sshString } from './ssh-wire.js'

/**
 * Verifies OpenSSH signatures (PROTOCOL.sshsig) by keys that people already have, hardware keys included. It makes none.
 *
 * For `sk-` keys the signed bytes are those of PROTOCOL.u2f: SHA-256(application), flags, counter, SHA-256(signed blob). We demand
 * the user-presence flag ourselves, because `ssh-keygen -Y verify` accepts signatures that were made without a touch.
 */

/** The namespace under which parties sign statements; a signature made for a git commit or an e-mail does not pass. */
export const statementNamespace = 'escrow-statement/v1'

const magic = 'SSHSIG'
const blobBytesMax = 4096
const armourBytesMax = 8192
const userPresent = 0x01

type SshKeyType = 'ssh-ed25519' | 'sk-ssh-ed25519@openssh.com' | 'sk-ecdsa-sha2-nistp256@openssh.com'

interface SshPublicKey {
  readonly type: SshKeyType
  readonly blob: Uint8Array
  readonly key: KeyObject
  /** Only `sk-` keys have one; part of what the hardware signs. */
  readonly application: Uint8Array | null
}

/**
 * A verifier for SSHSIG blobs (the binary form, what the armour wraps) by exactly one key.
 *
 * The verifier says false for every defect of a signature: malformed, larger than 4096 bytes, other key, other namespace, not
 * touched, wrong bytes.
 *
 * @param publicKey - an OpenSSH public key line without comment, as pinned in the agreement.
 * @param namespace - what the signer must have named with `ssh-keygen -Y sign -n`.
 * @throws EscrowError `KEY_INVALID` when the pinned key itself is not one.
 */
export function sshVerifier(publicKey: string, namespace: string): Verifier {
  const pinned = parseSshPublicKey(publicKey)
  return (message, signature) => {
    try {
      return verifyBlob(pinned, { message, signature, namespace })
    } catch (error) {
      if (isEscrowError(error, 'FORMAT_INVALID')) return false
      throw error
    }
  }
}

function verifyBlob(
  pinned: SshPublicKey,
  options: { readonly message: Uint8Array; readonly signature: Uint8Array; readonly namespace: string },
): boolean {
  if (options.signature.byteLength > blobBytesMax) return false
  const reader = new SshReader(options.signature)
  if (Buffer.from(reader.take(magic.length)).toString('latin1') !== magic || reader.uint32() !== 1) return false
  if (!Buffer.from(pinned.blob).equals(reader.string())) return false
  if (reader.ascii() !== options.namespace) return false
  // `reserved` is for later versions to give a meaning; a signature that carries one says something we do not understand.
  if (reader.string().byteLength !== 0) return false
  const algorithm = reader.ascii()
  if (algorithm !== 'sha256' && algorithm !== 'sha512') return false
  const signature = reader.string()
  reader.end()
  const messageDigest = createHash(algorithm).update(options.message).digest()
  const signed = [Buffer.from(magic), sshString(options.namespace), sshString(''), sshString(algorithm), sshString(messageDigest)]
  return verifyInner(pinned, signature, Buffer.concat(signed))
}

function verifyInner(pinned: SshPublicKey, signature: Uint8Array, signed: Uint8Array): boolean {
  const reader = new SshReader(signature)
  if (reader.ascii() !== pinned.type) return false
  const raw = pinned.type === 'sk-ecdsa-sha2-nistp256@openssh.com' ? ecdsaSignature(reader.string()) : reader.string()
  if (raw.byteLength !== 64) return false
  if (pinned.application === null) {
    reader.end()
    return verifyBytes(null, signed, pinned.key, raw)
  }
  const [flags = 0, ...counter] = reader.take(5)
  reader.end()
  if ((flags & userPresent) === 0) return false
  const byHardware = Buffer.concat([sha256(pinned.application), Uint8Array.of(flags, ...counter), sha256(signed)])
  if (pinned.type === 'sk-ssh-ed25519@openssh.com') return verifyBytes(null, byHardware, pinned.key, raw)
  return verifyBytes('sha256', byHardware, { key: pinned.key, dsaEncoding: 'ieee-p1363' }, raw)
}

/** r and s as two fixed halves, the form node:crypto calls ieee-p1363. */
function ecdsaSignature(blob: Uint8Array): Uint8Array {
  const reader = new SshReader(blob)
  const halves = Buffer.concat([reader.positiveInteger(32), reader.positiveInteger(32)])
  reader.end()
  return halves
}

/**
 * The fingerprint of an OpenSSH public key line, as `ssh-keygen -lf` prints it.
 *
 * @throws EscrowError `KEY_INVALID`
 */
export function fingerprintOfSshKey(publicKey: string): string {
  return fingerprintOfSshBlob(parseSshPublicKey(publicKey).blob)
}

function parseSshPublicKey(line: string): SshPublicKey {
  const [type = '', encoded = '', ...rest] = line.length <= armourBytesMax ? line.split(' ') : []
  const blob = decodeBase64(encoded)
  if (blob === null || rest.length > 0) throw new EscrowError('KEY_INVALID', 'expected an OpenSSH public key: type and base64, no comment')
  try {
    return readSshPublicKey(type, blob)
  } catch (error) {
    throw new EscrowError('KEY_INVALID', `expected a well-formed OpenSSH public key of type ${JSON.stringify(type.slice(0, 64))}`, {
      cause: error,
    })
  }
}

function readSshPublicKey(type: string, blob: Uint8Array): SshPublicKey {
  const reader = new SshReader(blob)
  if (reader.ascii() !== type) throw new EscrowError('KEY_INVALID', 'expected the same key type inside and outside')
  const { key, application } = readKeyFields(type, reader)
  reader.end()
  return { type: type as SshKeyType, blob, key, application }
}

function readKeyFields(type: string, reader: SshReader): { readonly key: KeyObject; readonly application: Uint8Array | null } {
  switch (type) {
    case 'ssh-ed25519':
      return { key: checkedEd25519(reader.string()), application: null }
    case 'sk-ssh-ed25519@openssh.com':
      return { key: checkedEd25519(reader.string()), application: reader.string() }
    case 'sk-ecdsa-sha2-nistp256@openssh.com':
      if (reader.ascii() !== 'nistp256') throw new EscrowError('KEY_INVALID', 'expected the curve nistp256')
      return { key: p256KeyObject(reader.string()), application: reader.string() }
    default:
      throw new EscrowError('KEY_INVALID', 'expected ssh-ed25519, sk-ssh-ed25519 or sk-ecdsa-sha2-nistp256')
  }
}

function checkedEd25519(raw: Uint8Array): KeyObject {
  return ed25519KeyObject(parsePublicKey(encodeBase64(raw)))
}

/** @param point - 0x04, x, y; node:crypto refuses a point that is not on the curve. */
function p256KeyObject(point: Uint8Array): KeyObject {
  if (point.byteLength !== 65 || point[0] !== 4) throw new EscrowError('KEY_INVALID', 'expected an uncompressed P-256 point')
  const coordinate = (from: number) =>
    encodeBase64Unpadded(point.subarray(from, from + 32))
      .replaceAll('+', '-')
      .replaceAll('/', '_')
  return createPublicKey({ key: { kty: 'EC', crv: 'P-256', x: coordinate(1), y: coordinate(33) }, format: 'jwk' })
}

/**
 * The binary blob inside the armour that `ssh-keygen -Y sign` writes.
 *
 * @param text - attacker-controlled; at most 8192 characters.
 * @throws EscrowError `FORMAT_INVALID`
 */
export function parseSshSignatureArmour(text: string): Uint8Array {
  const match =
    text.length <= armourBytesMax
      ? /^-----BEGIN SSH SIGNATURE-----\n([A-Za-z0-9+/=\n]+)\n-----END SSH SIGNATURE-----\n?$/.exec(text.replaceAll('\r\n', '\n'))
      : null
  const blob = decodeBase64((match?.[1] ?? '').replaceAll('\n', ''))
  if (blob === null || blob.byteLength === 0 || blob.byteLength > blobBytesMax) {
    throw new EscrowError('FORMAT_INVALID', 'expected an armoured SSH signature')
  }
  return blob
}
