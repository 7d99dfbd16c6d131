// A release by nothing but command lines, with folders as mailboxes: what each party's own client lets it sign, and what it does not.
import { execFileSync } from 'node:child_process'
import { cpSync, existsSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { sha256Hex } from '../../src/crypto/digest.js'
import { openBytes } from '../../src/crypto/holder/open-envelope.js'
import { keyFileNames, parseIdentityFile } from '../../src/format/key-file.js'
import { parseShare } from '../../src/format/share.js'
import { releaseParties, releaseWithin } from '../doubles/release-terms.js'
import { EscrowHome } from '../doubles/escrow-home.js'
import { GitFixture } from '../doubles/git-fixture.js'
import { describeRepository } from '../doubles/test-archive.js'

const release = releaseWithin('coolingOffHours: 0', 'condition: order, kind: shutdown-order, evidence: [order]')
let fixture: GitFixture
let home: EscrowHome
let approvedCase = ''

const outbox = (party: string, name: string): string => home.at('outbox', party, `${name}.json`)
const as = (party: string, name: string): readonly string[] =>
  `--as ${home.party(party)} --agreement ${home.agreement} --out ${outbox(party, name)}`.split(' ')
const record = (...files: readonly string[]): Promise<string> => home.must('release', 'record', ...files)
const publish = async (): Promise<string> => {
  await home.must('release', 'publish', '--to', home.at('mailbox'))
  const name = readdirSync(home.at('mailbox')).find((candidate) => candidate.startsWith('req_'))
  return home.at('mailbox', name ?? 'none')
}
let copies = 0
/** The case as somebody dishonest hands it over. */
function tampered(change: (folder: string) => void): string {
  const folder = home.at('tampered', String((copies += 1)))
  cpSync(approvedCase, folder, { recursive: true })
  change(folder)
  return folder
}

beforeAll(async () => {
  fixture = new GitFixture()
  fixture.addCommits('refs/heads/main', 3)
  home = await EscrowHome.make(['  - source: product', `    url: ${fixture.path}`], { parties: releaseParties, release })
  await home.must('mirror')
  writeFileSync(home.at('order.txt'), 'The court orders the vendor to stop.')
  const matter = ['--issuer', 'Court', '--jurisdiction', 'US', '--reference', 'No. 1', '--document', `order=${home.at('order.txt')}`]
  await home.must('order', ...as('vendor', 'order'), ...matter)
  await record(outbox('vendor', 'order'))
  const folder = await publish()
  for (const party of ['notary', 'university', 'chamber']) {
    await home.must('approve', folder, ...as(party, 'approve'), '--reason', 'The order is final.')
  }
  await record(...['notary', 'university', 'chamber'].map((party) => outbox(party, 'approve')))
  approvedCase = await publish()
}, 300_000)
afterAll(async () => {
  await home.remove()
  fixture.remove()
})

/** What nobody at the service may ever have had: file contents, and shares as they are in the custodians' hands. */
function plaintexts(): readonly Buffer[] {
  const shares = ['notary', 'university', 'chamber'].map((party) => {
    const identity = parseIdentityFile(readFileSync(join(home.party(party), keyFileNames.identity), 'utf8'))
    return parseShare(openBytes(readFileSync(home.share(party)), identity))
  })
  const values = shares.flatMap(({ value }) => [Buffer.from(value), Buffer.from(Buffer.from(value).toString('hex'))])
  const [file = ''] = fixture.git(['ls-tree', '-r', '--name-only', 'refs/heads/main']).trim().split('\n')
  return [...values, Buffer.from(fixture.git(['show', `refs/heads/main:${file}`]).slice(0, 60))]
}

/** Files of the service and its mailbox, database included, in which one of them lies. */
function placesOf(secrets: readonly Buffer[]): readonly string[] {
  return [home.home, home.at('mailbox')].flatMap((folder) =>
    readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name))
      .filter((path) => secrets.some((secret) => readFileSync(path).includes(secret))),
  )
}

test('the search for canaries finds what is there', () => {
  const [secret = Buffer.alloc(0)] = plaintexts().slice(-1)
  writeFileSync(join(home.home, 'canary'), Buffer.concat([Buffer.from('before'), secret]))
  expect(placesOf(plaintexts())).toEqual([join(home.home, 'canary')])
  rmSync(join(home.home, 'canary'))
})

test('an operator who shows another agreement, hides an event or alters a request is found out', async () => {
  const refused = async (folder: string): Promise<string> => (await home.run('show', folder, '--agreement', home.agreement)).err
  const events = readdirSync(join(approvedCase, 'log')).sort()
  const hidden = tampered((folder) => rmSync(join(folder, 'log', events[1] ?? '')))
  expect(await refused(hidden)).toContain('CHAIN_BROKEN')
  const unlogged = tampered((folder) => rmSync(join(folder, 'log'), { recursive: true }))
  expect(await refused(unlogged)).toContain('PROOF_INVALID')
  const altered = tampered((folder) => {
    const path = join(folder, 'request.json')
    writeFileSync(path, readFileSync(path, 'utf8').replace(/"payload":"(.{40})./, '"payload":"$1A'))
  })
  expect((await home.run('show', altered, '--agreement', home.agreement)).exitCode).not.toBe(0)
  const other = tampered((folder) => {
    const path = join(folder, 'log', events[0] ?? '')
    writeFileSync(path, readFileSync(path, 'utf8').replace('"number":1', '"number":2'))
  })
  expect(await refused(other)).toContain('PROOF_INVALID')
})

test('nobody signs what would not count, and nothing of it is written', async () => {
  const order = ['--document', `order=${home.at('order.txt')}`]
  const evidence = ['--grounds', 'It is due.', '--evidence', `order=${home.at('order.txt')}`]
  const lines: readonly (readonly [string, string, readonly string[]])[] = [
    ['SIGNER_REFUSED', 'vendor', ['approve', approvedCase, '--reason', 'Please.']],
    ['SIGNER_REFUSED', 'partner', ['object', '--case', approvedCase, ...evidence]],
    ['SIGNER_REFUSED', 'notary', ['request', '--condition', 'order', '--to', 'partner', ...evidence]],
    ['SIGNER_REFUSED', 'arbiter', ['order', '--issuer', 'Court', '--jurisdiction', 'US', '--reference', 'No. 2', ...order]],
    ['SIGNER_REFUSED', 'notary', ['veto', '--case', approvedCase, '--reason', 'No.']],
    ['SIGNER_REFUSED', 'notary', ['revoke', '--case', approvedCase, '--party', 'partner', '--reason', 'No.']],
    ['ARGUMENT_INVALID', 'partner', ['request', '--condition', 'order', '--to', 'notary', ...evidence]],
    ['NOT_FOUND', 'partner', ['request', '--condition', 'order', '--source', 'elsewhere', ...evidence]],
  ]
  for (const [code, party, line] of lines) {
    const { exitCode, err } = await home.run(...line, ...as(party, 'uncounted'))
    expect([exitCode === 0, err]).toEqual([false, expect.stringContaining(`[${code}]`)])
    expect(
      existsSync(home.at('outbox', party)) ? readdirSync(home.at('outbox', party)).filter((name) => name.startsWith('uncounted')) : [],
    ).toEqual([])
  }
})

test('a key that the agreement does not pin signs nothing, whatever name its folder has', async () => {
  await home.must('keygen', home.at('stranger'), '--party', 'notary', '--role', 'custodian', '--country', 'CH')
  const approving = ['--agreement', home.agreement, '--out', home.at('stranger.json'), '--reason', 'Please.']
  const { exitCode, err } = await home.run('approve', approvedCase, '--as', home.at('stranger'), ...approving)
  expect([exitCode, err]).toEqual([
    6,
    expect.stringMatching(/a key that the agreement pins for notary .* nothing was signed \[SIGNER_REFUSED\]/),
  ])
  expect(existsSync(home.at('stranger.json'))).toBe(false)
})

test('a vote that the log does not show is no vote, and no share is sealed without the quorum', async () => {
  const lost = tampered((folder) => {
    const [vote] = readdirSync(join(folder, 'statements'))
    rmSync(join(folder, 'statements', vote ?? ''))
  })
  const sealing = ['--share', home.share('notary')]
  const ran = await home.run('release-share', lost, ...as('notary', 'early'), ...sealing)
  expect([ran.exitCode, ran.err]).toEqual([6, expect.stringContaining('REQUEST_STATE')])
  const early = tampered((folder) => {
    for (const name of readdirSync(join(folder, 'log')).sort().slice(-1)) rmSync(join(folder, 'log', name))
  })
  expect((await home.run('release-share', early, ...as('notary', 'early'), ...sealing)).exitCode).toBe(6)
})

test('the evidence comes with the case, and is what was signed for', async () => {
  const digest = sha256Hex(readFileSync(home.at('order.txt')))
  expect(readFileSync(join(approvedCase, 'evidence', digest))).toEqual(readFileSync(home.at('order.txt')))
  expect(await home.must('show', approvedCase, '--agreement', home.agreement)).toContain('as signed for')
  const approving = (folder: string, ...more: readonly string[]) =>
    home.run('approve', folder, ...as('auditor', 'late'), '--reason', 'So be it.', ...more)
  const forged = tampered((folder) => writeFileSync(join(folder, 'evidence', digest), 'The court orders nothing of the sort.'))
  expect((await approving(forged)).err).toContain('DIGEST_MISMATCH')
  expect((await home.run('show', forged, '--agreement', home.agreement)).exitCode).toBe(3)
  const without = tampered((folder) => rmSync(join(folder, 'evidence'), { recursive: true }))
  expect(await home.must('show', without, '--agreement', home.agreement)).toContain(`NOT HERE, sha256 ${digest}`)
  const refused = await approving(without)
  expect([refused.exitCode, refused.err]).toEqual([6, expect.stringContaining('EVIDENCE_MISSING')])
  expect((await approving(without, '--unseen-evidence')).exitCode).toBe(0)
})

test('evidence that no recorded statement names is not kept', async () => {
  const beside = `${outbox('vendor', 'order')}.evidence`
  const digest = sha256Hex(readFileSync(home.at('order.txt')))
  writeFileSync(join(beside, digest), 'Something else under the same name.')
  expect((await home.run('release', 'record', outbox('vendor', 'order'))).err).toContain('DIGEST_MISMATCH')
  writeFileSync(join(beside, digest), readFileSync(home.at('order.txt')))
})

test('an operator who hides an objection is found out by everybody to whom the depositor sent it', async () => {
  await home.must('object', ...as('vendor', 'object'), '--case', approvedCase, '--grounds', 'We still operate.')
  const heard = ['--heard', outbox('vendor', 'object')]
  const shown = await home.run('show', approvedCase, '--agreement', home.agreement, ...heard)
  expect([shown.exitCode, shown.out]).toEqual([3, expect.stringMatching(/HIDDEN FROM LOG +contrary-instruction by vendor/)])
  const voting = await home.run('approve', approvedCase, ...as('auditor', 'late'), '--reason', 'So be it.', ...heard)
  expect([voting.exitCode, voting.err]).toEqual([6, expect.stringContaining('STATEMENT_HIDDEN')])
  const sealing = await home.run('release-share', approvedCase, ...as('notary', 'early'), '--share', home.share('notary'), ...heard)
  expect([sealing.exitCode, sealing.err]).toEqual([6, expect.stringContaining('STATEMENT_HIDDEN')])
  const forged = readFileSync(outbox('vendor', 'object'), 'utf8').replace(/"sig":"..../, '"sig":"AAAA')
  writeFileSync(home.at('forged.json'), forged)
  expect((await home.run('show', approvedCase, '--agreement', home.agreement, '--heard', home.at('forged.json'))).err).toContain(
    'SIGNATURE_INVALID',
  )
  const vote = join(approvedCase, 'statements', readdirSync(join(approvedCase, 'statements'))[0] ?? '')
  expect((await home.run('show', approvedCase, '--agreement', home.agreement, '--heard', vote)).exitCode).toBe(0)
})

test('the inbox names what must not be signed', async () => {
  const bad = tampered((folder) => rmSync(join(folder, 'log'), { recursive: true }))
  const ran = await home.run('inbox', join(bad, '..'), '--agreement', home.agreement)
  expect([ran.exitCode, ran.out]).toEqual([3, expect.stringContaining('DO NOT SIGN')])
  expect((await home.run('inbox', home.at('mailbox'), '--agreement', home.agreement)).exitCode).toBe(0)
})

test('three sealed shares open the granted deposit in one command, and the next deposit is sealed to the reserve', async () => {
  for (const party of ['notary', 'university', 'chamber']) {
    await home.must('release-share', approvedCase, ...as(party, 'share'), '--share', home.share(party))
  }
  await record(...['notary', 'university', 'chamber'].map((party) => outbox(party, 'share')))
  const folder = await publish()
  const request = folder.split('/').at(-1) ?? ''
  const fetching = ['release', 'hand-over', request, '--to', 'partner', '--into', home.at('handed')]
  const { written } = await home.json<{ written: number }>(...fetching)
  expect(await home.json(...fetching)).toMatchObject({ written: 0, held: written })
  expect((await home.run('release', 'hand-over', request, '--to', 'vendor', '--into', home.at('stolen'))).err).toContain('GRANT_REFUSED')
  const opening = ['open', '--as', home.party('partner'), '--agreement', home.agreement, '--from', home.at('handed'), '--case', folder]
  const wrong = await home.run(...opening, '--request', 'req_aaaaaaaaaaaaaaaaaaaa', '--to', home.at('never.git'))
  expect(wrong.err).toContain('NOT_FOUND')
  const elsewhere = [
    'open',
    '--as',
    home.party('partner'),
    '--agreement',
    home.agreement,
    '--mailbox',
    home.at('mailbox'),
    '--request',
    request,
  ]
  const nothing = await home.run(...elsewhere, '--to', home.at('never.git'))
  expect([nothing.exitCode, nothing.err]).toEqual([
    2,
    expect.stringContaining(`${join(folder, 'archive')}: there is no such file or folder`),
  ])
  const nobody = await home.run('release', 'hand-over', request, '--to', 'nobody', '--into', home.at('stolen'))
  expect(nobody.err).toContain('or nobody is no party of its agreement [NOT_FOUND]')
  const beyond = await home.run(...opening, '--sequence', '2', '--to', home.at('never.git'))
  expect([beyond.exitCode, beyond.err]).toEqual([6, expect.stringContaining('GRANT_REFUSED')])
  await home.must(...opening, '--to', home.at('restored.git'))
  // What the beneficiary got is what was deposited, for whoever has the signed manifest and not the vault's key.
  const [, script = ''] = /\n```\n(\{\n {2}echo "escrow-refs[^`]*)```/.exec(readFileSync('docs/RECOVERY.md', 'utf8')) ?? []
  symlinkSync(home.at('restored.git'), home.at('repository.git'))
  const refsDigest = execFileSync('bash', ['-c', script], { cwd: home.folder, encoding: 'utf8' }).slice(0, 64)
  const manifest =
    readdirSync(home.at('handed'), { recursive: true })
      .map(String)
      .find((name) => name.endsWith('manifest.json')) ?? ''
  const { payload } = JSON.parse(readFileSync(home.at('handed', manifest), 'utf8')) as { readonly payload: string }
  expect(JSON.parse(Buffer.from(payload, 'base64').toString())).toMatchObject({ refsDigest })
  await home.must('release', 'hand-over', request, '--to', 'partner', '--into', join(folder, 'archive'))
  const keys = ['--as', home.party('partner'), '--agreement', home.agreement]
  await home.must('open', '--request', request, '--mailbox', home.at('mailbox'), ...keys, '--to', home.at('again.git'))
  expect(describeRepository(home.at('again.git'))).toEqual(describeRepository(fixture.path))
  expect(describeRepository(home.at('restored.git'))).toEqual(describeRepository(fixture.path))
  const { sources } = await home.json<{ sources: readonly { manifest: { kind: string; envelope: { epoch: number } } }[] }>('mirror')
  expect(sources[0]?.manifest).toMatchObject({ kind: 'full', envelope: { epoch: 2 } })
  expect(placesOf(plaintexts())).toEqual([])
  await home.must('confirm-return', ...as('partner', 'gone'), '--case', folder, '--outcome', 'destroyed', '--account', 'Shredded.')
  await home.must('revoke', ...as('ministry', 'revoke'), '--case', folder, '--party', 'partner', '--reason', 'The licence was broken.')
  await record(outbox('partner', 'gone'), outbox('ministry', 'revoke'))
  expect((await home.run(...fetching)).err).toContain('GRANT_REVOKED')
  expect(await home.must('release', 'show', request)).toMatch(/revoked, copies gone/)
  const again = await home.json<{ sources: readonly { outcome: string }[] }>('mirror')
  expect(again.sources[0]?.outcome).toBe('unchanged')
})
