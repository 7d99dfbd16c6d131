import { createHash, generateKeyPairSync, sign, type KeyObject } from 'node:crypto'
import { sshString } from '../../src/crypto/ssh-wire.js'

/** What a software stand-in for a FIDO security key, or an OpenSSH key, signs with, and every knob a test may turn wrong. */
export interface SshSignOptions {
  readonly namespace: string
  readonly hash?: 'sha256' | 'sha512'
  /** 0x01: the user touched it; 0x04: the user was verified by PIN. */
  readonly flags?: number
  readonly counter?: number
  readonly reserved?: string
  readonly version?: number
  readonly magic?: string
  /** Bytes that follow the signature where it should have ended. */
  readonly trailing?: { readonly signature?: string; readonly integers?: string }
}

/** A key that makes SSHSIG blobs; `ssh-keygen -Y verify` accepts them (other-tools.services.test.ts). */
export interface SshSigner {
  /** Type and base64, as an agreement pins it. */
  readonly publicKey: string
  readonly sign: (message: Uint8Array, options: SshSignOptions) => Buffer
}

type Kind = 'ssh-ed25519' | 'sk-ssh-ed25519@openssh.com' | 'sk-ecdsa-sha2-nistp256@openssh.com'

const application = 'ssh:'
const sha256 = (bytes: Uint8Array | string) => createHash('sha256').update(bytes).digest()
const mpint = (bytes: Buffer) => {
  const short = bytes.subarray(bytes.findIndex((byte) => byte !== 0))
  return sshString(short.readUInt8(0) >= 0x80 ? Buffer.concat([Buffer.alloc(1), short]) : short)
}

export function sshSigner(kind: Kind): SshSigner {
  const pair = kind.startsWith('sk-ecdsa') ? generateKeyPairSync('ec', { namedCurve: 'P-256' }) : generateKeyPairSync('ed25519')
  const blob = publicBlob(kind, pair.publicKey)
  const make = (message: Uint8Array, options: SshSignOptions): Buffer => {
    const { namespace, hash = 'sha512', reserved = '', version = 1, magic = 'SSHSIG' } = options
    const digest = createHash(hash).update(message).digest()
    const signed = Buffer.concat([Buffer.from('SSHSIG'), ...[namespace, reserved, hash, digest].map(sshString)])
    const { flags = 1, counter = 7, trailing = {} } = options
    const made = innerSignature(kind, { key: pair.privateKey, signed, flags, counter, afterIntegers: trailing.integers ?? '' })
    const inner = Buffer.concat([made, Buffer.from(trailing.signature ?? '')])
    const head = Buffer.alloc(4)
    head.writeUInt32BE(version)
    return Buffer.concat([Buffer.from(magic), head, ...[blob, namespace, reserved, hash, inner].map(sshString)])
  }
  return { publicKey: `${kind} ${blob.toString('base64')}`, sign: make }
}

function publicBlob(kind: Kind, key: KeyObject): Buffer {
  const jwk = key.export({ format: 'jwk' })
  const [x, y] = [Buffer.from(jwk.x ?? '', 'base64url'), Buffer.from(jwk.y ?? '', 'base64url')]
  const fields = {
    'ssh-ed25519': [x],
    'sk-ssh-ed25519@openssh.com': [x, application],
    'sk-ecdsa-sha2-nistp256@openssh.com': ['nistp256', Buffer.concat([Buffer.of(4), x, y]), application],
  }
  return Buffer.concat([kind, ...fields[kind]].map(sshString))
}

function innerSignature(
  kind: Kind,
  options: { key: KeyObject; signed: Buffer; flags: number; counter: number; afterIntegers: string },
): Buffer {
  const { key, signed, flags, counter, afterIntegers } = options
  if (kind === 'ssh-ed25519') return Buffer.concat([kind, sign(null, signed, key)].map(sshString))
  const tail = Buffer.alloc(5)
  tail.writeUInt8(flags)
  tail.writeUInt32BE(counter, 1)
  const byHardware = Buffer.concat([sha256(application), tail, sha256(signed)])
  if (kind === 'sk-ssh-ed25519@openssh.com') return Buffer.concat([...[kind, sign(null, byHardware, key)].map(sshString), tail])
  const raw = sign('sha256', byHardware, { key, dsaEncoding: 'ieee-p1363' })
  const pair = Buffer.concat([mpint(raw.subarray(0, 32)), mpint(raw.subarray(32)), Buffer.from(afterIntegers)])
  return Buffer.concat([...[kind, pair].map(sshString), tail])
}

/** The armour that `ssh-keygen -Y sign` writes around a blob. */
export const armour = (blob: Uint8Array): string =>
  `-----BEGIN SSH SIGNATURE-----\n${Buffer.from(blob)
    .toString('base64')
    .replace(/.{70}(?=.)/g, '$&\n')}\n-----END SSH SIGNATURE-----\n`
