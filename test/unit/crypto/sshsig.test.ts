import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { isEscrowError } from '../../../src/core/errors.js'
import { fingerprintOfSshKey, parseSshSignatureArmour, sshVerifier, statementNamespace } from '../../../src/crypto/sshsig.js'
import { sshString } from '../../../src/crypto/ssh-wire.js'
import { armour, sshSigner, type SshSignOptions } from '../../doubles/ssh-signer.js'

interface VectorCase {
  readonly name: string
  readonly publicKey: string
  readonly fingerprint?: string
  readonly armour: string
  readonly valid: boolean
}
const vectors = JSON.parse(readFileSync(new URL('../../vectors/sshsig.json', import.meta.url), 'utf8'))
const message = Buffer.from('a statement')
const namespace = statementNamespace
const kinds = ['ssh-ed25519', 'sk-ssh-ed25519@openssh.com', 'sk-ecdsa-sha2-nistp256@openssh.com'] as const

test.for<VectorCase>(vectors.cases)('$name: $valid', (vector) => {
  const verify = sshVerifier(vector.publicKey, vectors.namespace)
  const signature = parseSshSignatureArmour(vector.armour)
  expect(verify(Buffer.from(vectors.messageHex, 'hex'), signature)).toBe(vector.valid)
  if (vector.fingerprint !== undefined) expect(fingerprintOfSshKey(vector.publicKey)).toBe(vector.fingerprint)
})

describe.for(kinds)('%s', (kind) => {
  const signer = sshSigner(kind)
  const verify = sshVerifier(signer.publicKey, namespace)
  const sign = (options: Partial<SshSignOptions> = {}) => signer.sign(message, { namespace, ...options })

  test('a good signature verifies with either hash', () => {
    // ECDSA signatures vary: many of them, so that integers with and without a leading zero are met.
    for (let round = 0; round < 20; round += 1) expect(verify(message, sign({ hash: round % 2 === 0 ? 'sha256' : 'sha512' }))).toBe(true)
  })

  test('a signature with any bit flipped, cut anywhere or continued does not', () => {
    const signature = sign()
    const accepted: number[] = []
    for (let place = 0; place < signature.byteLength; place += 1) {
      const flipped = Buffer.from(signature)
      flipped.writeUInt8(flipped.readUInt8(place) ^ (1 << (place & 7)), place)
      if (verify(message, flipped) || verify(message, signature.subarray(0, place))) accepted.push(place)
    }
    expect(accepted).toEqual([])
    expect(verify(message, Buffer.concat([signature, Buffer.alloc(1)]))).toBe(false)
    expect(verify(message, Buffer.alloc(5000))).toBe(false)
  })

  test('nor does one that goes on inside, where no field is signed', () => {
    expect(verify(message, sign({ trailing: { signature: 'x' } }))).toBe(false)
    if (kind === 'sk-ecdsa-sha2-nistp256@openssh.com') expect(verify(message, sign({ trailing: { integers: 'x' } }))).toBe(false)
  })

  test('another message, namespace, key or version does not', () => {
    expect(verify(Buffer.from('another statement'), sign())).toBe(false)
    for (const other of ['git', '', 'escrow-statement/v2']) expect(verify(message, sign({ namespace: other }))).toBe(false)
    expect(verify(message, sshSigner(kind).sign(message, { namespace }))).toBe(false)
    expect(verify(message, sign({ version: 2 }))).toBe(false)
    expect(verify(message, sign({ magic: 'SSHSIX' }))).toBe(false)
    expect(verify(message, sign({ reserved: 'x' }))).toBe(false)
  })

  test('a pinned line that is not exactly type and key is refused', () => {
    const [type = '', encoded = ''] = signer.publicKey.split(' ')
    const blob = Buffer.from(encoded, 'base64')
    const lines = [
      '',
      type,
      encoded,
      `${signer.publicKey} comment`,
      `${signer.publicKey}\n`,
      ` ${signer.publicKey}`,
      `ssh-rsa ${encoded}`,
      `${kinds.find((other) => other !== kind)} ${encoded}`,
      `${type} ${Buffer.concat([blob, Buffer.alloc(1)]).toString('base64')}`,
      `${type} ${blob.subarray(0, -1).toString('base64')}`,
      `${type} ${encoded.slice(0, -1)}`,
      `${type} ${'A'.repeat(9000)}`,
    ]
    for (const line of lines) {
      expect(() => sshVerifier(line, namespace)).toThrow(expect.toSatisfy((error: unknown) => isEscrowError(error, 'KEY_INVALID')))
    }
  })
})

test.for(kinds.slice(1))('%s: without a touch nothing counts, whatever else was verified', (kind) => {
  const signer = sshSigner(kind)
  const verify = sshVerifier(signer.publicKey, namespace)
  const accepted = Array.from({ length: 256 }, (_, flags) => flags).filter((flags) =>
    verify(message, signer.sign(message, { namespace, flags })),
  )
  expect(accepted).toEqual(Array.from({ length: 128 }, (_, half) => 2 * half + 1))
})

test('a P-256 key that is compressed, or not on the curve, is refused', () => {
  const blob = Buffer.from(sshSigner('sk-ecdsa-sha2-nistp256@openssh.com').publicKey.split(' ')[1] ?? '', 'base64')
  const at = blob.indexOf(Buffer.from([0, 0, 0, 65, 4])) + 4
  const point = (bytes: Buffer) => {
    const parts = ['sk-ecdsa-sha2-nistp256@openssh.com', 'nistp256', bytes, 'ssh:'].map(sshString)
    return `sk-ecdsa-sha2-nistp256@openssh.com ${Buffer.concat(parts).toString('base64')}`
  }
  const good = blob.subarray(at, at + 65)
  expect(() => sshVerifier(point(good), namespace)).not.toThrow()
  const bad = [good.subarray(0, 33), Buffer.concat([Buffer.of(2), good.subarray(1)]), Buffer.concat([Buffer.of(4), Buffer.alloc(64, 1)])]
  for (const bytes of bad) {
    expect(() => sshVerifier(point(bytes), namespace)).toThrow(expect.toSatisfy((error: unknown) => isEscrowError(error, 'KEY_INVALID')))
  }
})

describe('armour', () => {
  const blob = sshSigner('ssh-ed25519').sign(message, { namespace })
  const good = armour(blob)

  test('the blob comes back, with or without a last newline, with CRLF', () => {
    for (const text of [good, good.trimEnd(), good.replaceAll('\n', '\r\n')]) {
      expect(Buffer.from(parseSshSignatureArmour(text)).equals(blob)).toBe(true)
    }
  })

  test.for<[string, string]>([
    ['nothing', ''],
    ['no begin', good.replace('-----BEGIN SSH SIGNATURE-----\n', '')],
    ['no end', good.replace('-----END SSH SIGNATURE-----\n', '')],
    ['text before', `x\n${good}`],
    ['text after', `${good}x`],
    ['another label', good.replaceAll('SSH SIGNATURE', 'PGP SIGNATURE')],
    ['an empty body', '-----BEGIN SSH SIGNATURE-----\n\n-----END SSH SIGNATURE-----\n'],
    ['a character that is not base64', good.replace('\nU', '\n*')],
    ['missing padding', armour(Buffer.alloc(10)).replaceAll('=', '')],
    ['more than 8192 characters', armour(Buffer.alloc(7000))],
    ['more than 4096 bytes', armour(Buffer.alloc(4097))],
  ])('%s is refused', ([, text]) => {
    expect(() => parseSshSignatureArmour(text)).toThrow(expect.toSatisfy((error: unknown) => isEscrowError(error, 'FORMAT_INVALID')))
  })
})
