import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { openArchive } from '../../src/cli/open-archive.js'
import { SystemEntropy } from '../../src/core/environment.js'
import { sha256Hex } from '../../src/crypto/digest.js'
import { RecordMissed } from '../../src/escrow/source/record-missed.js'
import { EvidenceIndex, formatSums } from '../../src/format/evidence.js'
import { parseNoteKey } from '../../src/format/note.js'
import { readUnverified, signDocument } from '../../src/format/signed-document.js'
import { FsArchiveTarget } from '../../src/store/fs-archive-target.js'
import { CollectEvidence } from '../../src/verify/collect-evidence.js'
import { EvidenceFolder } from '../../src/verify/evidence-folder.js'
import { SealEvidence } from '../../src/verify/seal-evidence.js'
import { escrow } from '../doubles/escrow-command.js'
import { GitFixture } from '../doubles/git-fixture.js'
import { honestWitness, type TestWitness } from '../doubles/log-witness.js'
import { ManualClock } from '../doubles/manual-clock.js'
import { ServiceFixture, type AgreedUpon } from '../doubles/service-fixture.js'
import { dayMs, hourMs } from '../doubles/moments.js'
import { deleteFile, flipBit } from './service-life.js'

let service: ServiceFixture
let repository: GitFixture
let agreed: AgreedUpon
let witness: TestWitness
let collected: string
let copy: string
let agreement: string

// Three deposits of one source, two days without any, a copy that was damaged and repaired, another source that nobody ever mirrored: and
// then all of it proven.
beforeAll(async () => {
  repository = new GitFixture()
  repository.addCommits('refs/heads/main', 2)
  service = await ServiceFixture.open({
    witness: async (logKey) => {
      const key = parseNoteKey(logKey)
      witness = await honestWitness(5, [{ origin: key.name, key }], new ManualClock(new Date('2025-01-06T10:00:00.000Z')))
      return witness.address
    },
  })
  service.clock.time = new Date('2025-01-06T10:00:00.000Z')
  const url = repository.path
  agreed = await service.agree([
    { source: 'product', url },
    { source: 'tools', url },
  ])
  for (const days of [0, 1, 3]) {
    service.clock.advance(days * dayMs + hourMs)
    await service.get(RecordMissed).run()
    repository.addCommits('refs/heads/main', 1, { label: `day ${days}` })
    await service.mirror(agreed, 'product')
    await service.publish()
  }
  ;[collected, copy, agreement] = [join(service.home, 'evidence'), join(service.home, 'copy'), join(service.home, 'agreement.json')]
  writeFileSync(agreement, agreed.signed.bytes)
  await collect()
})
afterAll(async () => {
  await service.close()
  await witness.close()
  repository.remove()
})

async function collect(): Promise<void> {
  const { signal } = new AbortController()
  await service.get(RecordMissed).run(signal)
  await service.publish()
  const folder = new EvidenceFolder(new FsArchiveTarget(collected, new SystemEntropy()))
  const order = { agreementId: agreed.id, collectedAt: service.clock.now(), folder }
  await service.get(CollectEvidence).run(order, signal)
  const { problems } = await service.get(SealEvidence).run({ ...order, reader: openArchive(collected) }, signal)
  expect(problems).toEqual([])
}

/** Each test has a copy to spoil. */
beforeEach(() => cpSync(collected, copy, { recursive: true }))
afterEach(() => rmSync(copy, { recursive: true, force: true }))

const verify = (...more: readonly string[]) => escrow(['--json', 'verify', copy, '--agreement', agreement, ...more])
const names = () =>
  readdirSync(copy, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(copy, join(entry.parentPath, entry.name)))
    .sort()
const named = (pattern: RegExp) => names().filter((name) => pattern.test(name))
const at = (name: string) => join(copy, name)
const one = (pattern: RegExp) => at(named(pattern).at(-1)!)

interface Verified {
  readonly problems: readonly { readonly code: string; readonly where: string }[]
  readonly notes: readonly string[]
  readonly accounts: readonly {
    readonly source: string
    readonly tagChecked: boolean
    readonly periods: readonly { readonly outcome: string }[]
  }[]
}

/** Codes of what does not hold; of the refusal when nothing could be looked at. */
async function problemsOf(): Promise<readonly string[]> {
  const ran = await verify()
  expect(ran.exitCode).not.toBe(0)
  if (ran.exitCode === 3 && ran.out !== '') return (JSON.parse(ran.out) as Verified).problems.map(({ code }) => code)
  return [(JSON.parse(ran.err) as { error: { code: string } }).error.code]
}

/** What a dishonest agent can always do: list the files as they are now, and sign the list. */
function signAnew(change: (index: EvidenceIndex) => EvidenceIndex = (index) => index): void {
  const digests = new Map<string, string>()
  for (const name of names()) if (name !== 'SHA256SUMS' && name !== 'evidence.json') digests.set(name, sha256Hex(readFileSync(at(name))))
  const sums = Buffer.from(formatSums(digests))
  writeFileSync(at('SHA256SUMS'), sums)
  const index = readUnverified(readFileSync(join(collected, 'evidence.json')), EvidenceIndex, 'index')
  const body = change({ ...index, sums: sha256Hex(sums), files: digests.size })
  writeFileSync(at('evidence.json'), signDocument({ body, schema: EvidenceIndex, key: service.party('agent').signingKey }))
}

test('a folder of evidence verifies as a whole, and its accounts show what was missed', async () => {
  const annex = ['--annex', one(/annex\.age$/), '--as', join(service.home, 'parties', 'partner')]
  const ran = await verify(...annex)
  expect(ran).toMatchObject({ exitCode: 0 })
  const { problems, accounts, notes } = JSON.parse(ran.out) as Verified
  expect([...problems, ...notes]).toEqual([])
  expect(accounts[0]?.tagChecked).toBe(true)
  const outcomes = accounts.map(({ source, periods }) => [source, periods.map(({ outcome }) => outcome).join(' ')])
  expect(outcomes).toEqual([
    ['product', 'deposit deposit missed missed deposit'],
    ['tools', 'missed missed missed missed open'],
  ])
  expect(named(/^events\//)).toHaveLength(named(/^proofs\//).length)
  expect(named(/receipt\.json$/)).toHaveLength(3)
})

test('a folder that the agent signs anew as it is still verifies', async () => {
  signAnew()
  expect(await verify()).toMatchObject({ exitCode: 0 })
})

const kinds: readonly [what: string, RegExp, altered: RegExp, missing: RegExp][] = [
  ['the agreement', /agreement-1\.json$/, /SIGNATURE_INVALID|FORMAT_INVALID|AGREEMENT_DIGEST/, /OBJECT_MISSING/],
  ['an acceptance', /vault-1\//, /SIGNATURE_INVALID|FORMAT_INVALID/, /VAULT_NOT_ARMED/],
  ['a manifest', /manifest\.json$/, /SIGNATURE_INVALID|FORMAT_INVALID/, /OBJECT_MISSING/],
  ['a receipt', /receipt\.json$/, /SIGNATURE_INVALID|FORMAT_INVALID/, /OBJECT_MISSING/],
  ['an event', /^events\//, /PROOF_INVALID|FORMAT_INVALID/, /CHAIN_BROKEN/],
  ['a proof', /^proofs\//, /PROOF_INVALID|FORMAT_INVALID/, /OBJECT_MISSING/],
  ['an account', /^attestations\//, /SIGNATURE_INVALID|FORMAT_INVALID/, /OBJECT_MISSING/],
  ['the checkpoint', /^checkpoint$/, /CHECKPOINT_INVALID/, /OBJECT_MISSING/],
  ['the leaves', /^log\.leaves$/, /PROOF_INVALID/, /OBJECT_MISSING/],
  ['the keys', /^keys\.json$/, /DIGEST_MISMATCH/, /OBJECT_MISSING/],
  ['the report', /^report\.html$/, /DIGEST_MISMATCH/, /OBJECT_MISSING/],
]

test.for(kinds)('%s that was altered is found although the agent has signed the list anew', async ([, pattern, altered]) => {
  flipBit(one(pattern))
  signAnew()
  expect((await problemsOf()).join(' ')).toMatch(altered)
})

test.for(kinds)('%s that is missing is missed although the agent has signed the list anew', async ([, pattern, , missing]) => {
  deleteFile(one(pattern))
  signAnew()
  expect((await problemsOf()).join(' ')).toMatch(missing)
})

test('the newest event of a chain that is left out is missed, although what is left of it holds by itself', async () => {
  const chain = named(/^events\//).flatMap((name) => {
    const { event } = JSON.parse(readFileSync(at(name), 'utf8')) as { event: { subject: string; chain: { number: number } } }
    return event.subject === 'tools' ? [{ name, number: event.chain.number }] : []
  })
  const [newest] = chain.toSorted((left, right) => right.number - left.number)
  const [, hash = 'none'] = /([0-9a-f]{64})/.exec(newest?.name ?? '') ?? []
  for (const name of named(new RegExp(`^(?:events|proofs)/${hash}`))) deleteFile(at(name))
  signAnew()
  expect(await problemsOf()).toContain('CHAIN_BROKEN')
})

test.for(['README.txt', 'verify.html', 'SHA256SUMS', 'evidence.json', 'log.leaves', 'keys.json'])(
  '%s that was altered on the way is found',
  async (name) => {
    flipBit(at(name))
    expect((await problemsOf()).join(' ')).toMatch(/DIGEST_MISMATCH|FORMAT_INVALID|SIGNATURE_INVALID|PROOF_INVALID/)
  },
)

test('a list of leaves that ends within a leaf, or goes on, is that of no checkpoint', async () => {
  for (const change of [(bytes: Buffer) => bytes.subarray(0, -1), (bytes: Buffer) => Buffer.concat([bytes, Buffer.alloc(64)])]) {
    const before = readFileSync(at('log.leaves'))
    writeFileSync(at('log.leaves'), change(before))
    signAnew()
    expect(await verify()).toMatchObject({ exitCode: 3, err: expect.stringContaining('PROOF_INVALID') as string })
    writeFileSync(at('log.leaves'), before)
  }
})

test.for(['README.txt', 'verify.html', 'SHA256SUMS', 'evidence.json'])('%s that is missing is missed', async (name) => {
  deleteFile(at(name))
  expect(await problemsOf()).toContain('OBJECT_MISSING')
})

test('a page that is another verifier is named, whoever signed for it', async () => {
  writeFileSync(at('verify.html'), '<h1>The receipt holds.</h1>')
  signAnew()
  const ran = await verify()
  expect((JSON.parse(ran.out) as Verified).notes.join()).toContain('verify.html')
})

test.for<[string, (path: string) => void]>([
  ['a document', (path) => writeFileSync(path, '{}')],
  ['a hidden file', (path) => writeFileSync(join(dirname(path), '.hidden'), 'x')],
  ['a link', (path) => symlinkSync('/etc/hostname', path)],
  ['a file with a name of its own', (path) => writeFileSync(`${path} with spaces\u202e`, 'x')],
])('%s that was added is named', async ([, add]) => {
  mkdirSync(at('agreements/extra'), { recursive: true })
  add(at('agreements/extra/note.json'))
  expect(await problemsOf()).toContain('FILE_UNEXPECTED')
})

test.for<[string, (index: EvidenceIndex) => EvidenceIndex, string]>([
  ['of another agreement', (index) => ({ ...index, agreement: 'a'.repeat(64) }), 'AGREEMENT_DIGEST'],
  ['for another checkpoint', (index) => ({ ...index, log: { ...index.log, size: index.log.size - 1 } }), 'PROOF_INVALID'],
  ['for another tree of the same size', (index) => ({ ...index, log: { ...index.log, root: `${'A'.repeat(43)}=` } }), 'PROOF_INVALID'],
  ['of another log', (index) => ({ ...index, log: { ...index.log, origin: `${index.log.origin}/2` } }), 'PROOF_INVALID'],
  ['that counts other files', (index) => ({ ...index, files: index.files + 1 }), 'FORMAT_INVALID'],
  ['from the future', (index) => ({ ...index, collectedAt: '2098-01-01T00:00:00.000Z' }), 'STATEMENT_INVALID'],
  [
    'that claims to have been collected before its accounts end',
    (index) => ({ ...index, collectedAt: '2020-01-01T00:00:00.000Z' }),
    'DIGEST_MISMATCH',
  ],
])('a list %s is refused', async ([, change, code]) => {
  signAnew(change)
  expect(await problemsOf()).toContain(code)
})

test('evidence of another agreement than the pinned one is refused', async () => {
  signAnew((index) => ({ ...index, agreementId: EvidenceIndex.shape.agreementId.parse(`agr_${'a'.repeat(20)}`) }))
  expect(await problemsOf()).toEqual(['AGREEMENT_DIGEST'])
})

test('the log must have grown from what a party has seen before', async () => {
  const receipt = one(/receipt\.json$/)
  expect(await verify('--seen', receipt)).toMatchObject({ exitCode: 0 })
})

test('the report loads nothing, runs nothing, says what was missed, and is made again from what was verified', async () => {
  const report = readFileSync(at('report.html'), 'utf8')
  expect(report).toContain(`default-src 'none'`)
  expect(report).not.toMatch(/<script|<link|<img|https?:|url\(|@import|javascript:/i)
  expect(report).toContain('The evidence holds.')
  expect(report).toContain('Due times that were not met')
  expect((await verify('--report', `${copy}-again.html`)).exitCode).toBe(0)
  expect(readFileSync(`${copy}-again.html`, 'utf8')).toBe(report)
  deleteFile(one(/receipt\.json$/))
  expect((await verify('--report', `${copy}-spoiled.html`)).exitCode).toBe(3)
  const spoiled = readFileSync(`${copy}-spoiled.html`, 'utf8')
  expect(spoiled).toContain('What does not hold')
  expect(spoiled).not.toContain('The evidence holds.')
})

test('the list is one that sha256sum reads', () => {
  const line = readFileSync(at('SHA256SUMS'), 'utf8').split('\n')[0]!
  const [digest, name] = line.split('  ')
  expect(sha256Hex(readFileSync(at(name!)))).toBe(digest)
})

test('only a folder of evidence has a report', async () => {
  const ran = await escrow(['verify', service.replica('a'), '--report', `${copy}-none.html`])
  expect(ran).toMatchObject({ exitCode: 2, err: expect.stringContaining('ARGUMENT_INVALID') as string })
})

test('evidence that was collected twice says the same of the past', async () => {
  rmSync(collected, { recursive: true })
  await collect()
  cpSync(collected, `${copy}-later`, { recursive: true })
  expect(await escrow(['--json', 'verify', `${copy}-later`, '--agreement', agreement, '--seen', one(/receipt\.json$/)])).toMatchObject({
    exitCode: 0,
  })
  expect(readFileSync(join(`${copy}-later`, 'log.leaves'))).toEqual(readFileSync(at('log.leaves')))
})
