// What goes wrong around an agreement in quiet years: custodians lose shares, nobody proves anything, a quorum becomes impossible.
import { expect, test } from 'vitest'
import { Database } from '../../src/db/database.js'
import { listAlarms } from '../../src/release/custody/custody.table.js'
import { eachReleaseHouse } from '../doubles/each-release-house.js'
import { refusal, type ReleaseHouse } from '../doubles/release-house.js'
import { dayMs } from '../doubles/moments.js'

let house: ReleaseHouse
eachReleaseHouse((opened) => {
  house = opened
})

const alarms = async (): Promise<readonly string[]> => {
  const rows = await house.app.get(Database).query((db) => listAlarms(db, null, 100))
  return rows.filter(({ alarm }) => !alarm.endsWith('drill-overdue')).map(({ alarm, about }) => `${alarm} ${about}`)
}
const lost = async (by: string, subject = by, available = false) => {
  house.clock.advance(1000)
  return house.record(await house.sign('availability', by, { subject, available, cause: 'share-lost', reason: 'The safe burnt out.' }))
}

test('three custodians lose their shares: the request is frozen with an alarm, and one who finds it again brings it back', async () => {
  await house.reachApproval()
  const { requestId } = await house.request()
  for (const party of ['notary', 'university']) await lost(party)
  expect([await house.state(), await alarms()]).toEqual(['approval', expect.not.arrayContaining(['quorum-impossible insolvent'])])
  // One other person cannot declare anybody lost, and those who would gain from a stall not at all.
  await lost('partner', 'chamber')
  expect(await house.state()).toBe('approval')
  for (const party of ['vendor', 'agent']) expect(await refusal(lost(party, 'chamber'))).not.toBe(null)
  await lost('ministry', 'chamber')
  expect(await house.state()).toBe('held')
  expect(await alarms()).toEqual(expect.arrayContaining(['quorum-impossible insolvent', 'quorum-impossible order']))
  expect((await house.request()).progress.unavailable).toEqual(['chamber', 'notary', 'university'])
  await lost('notary', 'notary', true)
  expect(await house.state()).toBe('approval')
  expect((await alarms()).filter((alarm) => alarm.startsWith('quorum'))).toEqual([])
  // Who is unavailable has no vote.
  expect(await refusal(house.approve('chamber'))).toBe('SIGNER_REFUSED')
  const events = await house.eventsOf(requestId)
  expect(events.at(-1)).toBe('request-advanced')
  // A request that comes later is frozen from its first moment, and goes on where it stood.
  await lost('notary')
  await house.record(await house.ask())
  const later = (await house.requests()).find((row) => row.requestId !== requestId)
  expect(later?.progress.unavailable).toEqual(['chamber', 'notary', 'university'])
  expect(later?.progress.state).toMatchObject({ name: 'held', reason: 'quorum-impossible', resume: { name: 'submitted' } })
  await lost('notary', 'notary', true)
  expect((await house.requests()).find((row) => row.requestId === later?.requestId)?.state).toBe('submitted')
})

test('shares that nobody has proved for a quarter raise an alarm for every epoch, and t + 1 fresh proofs clear it', async () => {
  await house.tick()
  expect(await alarms()).toEqual(['share-health-overdue 1', 'share-health-overdue 2'])
  const holders = ['notary', 'university', 'chamber', 'auditor']
  const old = await house.provenShare('notary', 1)
  for (const party of holders.slice(0, 3)) await house.record(await house.provenShare(party, 1))
  expect(await refusal(house.provenShare('auditor', 1, 'foundation').then((bytes) => house.record(bytes)))).toBe('SHARE_INVALID')
  expect(await alarms()).toContain('share-health-overdue 1')
  for (const party of holders) await house.record(await house.provenShare(party, 1))
  expect(await alarms()).toEqual(['share-health-overdue 2'])
  for (let times = 0; times < 3; times += 1) await house.tick()
  await house.wait(29 * dayMs)
  // An old proof that comes late proves nothing new.
  await house.record(old)
  await house.wait(63 * dayMs)
  expect(await alarms()).toEqual(['share-health-overdue 1', 'share-health-overdue 2'])
  const types = (await house.eventsOf()).filter((type) => type.startsWith('alarm'))
  // Two drills are overdue all the time; what stays as it is leaves no second event.
  expect(types).toEqual([...Array.from({ length: 4 }, () => 'alarm-raised'), 'alarm-cleared', 'alarm-raised'])
})
