import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { envelopeChunkBytes } from '../../../src/core/limits.js'
import { preAuthEncoding, statementPayloadType, verifySignatures } from '../../../src/crypto/dsse.js'
import { openBytes } from '../../../src/crypto/holder/open-envelope.js'
import { combineShares, dealVault } from '../../../src/crypto/holder/vault-shares.js'
import { encodeIdentity, identityToRecipient } from '../../../src/crypto/recipient.js'
import { sealBytes } from '../../../src/crypto/seal-envelope.js'
import { fingerprintOfSshKey, parseSshSignatureArmour, statementNamespace } from '../../../src/crypto/sshsig.js'
import { checkVault } from '../../../src/crypto/vault-commitments.js'
import { encodeReleasedShare } from '../../../src/format/share.js'
import { SeededEntropy } from '../../doubles/seeded-entropy.js'
import { armour, sshSigner } from '../../doubles/ssh-signer.js'

/** What we make, opened and verified by tools we did not write: age, age-keygen, ssh-keygen, python3 with docs/recover.py. */

const folder = mkdtempSync(join(tmpdir(), 'other-tools-'))
afterAll(() => rmSync(folder, { recursive: true }))
const file = (name: string, content?: string | Uint8Array) => {
  const path = join(folder, name)
  if (content !== undefined) writeFileSync(path, content, { mode: 0o600 })
  return path
}
const run = (command: string, args: readonly string[]) =>
  execFileSync(command, args, { maxBuffer: 64 * 1024 * 1024, stdio: ['ignore', 'pipe', 'pipe'] })
const entropy = new SeededEntropy('other-tools')

describe('age', () => {
  const identity = encodeIdentity(entropy.bytes(32))
  const recipient = identityToRecipient(identity)
  const keyFile = file('age.key', `${identity}\n`)

  test('age-keygen derives the same recipient', () => {
    expect(run('age-keygen', ['-y', keyFile]).toString().trim()).toBe(recipient)
  })

  test.for([0, 1, envelopeChunkBytes - 1, envelopeChunkBytes, envelopeChunkBytes + 1, 40 * envelopeChunkBytes + 5])(
    'opens what we seal and seals what we open: %i bytes',
    (size) => {
      const plain = Buffer.from(entropy.bytes(size))
      const sealed = file('ours.age', sealBytes(plain, [identityToRecipient(encodeIdentity(entropy.bytes(32))), recipient], entropy))
      expect(run('age', ['-d', '-i', keyFile, sealed]).equals(plain)).toBe(true)
      const theirs = run('age', ['-e', '-r', recipient, file('plain', plain)])
      expect(plain.equals(openBytes(theirs, identity))).toBe(true)
    },
  )

  test('an identity rebuilt from shares opens what was sealed to the vault', () => {
    const dealt = dealVault({ threshold: 3, custodians: 5 }, entropy)
    const rebuilt = combineShares(checkVault(dealt, 3), dealt.shares.slice(1, 4))
    const vaultKey = file('vault.key', `${rebuilt.identity}\n`)
    expect(run('age-keygen', ['-y', vaultKey]).toString().trim()).toBe(dealt.recipient)
    const sealed = file('vault.age', sealBytes(Buffer.from('the source'), [dealt.recipient], entropy))
    expect(run('age', ['-d', '-i', vaultKey, sealed]).toString()).toBe('the source')
  })
})

describe('recover.py', () => {
  const dealt = dealVault({ threshold: 3, custodians: 5 }, entropy)
  const other = dealVault({ threshold: 3, custodians: 5 }, entropy)
  const vault = {
    threshold: 3,
    epochs: [other, dealt].map(({ recipient, commitments }, place) => ({ epoch: place + 1, recipient, commitments })),
  }
  const agreement = file(
    'agreement.json',
    JSON.stringify({ payload: Buffer.from(JSON.stringify({ vault })).toString('base64'), signatures: [] }),
  )
  const released = dealt.shares.map((share) => file(`share-${share.index}.txt`, encodeReleasedShare(share)))
  const stranger = file('stranger.txt', encodeReleasedShare({ index: 2, value: other.shares[1]?.value ?? new Uint8Array(32) }))
  const recover = (...args: readonly string[]) => {
    const script = new URL('../../../docs/recover.py', import.meta.url).pathname
    const { status, stdout, stderr } = spawnSync('python3', [script, ...args], { encoding: 'utf8' })
    return { status, stdout, stderr }
  }
  const pick = (...places: readonly number[]) => places.map((place) => released[place - 1] ?? '')
  const expected = `${combineShares(checkVault(dealt, 3), dealt.shares).identity}\n`

  test('any three shares give the identity that we rebuild, and age opens an envelope with it', () => {
    for (const places of [
      [1, 2, 3],
      [5, 3, 1],
      [2, 4, 5],
    ]) {
      expect(recover('--recipient', dealt.recipient, '--agreement', agreement, ...pick(...places)).stdout).toBe(expected)
    }
    expect(recover(...pick(1, 2, 3, 4, 5)).stdout).toBe(expected)
    const sealed = file('deposit.age', sealBytes(Buffer.from('a bundle'), [dealt.recipient], entropy))
    const key = file('recovered.key', recover(...pick(4, 1, 2)).stdout)
    expect(run('age', ['-d', '-i', key, sealed]).toString()).toBe('a bundle')
  })

  test('a share of another vault is named and left out', () => {
    const { status, stdout, stderr } = recover('--recipient', dealt.recipient, '--agreement', agreement, stranger, ...pick(1, 3, 4))
    expect([status, stdout]).toEqual([0, expected])
    expect(stderr).toContain('share 2 is not of this vault')
  })

  test.for<[string, () => readonly string[]]>([
    ['two shares', () => ['--recipient', dealt.recipient, ...pick(1, 2)]],
    ['two shares, with the agreement', () => ['--recipient', dealt.recipient, '--agreement', agreement, ...pick(1, 2)]],
    ['two shares and a wrong one', () => ['--recipient', dealt.recipient, '--agreement', agreement, ...pick(1, 3), stranger]],
    ['a wrong share, without the agreement', () => ['--recipient', dealt.recipient, ...pick(1, 3), stranger]],
    ['two different shares with one index', () => [...pick(1, 2, 3), stranger]],
    [
      'a vault that the agreement does not have',
      () => ['--recipient', identityToRecipient(encodeIdentity(entropy.bytes(32))), '--agreement', agreement, ...pick(1, 2, 3)],
    ],
    ['the agreement without a recipient', () => ['--agreement', agreement, ...pick(1, 2, 3)]],
    ['index 0', () => [...pick(1, 2), file('zero.txt', `0:${'11'.repeat(32)}\n`)]],
    ['a value above L', () => [...pick(1, 2), file('large.txt', `3:${'ff'.repeat(32)}\n`)]],
    ['a file that is missing', () => [...pick(1, 2), join(folder, 'missing.txt')]],
    ['an agreement that is no JSON', () => ['--recipient', dealt.recipient, '--agreement', stranger, ...pick(1, 2, 3)]],
  ])('%s: no key is printed, and one line says why', ([, args]) => {
    const { status, stdout, stderr } = recover(...args())
    expect([status, stdout]).toEqual([1, ''])
    expect(stderr.trimEnd().split('\n').at(-1)).toMatch(/^recover\.py: /)
    expect(stderr).not.toContain('Traceback')
  })
})

describe('ssh-keygen', () => {
  const payload = Buffer.from('{"a":1}')
  const message = preAuthEncoding(statementPayloadType, payload)

  test('a statement signed with ssh-keygen verifies here', () => {
    const key = join(folder, 'id')
    run('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', '', '-f', key])
    run('ssh-keygen', ['-q', '-Y', 'sign', '-n', statementNamespace, '-f', key, file('statement.pae', message)])
    const publicKey = readFileSync(`${key}.pub`, 'utf8').trim()
    const signature = parseSshSignatureArmour(readFileSync(join(folder, 'statement.pae.sig'), 'utf8'))
    const document = { payloadType: statementPayloadType, payload, signatures: [{ keyid: '', signature }] }
    expect(verifySignatures(document, [{ kind: 'sshsig', publicKey }])).toHaveLength(1)
    expect(run('ssh-keygen', ['-l', '-f', `${key}.pub`]).toString()).toContain(fingerprintOfSshKey(publicKey))
  })

  test.for(['ssh-ed25519', 'sk-ssh-ed25519@openssh.com', 'sk-ecdsa-sha2-nistp256@openssh.com'] as const)(
    'our stand-in for %s signs as the real thing, and ssh-keygen does not demand the touch',
    (kind) => {
      const signer = sshSigner(kind)
      const allowed = file('allowed', `party ${signer.publicKey}\n`)
      for (const flags of [1, 0]) {
        const signature = file('made.sig', armour(signer.sign(message, { namespace: statementNamespace, flags })))
        const args = ['-Y', 'verify', '-n', statementNamespace, '-I', 'party', '-f', allowed, '-s', signature]
        expect(execFileSync('ssh-keygen', args, { input: message }).toString()).toContain('Good "escrow-statement/v1" signature')
      }
    },
  )
})
