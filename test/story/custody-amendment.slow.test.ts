// An agreement gets another version by nothing but command lines: a custodian is replaced in the middle of a request, shares are dealt anew,
// and whoever has not signed keeps what it has pinned.
import { cpSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openAgreement } from '../../src/format/signed-agreement.js'
import { EscrowHome } from '../doubles/escrow-home.js'
import { GitFixture } from '../doubles/git-fixture.js'
import { releaseParties, releaseWithin } from '../doubles/release-terms.js'
import { describeRepository } from '../doubles/test-archive.js'

const release = releaseWithin('coolingOffHours: 0', 'condition: order, kind: shutdown-order, evidence: [order]')
const seats = ['notary', 'university', 'chamber', 'auditor', 'archive'] as const
let fixture: GitFixture
let home: EscrowHome

const out = (party: string, name: string): string => home.at('outbox', party, `${name}.json`)
const signing = (party: string, name: string, agreement = home.agreement): readonly string[] => [
  '--as',
  home.party(party),
  '--agreement',
  agreement,
  '--out',
  out(party, name),
]
const mailbox = async (): Promise<string> => {
  await home.must('release', 'publish', '--to', home.at('mailbox'))
  return home.at('mailbox', readdirSync(home.at('mailbox')).find((name) => name.startsWith('req_')) ?? 'none')
}
const nextOf = (name: string): string => home.at(name, 'agreement.json')
const amend = (name: string, ...files: readonly string[]) =>
  home.run('agreement', 'amend', nextOf(name), ...files, '--annex', home.at(name, 'annex.age'))
const agree = async (name: string, parties: readonly string[], agreement = home.agreement): Promise<readonly string[]> => {
  for (const party of parties) {
    await home.must('agreement', 'agree', nextOf(name), ...signing(party, `agree-${name}`, agreement), '--reason', 'Agreed.')
  }
  return parties.map((party) => out(party, `agree-${name}`))
}
const epochsNow = async () => {
  const { agreements } = await home.json<{ agreements: readonly { epochs: unknown; agreement: { version: number } }[] }>(
    'agreement',
    'show',
  )
  return [agreements[0]?.agreement.version, agreements[0]?.epochs]
}

beforeAll(async () => {
  fixture = new GitFixture()
  fixture.addCommits('refs/heads/main', 3)
  const wish = { parties: releaseParties, release, database: 'folder' } as const
  home = await EscrowHome.make(['  - source: product', `    url: ${fixture.path}`], wish)
  await home.must('mirror')
  writeFileSync(home.at('order.txt'), 'The court orders the vendor to stop.')
  const matter = ['--issuer', 'Court', '--jurisdiction', 'US', '--reference', 'No. 1', '--document', `order=${home.at('order.txt')}`]
  await home.must('order', ...signing('vendor', 'order'), ...matter)
  await home.must('release', 'record', out('vendor', 'order'))
}, 300_000)
afterAll(async () => {
  await home.remove()
  fixture.remove()
})

test('a custodian is replaced in the middle of a request', async () => {
  // The archive takes the place of the foundation; nobody deals shares but the depositor.
  await home.must('keygen', home.party('archive'), '--party', 'archive', '--role', 'custodian', '--country', 'AT')
  const cards = seats.flatMap((party) => ['--custodian', home.party(party)])
  await home.must('vault', 'deal', home.at('vault-3'), '--threshold', '3', '--epoch', '3', ...cards)
  const reading = ['--as', home.party('vendor'), '--agreement', home.agreement, '--annex', home.at('agreement', 'annex.age')]
  const change = ['--vault', home.at('vault-3', 'vault.json'), '--party', home.party('archive'), '--without', 'foundation']
  await home.must('agreement', 'revise', ...reading, ...change, '--out', home.at('two'))
  for (const party of ['vendor', 'partner']) await home.must('agreement', 'sign', nextOf('two'), '--as', home.party(party))

  // Two custodians are not the quorum that the amendment changes, however often they say it.
  const few = await agree('two', ['vendor', 'partner', 'notary', 'university'])
  expect(await amend('two', ...few, ...few)).toMatchObject({ exitCode: 3, out: expect.stringContaining('custodians to agree') as unknown })
  const enough = [...few, ...(await agree('two', ['chamber']))]
  expect(await amend('two', ...enough)).toMatchObject({
    exitCode: 3,
    out: expect.stringContaining('archive to accept its share') as unknown,
  })
  expect(await epochsNow()).toEqual([1, [1, 2].map((epoch, at) => ({ epoch, state: at === 0 ? 'armed' : 'reserve' }))])

  for (const party of seats) {
    const shares = [3, 4].flatMap((epoch) => ['--share', home.at('vault-3', 'shares', `${party}-epoch-${epoch}.age`)])
    const accept = ['vault', 'accept', '--as', home.party(party), '--agreement', nextOf('two'), ...shares]
    await home.must(...accept, '--out', home.at('acceptances-3', party))
  }
  const accepted = (parties: readonly string[]) =>
    parties.flatMap((party) => readdirSync(home.at('acceptances-3', party)).map((name) => home.at('acceptances-3', party, name)))
  expect(await amend('two', ...enough, ...accepted(seats.slice(0, 4)))).toMatchObject({ exitCode: 3 })
  for (let times = 0; times < 2; times += 1) expect(await amend('two', ...enough, ...accepted(seats))).toMatchObject({ exitCode: 0 })
  const settled = [2, [1, 2, 3, 4].map((epoch) => ({ epoch, state: { 3: 'armed', 4: 'reserve' }[epoch] ?? 'burned' }))]
  expect(await epochsNow()).toEqual(settled)
  const { sources } = await home.json<{ sources: readonly { manifest: { kind: string; envelope: { epoch: number } } }[] }>('mirror')
  expect(sources[0]?.manifest).toMatchObject({ kind: 'full', envelope: { epoch: 3 } })

  // The request stays with the version it was submitted under: who left has its vote, who came has none.
  const folder = await mailbox()
  expect(openAgreement(readFileSync(`${folder}/agreement.json`)).body.version).toBe(1)
  const newcomer = await home.run('approve', folder, ...signing('archive', 'approve'), '--reason', 'Yes.')
  expect(newcomer.err).toContain('AGREEMENT_DIGEST')
  for (const party of ['notary', 'university', 'foundation'])
    await home.must('approve', folder, ...signing(party, 'approve'), '--reason', 'Final.')
  await home.must('release', 'record', ...['notary', 'university', 'foundation'].map((party) => out(party, 'approve')))
  const approved = await mailbox()
  for (const party of ['notary', 'university', 'foundation']) {
    await home.must('release-share', approved, ...signing(party, 'share'), '--share', home.share(party))
  }
  await home.must('release', 'record', ...['notary', 'university', 'foundation'].map((party) => out(party, 'share')))
  // The old epoch opens with the old shares; the vault that deposits are sealed to now is none the worse for it.
  const released = await mailbox()
  const opening = ['open', '--as', home.party('partner'), '--agreement', home.agreement, '--from', home.replica, '--case', released]
  await home.must(...opening, '--to', home.at('restored.git'))
  expect(describeRepository(home.at('restored.git'))).toEqual(describeRepository(fixture.path))
  expect(await epochsNow()).toEqual(settled)

  // Whoever has not signed a version keeps what it has pinned, whatever the operator hands over.
  cpSync(nextOf('two'), home.at('two', 'in-force.json'))
  const inForce = home.at('two', 'in-force.json')
  writeFileSync(home.at('title.yaml'), 'title: Continuity under another name\n')
  const titled = [
    '--as',
    home.party('vendor'),
    '--agreement',
    inForce,
    '--annex',
    home.at('two', 'annex.age'),
    '--draft',
    home.at('title.yaml'),
  ]
  await home.must('agreement', 'revise', ...titled, '--out', home.at('three'))
  for (const party of ['vendor', 'partner']) await home.must('agreement', 'sign', nextOf('three'), '--as', home.party(party))
  // What was signed for one version says nothing of the next.
  expect(await amend('three', ...enough)).toMatchObject({ exitCode: 3, out: expect.stringContaining('depositor to agree') as unknown })
  expect(await amend('three', ...(await agree('three', ['vendor', 'partner'], inForce)))).toMatchObject({ exitCode: 0 })
  const pushed = await home.run(
    'hold',
    ...signing('auditor', 'hold', nextOf('three')),
    '--until',
    '2099-01-01T00:00:00.000Z',
    '--reference',
    'X',
    '--reason',
    'Y',
  )
  expect([pushed.exitCode, pushed.err]).toEqual([6, expect.stringContaining('you have signed for')])
  // A version that was left behind cannot be brought again.
  expect(await amend('two', ...enough, ...accepted(seats))).toMatchObject({
    exitCode: 6,
    err: expect.stringContaining('AGREEMENT_INVALID') as unknown,
  })

  const before = await epochsNow()
  await home.must('rebuild', '--replace')
  expect(await epochsNow()).toEqual(before)
  expect((await home.json<{ sources: readonly { outcome: string }[] }>('mirror')).sources[0]?.outcome).toBe('unchanged')
}, 300_000)
