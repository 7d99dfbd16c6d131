// A custodian who signs with a security key: nothing but command lines, the key in software behind the face of ssh-keygen.
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { parseSignedDocument } from '../../src/crypto/dsse.js'
import { keyFileNames, parseSshKeyFile } from '../../src/format/key-file.js'
import { openAgreement } from '../../src/format/signed-agreement.js'
import { verifyStatement } from '../../src/release/rules/statement-verifier.js'
import { EscrowHome } from '../doubles/escrow-home.js'
import { GitFixture } from '../doubles/git-fixture.js'
import { noDays, releaseParties, releaseWithin } from '../doubles/release-terms.js'
import { SecurityKey } from '../doubles/security-key.js'

const release = releaseWithin(`${noDays}, coolingOffHours: 0`, 'condition: insolvent, kind: insolvency')
let fixture: GitFixture
let home: EscrowHome
let key: SecurityKey
let folder = ''

beforeAll(async () => {
  fixture = new GitFixture()
  fixture.addCommits('refs/heads/main', 2)
  const keygen = (party: string, at: string): readonly string[] => {
    if (party !== 'notary') return []
    key = new SecurityKey(join(at, 'usb', 'id_ed25519_sk.pub'))
    return key.arguments
  }
  home = await EscrowHome.make(['  - source: product', `    url: ${fixture.path}`], { parties: releaseParties, release, keygen })
  await home.must('mirror')
  await home.must('request', ...as('partner', 'request'), '--condition', 'insolvent', '--grounds', 'The vendor is bankrupt.')
  await home.must('release', 'record', outbox('partner', 'request'))
  folder = await publish()
}, 300_000)
afterAll(async () => {
  await home.remove()
  fixture.remove()
})

const outbox = (party: string, name: string): string => home.at('outbox', party, `${name}.json`)
const as = (party: string, name: string): readonly string[] =>
  `--as ${home.party(party)} --agreement ${home.agreement} --out ${outbox(party, name)}`.split(' ')
const publish = async (): Promise<string> => {
  await home.must('release', 'publish', '--to', home.at('mailbox'))
  return home.at('mailbox', readdirSync(home.at('mailbox')).find((name) => name.startsWith('req_')) ?? 'none')
}
const approve = (name: string) => home.run('approve', folder, ...as('notary', name), '--reason', 'The register shows it.')

test('the agreement pins the SSH key, the folder holds no key of ours, and arming took its signatures', async () => {
  const { body } = openAgreement(readFileSync(home.agreement))
  expect(body.parties.find(({ party }) => party === 'notary')?.keys).toEqual([{ kind: 'sshsig', publicKey: key.publicKey }])
  expect(existsSync(join(home.party('notary'), keyFileNames.signing))).toBe(false)
  expect(await home.must('agreement', 'show')).toContain('armed')
})

test.for([
  ['nobody touched it', { flags: 0 }],
  ['only a PIN was given', { flags: 4 }],
  ['it signed in the namespace of git', { namespace: 'git' }],
  ['it is not plugged in', { absent: true }],
] as const)('no statement is written when %s', async ([, how]) => {
  key.set(how)
  const ran = await approve('never')
  key.set({})
  expect([ran.exitCode, ran.err]).toEqual([6, expect.stringContaining('SIGNING_FAILED')])
  expect(existsSync(outbox('notary', 'never'))).toBe(false)
})

test('another key on the stick is found out by the signer, and an approval made with it by everybody', async () => {
  const stolen = new SecurityKey(join(home.folder, 'usb', 'other.pub'))
  const place = join(home.party('notary'), keyFileNames.ssh)
  const text = readFileSync(place, 'utf8')
  writeFileSync(place, text.replace(key.path, stolen.path))
  const ran = await approve('never')
  writeFileSync(place, text)
  expect([ran.exitCode, ran.err]).toEqual([2, expect.stringContaining('KEY_INVALID')])
  expect((await approve('mine')).exitCode).toBe(0)
  const pinned = openAgreement(readFileSync(home.agreement))
  const bytes = readFileSync(outbox('notary', 'mine'))
  expect(verifyStatement(bytes, pinned).signer).toBe('notary')
  const { payload } = parseSignedDocument(bytes)
  const untouched = Buffer.from(bytes.toString('utf8').replace(/"sig":"[^"]+"/, (sig) => withFlags(sig, 0)))
  expect(parseSignedDocument(untouched).payload).toEqual(payload)
  expect(() => verifyStatement(untouched, pinned)).toThrow(expect.objectContaining({ code: 'SIGNATURE_INVALID' }))
})

/** The same signature with another flags byte: the fifth from the end of the blob. */
function withFlags(sig: string, flags: number): string {
  const blob = Buffer.from(sig.slice('"sig":"'.length, -1), 'base64')
  blob.writeUInt8(flags, blob.length - 5)
  return `"sig":"${blob.toString('base64')}"`
}

test('touch by touch a case is approved and the share released', async () => {
  expect((await approve('approve')).exitCode).toBe(0)
  for (const party of ['university', 'chamber']) await home.must('approve', folder, ...as(party, 'approve'), '--reason', 'So be it.')
  await home.must('release', 'record', ...['notary', 'university', 'chamber'].map((party) => outbox(party, 'approve')))
  folder = await publish()
  for (const party of ['notary', 'university', 'chamber']) {
    await home.must('release-share', folder, ...as(party, 'share'), '--share', home.share(party))
  }
  await home.must('release', 'record', ...['notary', 'university', 'chamber'].map((party) => outbox(party, 'share')))
  expect(await home.must('release', 'show')).toContain('released')
})

test('keys are never overwritten by keys of the other kind', async () => {
  const [here, there] = [home.party('notary'), home.party('university')]
  const keygen = (path: string, ...more: readonly string[]) =>
    home.run('keygen', path, '--party', 'x', '--role', 'custodian', '--country', 'CH', ...more)
  const before = [here, there].map((path) => readdirSync(path))
  expect((await keygen(here)).exitCode).toBe(2)
  expect((await keygen(there, ...key.arguments)).exitCode).toBe(2)
  expect([here, there].map((path) => readdirSync(path))).toEqual(before)
})

test.for([
  ['', 'nothing'],
  ['escrow-ssh-key/v1\npath /a.pub\n', 'no program'],
  ['escrow-ssh-key/v2\npath /a.pub\nprogram ssh-keygen\n', 'another version'],
  ['escrow-ssh-key/v1\npath /a.pub\nprogram ssh-keygen\nmore\n', 'a line more'],
  ['escrow-ssh-key/v1\npath \nprogram ssh-keygen\n', 'no path'],
  ['escrow-ssh-key/v1\r\npath /a.pub\r\nprogram ssh-keygen\r\n', 'other line ends'],
] as const)('a key file with %s is refused (%s)', ([text]) => {
  expect(() => parseSshKeyFile(text)).toThrow(expect.objectContaining({ code: 'KEY_INVALID' }))
})

test.for([
  ['ssh-rsa AAAAB3NzaC1yc2E=', 'another type'],
  ['-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXk\n-----END OPENSSH PRIVATE KEY-----', 'a private key'],
  ['', 'nothing'],
] as const)('keygen refuses %j as an SSH key: %s', async ([text]) => {
  writeFileSync(home.at('bad.pub'), text)
  const ran = await home.run(
    'keygen',
    home.at('nobody'),
    '--party',
    'x',
    '--role',
    'custodian',
    '--country',
    'CH',
    '--ssh-key',
    home.at('bad.pub'),
  )
  expect([ran.exitCode, ran.err]).toEqual([2, expect.stringContaining('KEY_INVALID')])
  expect(existsSync(home.at('nobody'))).toBe(false)
})
