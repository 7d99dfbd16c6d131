// The dead man's switch as the service runs it, with its clock in the test's hand.
import { expect, test } from 'vitest'
import { SystemClock } from '../../src/core/environment.js'
import { Database } from '../../src/db/database.js'
import { findSilence } from '../../src/release/custody/custody.table.js'
import { eachReleaseHouse } from '../doubles/each-release-house.js'
import { refusal, type ReleaseHouse } from '../doubles/release-house.js'
import { dayMs, hourMs } from '../doubles/moments.js'
import { releaseLines } from '../doubles/release-terms.js'

let house: ReleaseHouse
const silent = releaseLines.flatMap((line) =>
  line.includes('condition: insolvent') ? [line, '    - { condition: silent, kind: missed-deposits, automatic: true }'] : [line],
)
eachReleaseHouse((opened) => {
  house = opened
  // Ten days after the only deposit: late, and not by years.
  house.clock.time = new Date(new SystemClock().now().getTime() + 10 * dayMs)
}, silent)

const watch = async (): Promise<string | undefined> =>
  (await house.app.get(Database).query((db) => findSilence(db, house.agreement.body.agreement)))?.watch.name
const heartbeat = (how: Parameters<ReleaseHouse['sign']>[3] = {}): Promise<Uint8Array> => house.sign('heartbeat', 'vendor', {}, how)

test('no deposit: the depositor is told, a week later a request is proposed, a person takes it up, and any word breaks the silence', async () => {
  const told = await house.tick()
  expect(told.map(({ state }) => state)).toEqual(['depositor noticed'])
  await house.wait(6.9 * dayMs)
  expect(await watch()).toBe('noticed')
  for (let look = 0; look < 3; look += 1) await house.wait(0.2 * dayMs)
  expect([await watch(), await house.requests()]).toEqual(['proposed', []])
  await house.record(await house.ask({ condition: 'silent', grounds: 'No deposit came.' }))
  const { requestDigest, state } = await house.request()
  expect(state).toBe('submitted')
  await house.record(await house.sign('contrary-instruction', 'vendor', { requestDigest, grounds: 'We are here.', evidence: [] }))
  await house.wait(2 * hourMs)
  expect(await watch()).toBe('present')
  expect((await house.eventsOf()).filter((type) => type === 'silence-advanced')).toHaveLength(3)
})

test('a heartbeat ends the proposal; kept back, repeated or by somebody else it is no sign of life', async () => {
  const old = await heartbeat()
  await house.record(old)
  const kept = await heartbeat()
  for (let days = 0; days < 2; days += 1) await house.wait(8 * dayMs)
  expect(await watch()).toBe('proposed')
  for (const bytes of [old, kept]) await house.record(bytes)
  expect(await watch()).toBe('proposed')
  expect(await refusal(heartbeat({ as: 'partner' }).then((bytes) => house.record(bytes)))).toBe('SIGNATURE_INVALID')
  const stranger = house.sign('heartbeat', 'partner', {})
  expect(await refusal(stranger.then((bytes) => house.record(bytes)))).toBe('SIGNER_REFUSED')
  expect(await refusal(heartbeat({ agreement: 'ab'.repeat(32) }).then((bytes) => house.record(bytes)))).toBe('AGREEMENT_DIGEST')
  const stale = await heartbeat({ lifeDays: 1 })
  house.clock.advance(dayMs)
  expect(await refusal(house.record(stale))).toBe('STATEMENT_EXPIRED')
  const fresh = await heartbeat()
  for (let times = 0; times < 2; times += 1) await house.record(fresh)
  expect(await watch()).toBe('present')
  await house.wait(6.9 * dayMs)
  expect(await watch()).toBe('present')
  await house.wait(0.2 * dayMs)
  expect(await watch()).toBe('noticed')
  const recorded = (await house.eventsOf()).filter((type) => type === 'statement-recorded')
  expect(recorded).toHaveLength(3)
})

test('a clock that jumps weeks ahead and back proposes nothing early and does not put the switch out of order', async () => {
  house.clock.advance(90 * dayMs)
  await house.tick()
  expect(await watch()).toBe('noticed')
  await house.wait(-90 * dayMs)
  await house.wait(6.9 * dayMs)
  expect(await watch()).toBe('noticed')
  await house.wait(0.2 * dayMs)
  expect(await watch()).toBe('proposed')
})
