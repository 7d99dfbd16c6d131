// The real ssh-keygen and ssh-agent, which are not on every machine.
import { execFileSync, spawn } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { SystemEntropy } from '../../src/core/environment.js'
import { payloadSignedBy, parseSignedDocument, signDocument, encodeSignedDocument } from '../../src/crypto/dsse.js'
import { createPartyFolder, openPartyFolder } from '../../src/cli/party/party-folder.js'

const standing = { country: 'CH', control: 'CH', foreignCapitalLargestPercent: 0, foreignCapitalTotalPercent: 0 }
const anna = { party: 'notary', role: 'custodian', name: 'Anna', organisation: 'Notary', standing } as const
let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'reduit-ssh-'))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const sshKey = (name: string, type: string, passphrase = ''): string => {
  execFileSync('ssh-keygen', ['-q', '-t', type, '-N', passphrase, '-C', 'anna@notary.example', '-f', join(folder, name)])
  return join(folder, `${name}.pub`)
}

test('a party signs with its own Ed25519 SSH key, under the fingerprint that ssh-keygen shows', async () => {
  const path = sshKey('id', 'ed25519')
  await createPartyFolder(join(folder, 'anna'), anna, new SystemEntropy(), { path, program: 'ssh-keygen' })
  const party = await openPartyFolder(join(folder, 'anna'))
  const signed = encodeSignedDocument(signDocument({ payload: Buffer.from('{"a":1}'), key: party.signingKey }))
  expect(Buffer.from(payloadSignedBy(parseSignedDocument(signed), party.card.keys)).toString()).toBe('{"a":1}')
  expect(party.signingKey.fingerprint).toBe(execFileSync('ssh-keygen', ['-lf', path]).toString().split(' ')[1])
})

test('the private key may live in ssh-agent alone', async () => {
  const path = sshKey('agent', 'ed25519')
  const socket = join(folder, 'agent.sock')
  const agent = spawn('ssh-agent', ['-D', '-a', socket], { stdio: 'ignore' })
  const before = process.env['SSH_AUTH_SOCK']
  try {
    for (let tried = 0; tried < 100 && !existsSync(socket); tried += 1) await new Promise((resolve) => setTimeout(resolve, 20))
    process.env['SSH_AUTH_SOCK'] = socket
    execFileSync('ssh-add', ['-q', path.replace(/\.pub$/, '')], { stdio: 'ignore' })
    rmSync(path.replace(/\.pub$/, ''))
    const party = await createPartyFolder(join(folder, 'ben'), anna, new SystemEntropy(), { path, program: 'ssh-keygen' })
    const document = signDocument({ payload: Buffer.from('{}'), key: party.signingKey })
    expect(Buffer.from(payloadSignedBy(document, party.card.keys)).toString()).toBe('{}')
  } finally {
    if (before === undefined) delete process.env['SSH_AUTH_SOCK']
    else process.env['SSH_AUTH_SOCK'] = before
    agent.kill()
  }
})

test('without its private key nothing is signed, and RSA keys are refused at once', async () => {
  const path = sshKey('gone', 'ed25519')
  rmSync(path.replace(/\.pub$/, ''))
  const party = await createPartyFolder(join(folder, 'cleo'), anna, new SystemEntropy(), { path, program: 'ssh-keygen' })
  expect(() => party.signingKey.sign(Buffer.from('x'))).toThrow(expect.objectContaining({ code: 'SIGNING_FAILED' }))
  const rsa = { path: sshKey('rsa', 'rsa'), program: 'ssh-keygen' }
  await expect(createPartyFolder(join(folder, 'dora'), anna, new SystemEntropy(), rsa)).rejects.toMatchObject({ code: 'KEY_INVALID' })
})
