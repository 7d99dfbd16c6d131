// The operator's and the parties' command line for what goes on beside requests: orders against the operator, drills, alarms, holds, keys.
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openAgreement } from '../../src/format/signed-agreement.js'
import { GitFixture } from '../doubles/git-fixture.js'
import { EscrowHome } from '../doubles/escrow-home.js'
import { releaseLines, releaseParties } from '../doubles/release-terms.js'

let fixture: GitFixture
let home: EscrowHome
let agreement: string
beforeAll(async () => {
  fixture = new GitFixture()
  fixture.addCommits('refs/heads/main', 1)
  const sources = ['  - source: product', `    url: ${fixture.path}`]
  home = await EscrowHome.make(sources, { parties: releaseParties, release: releaseLines })
  agreement = openAgreement(readFileSync(home.agreement)).body.agreement
  for (const name of ['order', 'proof', 'new-card']) writeFileSync(home.at(name), `${name}\n`)
}, 120_000)
afterAll(async () => {
  await home.remove()
  fixture.remove()
})

const signedBy = (party: string, out: string) => ['--as', home.party(party), '--agreement', home.agreement, '--out', home.at(out)]

test('an order against the operator is registered, contested, checked and answered, and can be answered no sooner', async () => {
  const matter = [
    '--kind',
    'disclosure',
    '--issuer',
    'Court',
    '--jurisdiction',
    'CH',
    '--reference',
    'L 1',
    '--document',
    `order=${home.at('order')}`,
  ]
  const registered = await home.must('legal', 'register', '--agreement', agreement, ...matter)
  const [order = ''] = /[0-9a-f]{64}/.exec(registered) ?? []
  const step = (name: string, ...more: readonly string[]) => home.run('legal', name, order, '--proof', home.at('proof'), ...more)
  expect((await step('contest', '--until', '2040-01-01T00:00:00.000Z')).exitCode).toBe(0)
  const early = await step('answer', '--outcome', 'nothing-held')
  expect([early.exitCode, early.err]).toEqual([6, expect.stringContaining('[ORDER_STATE]')])
  for (const check of ['authenticity', 'jurisdiction', 'counsel', 'scope', 'notice', 'contest']) {
    expect((await step('check', '--check', check)).exitCode).toBe(0)
  }
  expect((await step('answer', '--outcome', 'nothing-held')).exitCode).toBe(0)
  const shown = await home.run('legal', 'show')
  expect([shown.exitCode, shown.out]).toEqual([0, expect.stringMatching(/answered, nothing-held[\s\S]*open +nothing/)])
  const gag = await home.must('legal', 'register', '--agreement', agreement, ...matter, '--gag')
  const [gagged = ''] = /[0-9a-f]{64}/.exec(gag) ?? []
  expect(await home.must('legal', 'show')).toContain('FORBIDDEN without an end')
  expect((await home.run('legal', 'allow-notice', gagged, '--proof', home.at('proof'))).exitCode).toBe(0)
  const stray = await home.run('legal', 'allow-notice', 'ab'.repeat(32), '--proof', home.at('proof'))
  expect([stray.exitCode, stray.err]).toEqual([2, expect.stringContaining('[NOT_FOUND]')])
})

test('a drill is summoned, answered and reported, and what is overdue is an alarm', async () => {
  expect(await home.run('vault', 'alarms')).toMatchObject({ exitCode: 0, out: expect.stringContaining('nothing is wrong') })
  const healthy = await home.run('vault', 'health', '--agreement', home.agreement)
  expect([healthy.exitCode, healthy.out]).toEqual([0, expect.stringContaining('alarms  none')])
  const summons = home.at('summons.json')
  const { drill } = await home.json<{ drill: string }>(
    'drill',
    'start',
    '--agreement',
    agreement,
    '--condition',
    'insolvent',
    '--out',
    summons,
  )
  await home.must('drill', 'vote', summons, ...signedBy('notary', 'drill-vote.json'), '--reason', 'Drill.')
  await home.must('release', 'record', home.at('drill-vote.json'))
  const open = await home.run('--json', 'drill', 'report', drill)
  expect([open.exitCode, JSON.parse(open.out)]).toEqual([3, expect.objectContaining({ drill, kind: 'approval', outcome: null })])
  expect(await home.run('drill', 'report', 'ab'.repeat(32))).toMatchObject({ exitCode: 2, err: expect.stringContaining('[NOT_FOUND]') })
  for (const [place, party] of ['university', 'chamber'].entries()) {
    const statement = ['--cause', 'share-lost', '--reason', 'Fire.']
    await home.must('unavailable', ...signedBy(party, `lost-${place}.json`), ...statement)
    await home.must('release', 'record', home.at(`lost-${place}.json`))
  }
  await home.must('unavailable', ...signedBy('notary', 'lost-2.json'), '--cause', 'share-lost', '--reason', 'Fire.')
  await home.run('release', 'record', home.at('lost-2.json'))
  const alarmed = await home.run('vault', 'alarms')
  expect([alarmed.exitCode, alarmed.out]).toEqual([3, expect.stringContaining(`ALARM ${agreement}  quorum-impossible insolvent`)])
  // Whoever looks at the health of a vault sees the same.
  expect(await home.run('vault', 'health', '--agreement', home.agreement)).toMatchObject({ exitCode: 3, out: alarmed.out })
})

test('a hold and a key change are signed by command line and recorded for the agreement', async () => {
  const hold = ['--until', '2040-01-01T00:00:00.000Z', '--reference', 'H 1', '--reason', 'Inquiry.']
  await home.must('hold', ...signedBy('ministry', 'hold.json'), ...hold)
  expect(await home.must('release', 'record', home.at('hold.json'))).toContain('recorded')
  const other = ['--to', join(home.party('auditor'), 'party.json'), '--reason', 'The card is old.']
  const said = await home.must('key-change', ...signedBy('notary', 'keys.json'), ...other)
  expect(said).toContain('until then the old keys count')
  expect(await home.must('release', 'record', home.at('keys.json'))).toContain('recorded')
  const wrong = await home.run('key-change', ...signedBy('notary', 'none.json'), '--to', home.at('new-card'), '--reason', 'x')
  expect([wrong.exitCode, wrong.err, existsSync(home.at('none.json'))]).toEqual([2, expect.stringContaining('[FORMAT_INVALID]'), false])
})
