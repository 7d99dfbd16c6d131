// A host that has enough to do is left alone: how many visits at once, and how many a minute, whoever works.
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { hostBusyMs } from '../../src/core/job-limits.js'
import { HostKeeper } from '../../src/escrow/source/host-keeper.js'
import { MirrorDueSource } from '../../src/escrow/deposit/mirror-due-source.js'
import { findSource, type SourceRow } from '../../src/escrow/archive/source.table.js'
import { ServiceFixture, type AgreedUpon } from '../doubles/service-fixture.js'

const host = 'git.nowhere.example'
const names = Array.from({ length: 8 }, (_, number) => `source-${number}`)
let service: ServiceFixture
let agreed: AgreedUpon
beforeAll(async () => {
  service = await ServiceFixture.open()
  agreed = await service.agree(names.map((source) => ({ source, url: `https://${host}/${source}.git` })))
})
beforeEach(() => {
  service.clock.advance(3_600_000)
})
afterAll(() => service.close())

const mirror = (source: string) => service.get(MirrorDueSource).run({ agreementId: agreed.id, source }, new AbortController().signal)
const row = async (source: string): Promise<SourceRow> =>
  (await service.database.query((db) => findSource(db, { agreementId: agreed.id, source })))!

/** Visits that last until they are let go. */
function visits(count: number) {
  let letGo: () => void = () => undefined
  const gone = new Promise<void>((resolve) => (letGo = resolve))
  const begun: unknown[] = []
  const all = Array.from({ length: count }, (_, number) =>
    service.get(HostKeeper).visit(host, async () => {
      begun.push(number)
      await gone
      return {}
    }),
  )
  return { all: Promise.all(all), begun, letGo }
}

test('what is due at a host with all its slots taken is not begun, has not failed, and is looked at soon, each source at its own moment', async () => {
  const { hostAtOnce } = service.config.jobs
  const busy = visits(hostAtOnce)
  await expect.poll(() => busy.begun.length).toBe(hostAtOnce)
  const now = service.clock.now().getTime()
  for (const name of names) expect(await mirror(name)).toEqual({ outcome: 'host-busy' })
  const rows = await Promise.all(names.map(row))
  for (const { failures, failureCode, dueAt, lookAt } of rows) {
    expect([failures, failureCode, dueAt.getTime() <= now]).toEqual([0, null, true])
    expect(lookAt.getTime()).toBeGreaterThanOrEqual(now + hostBusyMs)
    expect(lookAt.getTime()).toBeLessThan(now + 3 * hostBusyMs)
  }
  expect(new Set(rows.map(({ lookAt }) => lookAt.getTime())).size).toBeGreaterThan(1)
  busy.letGo()
  await busy.all
  // Its name leads nowhere, but somebody went and looked.
  await expect(mirror('source-0')).rejects.toMatchObject({ code: expect.stringMatching(/^REMOTE_/) as string })
  expect(await row('source-0')).toMatchObject({ failures: 1 })
})

test('a host is not visited more often in a minute than was agreed on, however short the visits are', async () => {
  const { hostPerMinute } = service.config.jobs
  const visit = () => service.get(HostKeeper).visit('other.example', () => Promise.resolve({}))
  let burst = 0
  while (burst < hostPerMinute && (await visit()) !== null) burst += 1
  // The clock of this service ticks a little with each look at it.
  expect(burst).toBeGreaterThanOrEqual(hostPerMinute / 4)
  expect(burst).toBeLessThan(hostPerMinute / 2)
  service.clock.advance(60_000 / hostPerMinute)
  expect(await visit()).not.toBeNull()
})
