// A drill is voted on like a release and can move nothing; what is said in one says nothing in the other.
import { expect, test } from 'vitest'
import { Database } from '../../src/db/database.js'
import { listAlarms } from '../../src/release/custody/custody.table.js'
import { findDrill } from '../../src/release/drill/drill.table.js'
import { StartDrill } from '../../src/release/drill/start-drill.js'
import { eachReleaseHouse } from '../doubles/each-release-house.js'
import { refusal, type ReleaseHouse } from '../doubles/release-house.js'
import { dayMs, hourMs } from '../doubles/moments.js'

let house: ReleaseHouse
eachReleaseHouse((opened) => {
  house = opened
})

const row = (drill: string) => house.app.get(Database).query((db) => findDrill(db, drill))
const overdue = async (): Promise<readonly string[]> => {
  const rows = await house.app.get(Database).query((db) => listAlarms(db, null, 100))
  return rows.map(({ alarm }) => alarm).filter((alarm) => alarm.endsWith('drill-overdue'))
}
const start = async (hours = 48): Promise<string> => {
  const wish = { kind: 'approval', condition: 'insolvent' } as const
  return (await house.app.get(StartDrill).run(house.agreement.body.agreement, wish, hours)).drill
}
const coverOf = (requestDigest: string) => ({
  requestDigest,
  agreement: house.agreement.digest,
  epoch: 1,
  recipients: [house.recipientOf('partner')],
})
const vote = (party: string, ...digests: readonly string[]): Promise<Uint8Array> =>
  house.sign('approval', party, { covers: digests.map(coverOf), reason: 'Drill.' })

test('an approval drill is answered, reported and counted; it clears the alarm, and neither votes nor shares of it reach a request', async () => {
  await house.tick()
  expect(await overdue()).toEqual(['approval-drill-overdue', 'restore-drill-overdue'])
  const { requestDigest } = await house.reachApproval()
  const drill = await start()
  for (const party of ['notary', 'university']) {
    house.clock.advance(10 * 60_000)
    await house.record(await vote(party, drill))
  }
  expect([await house.state(), (await house.request()).progress.votes]).toEqual(['approval', []])
  // Not the other way round either: an approval of a request is none of the drill, and one of both is none of the drill.
  await house.record(await vote('chamber', requestDigest))
  const [, both] = await house
    .record(await vote('auditor', requestDigest, drill))
    .then((outcomes) => [outcomes, outcomes.find(({ subject }) => subject === drill)] as const)
  expect(both?.error?.code).toBe('STATEMENT_INVALID')
  expect((await house.request()).progress.votes).toHaveLength(2)
  expect(await refusal(house.shareOf('notary', { requestDigest: drill }).then((bytes) => house.record(bytes)))).toBe('NOT_FOUND')
  expect(await house.heldShares()).toBe(0)
  // The requester's side and strangers may write, but do not count; the third custodian completes it.
  expect(await refusal(vote('partner', drill).then((bytes) => house.record(bytes)))).toBe('SIGNER_REFUSED')
  const third = await vote('foundation', drill)
  for (let times = 0; times < 2; times += 1) await house.record(third)
  await house.wait(49 * hourMs)
  const closed = await row(drill)
  expect(closed).toMatchObject({ outcome: 'pass', report: { verdict: 'approved', quorumMinutes: 20 } })
  expect(await overdue()).toEqual(['restore-drill-overdue'])
  expect(await refusal(vote('chamber', drill).then((bytes) => house.record(bytes)))).toBe('REQUEST_STATE')
  const events = (await house.eventsOf()).filter((type) => type.startsWith('drill'))
  expect(events).toEqual(['drill-started', 'drill-reported'])
})

test('a drill that too few answer fails and clears nothing; a restore that nobody answers is our own fault', async () => {
  const drill = await start(24)
  await house.record(await vote('notary', drill))
  const restore = { kind: 'restore', rehearsal: house.agreement.body.agreement, source: 'product', canary: 'ab'.repeat(20) } as const
  const real = house.app.get(StartDrill).run(house.agreement.body.agreement, restore, 24)
  expect(await refusal(real)).toBe('ARGUMENT_INVALID')
  await house.wait(2 * dayMs)
  expect(await row(drill)).toMatchObject({ outcome: 'fail', report: { quorumMinutes: null } })
  expect(await overdue()).toContain('approval-drill-overdue')
})
