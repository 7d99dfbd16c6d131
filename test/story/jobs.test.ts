// A service that runs by itself: what is due is found, enqueued, done and published, and a queue that is lost costs nothing.
import { sql } from 'drizzle-orm'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { lookAgainMs } from '../../src/core/job-limits.js'
import { DueSources } from '../../src/escrow/source/due-sources.js'
import { JobQueue } from '../../src/jobs/queue.js'
import { Ticker } from '../../src/jobs/ticker.js'
import { dayMs, hourMs } from '../doubles/moments.js'
import { TickingService } from '../doubles/ticking-service.js'

let house: TickingService
beforeAll(async () => {
  house = await TickingService.open()
})
afterAll(() => house?.close())

test('a tick takes what is due to deposits with receipts, and chores to their next round', async () => {
  house.service.clock.advance(1000)
  await house.tick()
  // A receipt that came too late for one round of the log is in the next.
  house.service.clock.advance(11_000)
  await house.tick()
  expect(house.mirrored()).toEqual(['deposited', 'deposited'])
  expect([await house.deposits('one'), await house.deposits('two')]).toEqual([1, 1])
  expect(house.lines.reduce((sum, { receipts = 0 }) => sum + receipts, 0)).toBe(2)
  const chores = new Set(house.lines.filter(({ msg }) => msg === 'job done').map(({ job }) => job))
  expect(chores).toEqual(
    new Set([
      'announce-events',
      'warn-late',
      'deliver-notices',
      'check-credentials',
      'check-fixity',
      'check-log',
      'extend-retention',
      'mend-schedules',
      'mirror-source',
      'publish-log',
      'record-missed',
      'repair-objects',
      'spot-check',
      'sweep-releases',
    ]),
  )
  expect(house.lines.filter(({ msg }) => msg === 'job failed')).toEqual([])
})

test('nothing is done again before it is due again, however often one ticks', async () => {
  house.lines.length = 0
  for (let n = 0; n < 3; n += 1) await house.tick()
  expect(house.mirrored()).toEqual([])
  expect(house.lines.filter(({ job }) => job === 'check-log')).toEqual([])
  house.service.clock.advance(dayMs + hourMs)
  house.repository.addCommits('refs/heads/main', 1)
  await Promise.all([house.service.get(Ticker).tick(), house.service.get(Ticker).tick()])
  await house.settled()
  expect(house.mirrored()).toEqual(['deposited', 'deposited'])
  expect([await house.deposits('one'), await house.deposits('two')]).toEqual([2, 2])
})

test('a queue that is emptied costs minutes: the database says again what is due', async () => {
  house.service.clock.advance(dayMs + hourMs)
  house.lines.length = 0
  const swept = await house.service.get(JobQueue).counts()
  expect(swept.every(({ waiting }) => waiting === 0)).toBe(true)
  // Taken from the database, and lost before anybody did it.
  expect(await house.service.get(DueSources).due()).toHaveLength(2)
  await house.service.database.query((db) => db.execute(sql`delete from bullmq.job`))
  await house.tick()
  expect(house.mirrored()).toEqual([])
  house.service.clock.advance(lookAgainMs)
  await house.tick()
  expect(house.mirrored()).toEqual(['unchanged', 'unchanged'])
})

test('what jobs do is counted for Prometheus', async () => {
  expect(await house.metrics()).toMatch(/escrow_job_seconds_count\{job="mirror-source",outcome="done"\} [1-9]/)
})
