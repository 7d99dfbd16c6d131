// The service is gone. Custodians and a beneficiary complete a release from files alone, once witnesses attest that the log is silent.
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { parse, stringify } from 'yaml'
import { laptopConfig } from '../../config/laptop.js'
import { generateSigningKey, generateSigningSeed, signingKeyFromSeed, type SigningKey } from '../../src/crypto/signature.js'
import { SystemEntropy } from '../../src/core/environment.js'
import { cosign } from '../../src/format/cosignature.js'
import { encodeSigningKeyFile, keyFileNames } from '../../src/format/key-file.js'
import { formatNote, formatNoteKey, noteKey, parseNote, signatureType } from '../../src/format/note.js'
import { signOutage } from '../../src/format/outage.js'
import { WitnessMemory } from '../../src/log/witness-memory.js'
import { EscrowHome } from '../doubles/escrow-home.js'
import { GitFixture } from '../doubles/git-fixture.js'
import { noDays, releaseParties, releaseWithin } from '../doubles/release-terms.js'
import { describeRepository } from '../doubles/test-archive.js'

const names = ['north.example/w', 'south.example/w', 'east.example/w'] as const
const signers: readonly SigningKey[] = names.map(() => generateSigningKey(new SystemEntropy()))
const keys = names.map((name, place) => formatNoteKey(noteKey(name, signatureType.cosignature, signers[place]!.publicKey)))
const release = [
  ...releaseWithin(
    `${noDays}, coolingOffHours: 0`,
    'condition: insolvent, kind: insolvency',
    'condition: slow, kind: end-of-support, clocks: { objectionBusinessDays: 10 }',
    'condition: cool, kind: cessation, clocks: { coolingOffHours: 24 }',
  ),
  `witnesses: { quorum: 2, keys: [${keys.map((key) => `'${key}'`).join(', ')}] }`,
]
const daySeconds = 86_400
const now = (): number => Math.floor(Date.parse(new Date(performance.timeOrigin + performance.now()).toISOString()) / 1000)

let fixture: GitFixture
let home: EscrowHome
let archive = ''
let logKey = ''
let root = new Uint8Array(32)

beforeAll(async () => {
  fixture = new GitFixture()
  fixture.addCommits('refs/heads/main', 3)
  const configuration = (): string => {
    const file = parse(laptopConfig({ origin: 'test.example/1', country: 'CH', control: 'CH' })) as Record<string, unknown>
    const witnesses = keys.map((key) => ({ url: 'http://127.0.0.1:9/', key }))
    return stringify({ ...file, log: { witnessQuorum: 2, witnesses } })
  }
  home = await EscrowHome.make(['  - source: product', `    url: ${fixture.path}`], { configuration, parties: releaseParties, release })
  await home.run('mirror')
  logKey = (JSON.parse(readFileSync(join(home.home, 'service.json'), 'utf8')) as { log: { key: string } }).log.key
  await rememberInWitness(10)
  archive = home.at('partner-replica')
  cpSync(home.replica, archive, { recursive: true })
  // From here on there is no service.
  rmSync(home.home, { recursive: true })
}, 300_000)
afterAll(async () => {
  await home.remove()
  fixture.remove()
})

/** What a witness of the log has on its disk: a checkpoint that it cosigned so many days ago. */
async function rememberInWitness(days: number): Promise<void> {
  const heads = join(home.home, 'replicas', 'a', 'heads')
  const path = readdirSync(heads, { recursive: true, encoding: 'utf8' }).find((name) => name.endsWith('checkpoint')) ?? 'none'
  const { text, signatures } = parseNote(readFileSync(join(heads, path)))
  root = new Uint8Array(Buffer.from(text.split('\n')[2] ?? '', 'base64'))
  const seed = generateSigningSeed(new SystemEntropy())
  mkdirSync(home.at('witness'), { recursive: true })
  writeFileSync(home.at('witness', keyFileNames.signing), encodeSigningKeyFile(seed), { mode: 0o600 })
  const signer = signingKeyFromSeed(seed)
  const memory = await WitnessMemory.open(home.at('witness'))
  const line = cosign(text, 'fourth.example/w', signer, now() - days * daySeconds)
  await memory.write('test.example/1', formatNote({ text, signatures: [...signatures.slice(0, 1), line] }))
}

let attestations = 0
/** Attestations by witnesses of the agreement. */
function attested(
  how: { readonly witnesses?: readonly number[]; readonly silentDays?: number; readonly ageDays?: number; readonly origin?: string } = {},
): readonly string[] {
  const { witnesses = [0, 1], silentDays = 8, ageDays = 0, origin = 'test.example/1' } = how
  return witnesses.flatMap((place) => {
    const at = now() - ageDays * daySeconds
    const path = home.at('attestations', `${(attestations += 1)}.note`)
    mkdirSync(home.at('attestations'), { recursive: true })
    const silent = { origin, size: 3, root, cosignedAt: at - silentDays * daySeconds }
    writeFileSync(path, signOutage(silent, { name: names[place]!, signer: signers[place]! }, at))
    return ['--outage', path]
  })
}

const outbox = (party: string, name: string): string => home.at('outbox', party, `${name}.json`)
const as = (party: string, name: string): readonly string[] =>
  `--as ${home.party(party)} --agreement ${home.agreement} --out ${outbox(party, name)}`.split(' ')
const gather = (folder: string, ...files: readonly string[]): Promise<string> =>
  home.must('gather', ...files, '--agreement', home.agreement, '--to', folder)
const approve = (party: string, folder: string, more: readonly string[]) =>
  home.run('approve', folder, ...as(party, `approve-${folder.split('/').at(-1)}`), '--reason', 'The register shows it.', ...more)

/** A case as the partner starts it, from nothing but its own signed request. */
async function caseOf(condition: string, name: string): Promise<string> {
  await home.must('request', ...as('partner', `request-${name}`), '--condition', condition, '--grounds', 'The vendor is bankrupt.')
  await gather(home.at('cases', name), outbox('partner', `request-${name}`))
  return home.at('cases', name)
}

test('a witness attests from its own memory, and only what it has seen', async () => {
  const attest = ['attest-outage', home.at('witness'), '--name', 'fourth.example/w', '--log', logKey, '--out', home.at('fourth.note')]
  expect(await home.must(...attest)).toContain('last cosigned')
  expect(readFileSync(home.at('fourth.note'), 'utf8')).toMatch(/^escrow-outage\/v1\ntest\.example\/1\n\d+\n/)
  const stranger = ['attest-outage', home.at('nowhere'), '--name', 'x.example/w', '--log', logKey, '--out', home.at('x.note')]
  expect((await home.run(...stranger)).err).toContain('KEY_MISSING')
  mkdirSync(home.at('young'))
  cpSync(home.at('witness', keyFileNames.signing), home.at('young', keyFileNames.signing))
  const young = ['attest-outage', home.at('young'), '--name', 'fourth.example/w', '--log', logKey, '--out', home.at('x.note')]
  expect((await home.run(...young)).err).toContain('NOT_FOUND')
  expect(existsSync(home.at('x.note'))).toBe(false)
})

test('without proof that the log is silent, a case without a log is no case', async () => {
  const folder = await caseOf('insolvent', 'unproven')
  expect((await approve('notary', folder, [])).err).toContain('PROOF_INVALID')
  const refused = async (more: readonly string[]): Promise<string> => {
    const ran = await approve('notary', folder, more)
    expect([ran.exitCode, existsSync(outbox('notary', 'approve-unproven'))]).toEqual([expect.any(Number), false])
    return ran.err
  }
  expect(await refused(attested({ silentDays: 6.99 }))).toContain('WITNESS_POLICY')
  expect(await refused(attested({ witnesses: [0] }))).toContain('WITNESS_POLICY')
  expect(await refused(attested({ witnesses: [0, 0] }))).toContain('WITNESS_POLICY')
  expect(await refused(attested({ ageDays: 4 }))).toContain('WITNESS_POLICY')
  expect(await refused(attested({ ageDays: -1 }))).toContain('WITNESS_POLICY')
  expect(await refused(attested({ origin: 'other.example/1' }))).toContain('WITNESS_POLICY')
  expect(await refused(['--outage', home.at('fourth.note')])).toContain('SIGNATURE_INVALID')
  const [, path = '', ...rest] = attested()
  writeFileSync(path, readFileSync(path, 'utf8').replace(/\n\d+\n\n/, '\n1\n\n'))
  expect(await refused(['--outage', path, ...rest])).toContain('SIGNATURE_INVALID')
  expect((await approve('notary', folder, attested({ witnesses: [1, 2] }))).exitCode).toBe(0)
})

test('the time to object runs from when the custodian first saw the request, whatever the request says', async () => {
  const folder = await caseOf('slow', 'slow')
  expect((await approve('notary', folder, attested())).err).toMatch(/time to object runs until .*REQUEST_STATE/s)
  expect((await approve('notary', folder, attested())).err).toContain('REQUEST_STATE')
  for (const name of readdirSync(join(home.party('notary'), 'first-seen'))) {
    writeFileSync(join(home.party('notary'), 'first-seen', name), `${new Date((now() - 40 * daySeconds) * 1000).toISOString()}\n`)
  }
  expect((await approve('notary', folder, attested())).exitCode).toBe(0)
})

test('an objection, a withdrawal or a cooling-off stands in the way without the service too', async () => {
  const folder = await caseOf('cool', 'cool')
  for (const party of ['notary', 'university', 'chamber']) expect((await approve(party, folder, attested())).exitCode).toBe(0)
  await gather(folder, ...['notary', 'university'].map((party) => outbox(party, 'approve-cool')))
  const seal = (...more: readonly string[]) =>
    home.run('release-share', folder, ...as('notary', 'cool-share'), '--share', home.share('notary'), ...attested(), ...more)
  expect((await seal()).err).toMatch(/approvals that suffice.*REQUEST_STATE/s)
  await gather(folder, outbox('chamber', 'approve-cool'))
  expect((await seal()).err).toMatch(/signed 24 hours ago.*REQUEST_STATE/s)
  await home.must('object', ...as('vendor', 'object'), '--case', folder, '--grounds', 'We still operate.')
  expect((await seal('--heard', outbox('vendor', 'object'))).err).toMatch(/vendor objects.*REQUEST_STATE/s)
  expect((await seal('--heard', outbox('vendor', 'object'), '--heard', outbox('chamber', 'approve-cool'))).err).toMatch(/vendor objects/)
  const forged = home.at('forged.json')
  writeFileSync(forged, readFileSync(outbox('vendor', 'object'), 'utf8').replace(/"sig":"..../, '"sig":"AAAA'))
  expect((await seal('--heard', forged)).err).toContain('SIGNATURE_INVALID')
  await gather(folder, outbox('vendor', 'object'))
  await home.must('rule', ...as('arbiter', 'rule'), '--case', folder, '--outcome', 'proceed', '--grounds', 'The register shows it.')
  await gather(folder, outbox('arbiter', 'rule'))
  expect((await seal()).err).toMatch(/signed 24 hours ago/)
  await home.must('withdraw', ...as('partner', 'withdraw'), '--case', folder, '--reason', 'Settled.')
  expect((await seal('--heard', outbox('partner', 'withdraw'))).err).toMatch(/partner has withdrawn it/)
})

test('three of five complete the release from files alone', async () => {
  const folder = await caseOf('insolvent', 'final')
  for (const party of ['notary', 'university', 'chamber']) expect((await approve(party, folder, attested())).exitCode).toBe(0)
  await gather(folder, ...['notary', 'university', 'chamber'].map((party) => outbox(party, 'approve-final')))
  const shares: string[] = []
  for (const party of ['notary', 'university', 'chamber']) {
    const sealing = ['release-share', folder, ...as(party, 'share'), '--share', home.share(party)]
    expect((await home.run(...sealing)).err).toContain('PROOF_INVALID')
    await home.must(...sealing, ...attested())
    shares.push(outbox(party, 'share'))
  }
  const open = ['open', '--as', home.party('partner'), '--agreement', home.agreement, '--from', archive, '--case', folder]
  await gather(folder, ...shares.slice(0, 2))
  expect((await home.run(...open, '--to', home.at('early.git'))).err).toContain('SHARES_TOO_FEW')
  await gather(folder, ...shares.slice(2))
  await home.must(...open, '--to', home.at('restored.git'))
  expect(describeRepository(home.at('restored.git'))).toEqual(describeRepository(fixture.path))
})
