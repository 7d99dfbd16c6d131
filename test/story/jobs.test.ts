// A service that runs by itself: what is due is found, enqueued, done and published, and a queue that is lost costs nothing.
import type { NestExpressApplication } from '@nestjs/platform-express'
import { sql } from 'drizzle-orm'
import request from 'supertest'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { CreateToken } from '../../src/escrow/create-token.js'
import { listDeposits } from '../../src/escrow/deposit.table.js'
import { DueSources } from '../../src/escrow/due-sources.js'
import { findSource } from '../../src/escrow/source.table.js'
import { JobQueue } from '../../src/jobs/queue.js'
import { Ticker } from '../../src/jobs/ticker.js'
import { EscrowError } from '../../src/core/errors.js'
import { lookAgainMs } from '../../src/core/job-limits.js'
import { takeLease } from '../../src/escrow/lease.table.js'
import { MirrorSource } from '../../src/escrow/mirror-source.js'
import { GitFixture } from '../doubles/git-fixture.js'
import { dayMs, hourMs, ServiceFixture, type AgreedUpon } from '../doubles/service-fixture.js'

interface Line {
  readonly msg: string
  readonly job?: string
  readonly outcome?: string
  readonly receipts?: number
}

const lines: Line[] = []
let service: ServiceFixture
let repository: GitFixture
let agreed: AgreedUpon

beforeAll(async () => {
  repository = new GitFixture()
  repository.addCommits('refs/heads/main', 2)
  const log = (line: string) => void lines.push(JSON.parse(line) as Line)
  service = await ServiceFixture.open({ server: { log, jobs: { rules: { graceMs: 100 } } } })
  agreed = await service.agree([
    { source: 'one', url: repository.path },
    { source: 'two', url: repository.path },
  ])
})
afterAll(async () => {
  await service?.close()
  repository?.remove()
})

const mirrored = () => lines.filter(({ job, msg }) => job === 'mirror-source' && msg === 'job done').map(({ outcome }) => outcome)
const deposits = async (source: string) =>
  (await service.database.query((db) => listDeposits(db, { agreementId: agreed.id, source }, Infinity, 100))).length

/** Tick, and wait until nothing waits and nobody works. */
async function tickAndSettle(): Promise<void> {
  await service.get(Ticker).tick()
  await settled()
}

async function settled(): Promise<void> {
  const queue = service.get(JobQueue)
  for (;;) {
    const counts = await queue.counts()
    if (counts.every(({ waiting, active }) => waiting + active === 0)) return
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

test('a tick takes what is due to deposits with receipts, and chores to their next round', async () => {
  service.clock.advance(1000)
  await tickAndSettle()
  // A receipt that came too late for one round of the log is in the next.
  service.clock.advance(11_000)
  await tickAndSettle()
  expect(mirrored()).toEqual(['deposited', 'deposited'])
  expect([await deposits('one'), await deposits('two')]).toEqual([1, 1])
  expect(lines.reduce((sum, { receipts = 0 }) => sum + receipts, 0)).toBe(2)
  const chores = new Set(lines.filter(({ msg }) => msg === 'job done').map(({ job }) => job))
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
  expect(lines.filter(({ msg }) => msg === 'job failed')).toEqual([])
})

test('nothing is done again before it is due again, however often one ticks', async () => {
  lines.length = 0
  for (let n = 0; n < 3; n += 1) await tickAndSettle()
  expect(mirrored()).toEqual([])
  expect(lines.filter(({ job }) => job === 'check-log')).toEqual([])
  service.clock.advance(dayMs + hourMs)
  repository.addCommits('refs/heads/main', 1)
  await Promise.all([service.get(Ticker).tick(), service.get(Ticker).tick()])
  await settled()
  expect(mirrored()).toEqual(['deposited', 'deposited'])
  expect([await deposits('one'), await deposits('two')]).toEqual([2, 2])
})

test('a queue that is emptied costs minutes: the database says again what is due', async () => {
  service.clock.advance(dayMs + hourMs)
  lines.length = 0
  const swept = await service.get(JobQueue).counts()
  expect(swept.every(({ waiting }) => waiting === 0)).toBe(true)
  // Taken from the database, and lost before anybody did it.
  expect(await service.get(DueSources).due()).toHaveLength(2)
  await service.database.query((db) => db.execute(sql`delete from bullmq.job`))
  await tickAndSettle()
  expect(mirrored()).toEqual([])
  service.clock.advance(lookAgainMs)
  await tickAndSettle()
  expect(mirrored()).toEqual(['unchanged', 'unchanged'])
})

test('a source that fails waits for its own backoff, and the others go on', async () => {
  service.clock.advance(dayMs + hourMs)
  lines.length = 0
  const key = { agreementId: agreed.id, source: 'two' }
  await service.database.query((db) => db.execute(sql`update source set url = ${'/nowhere/at/all'} where source = 'two'`))
  await tickAndSettle()
  expect(mirrored()).toEqual(['unchanged'])
  expect(lines).toContainEqual(expect.objectContaining({ msg: 'job failed', job: 'mirror-source' }))
  const row = await service.database.query((db) => findSource(db, key))
  expect(row?.failures).toBe(1)
  const retryMs = row!.dueAt.getTime() - service.clock.now().getTime()
  expect(retryMs).toBeGreaterThan(0)
  expect(retryMs).toBeLessThan(hourMs)
  await service.database.query((db) => db.execute(sql`update source set url = ${repository.path} where source = 'two'`))
  service.clock.advance(hourMs)
  await tickAndSettle()
  expect(mirrored()).toEqual(['unchanged', 'unchanged'])
})

test('a deposit that takes longer than its limit is stopped, recorded as failed, and due again after its backoff', async () => {
  service.clock.advance(dayMs + hourMs)
  const key = { agreementId: agreed.id, source: 'one' }
  const stop = new AbortController()
  stop.abort(new EscrowError('JOB_TIMEOUT', 'expected the job to end within 1 s'))
  await expect(service.get(MirrorSource).run(key, { full: false }, stop.signal)).rejects.toThrow('within 1 s')
  const row = await service.database.query((db) => findSource(db, key))
  expect(row).toMatchObject({ failures: 1, failureCode: 'JOB_TIMEOUT' })
  expect(row!.lookAt.getTime()).toBeGreaterThan(service.clock.now().getTime())
  service.clock.advance(hourMs)
  await tickAndSettle()
  expect((await service.database.query((db) => findSource(db, key)))?.failures).toBe(0)
})

test('a clock that ran ahead for a while puts nothing off once it is right again', async () => {
  const key = { agreementId: agreed.id, source: 'one' }
  const right = new Date(service.clock.now())
  service.clock.advance(10 * dayMs)
  await tickAndSettle()
  // Somebody died under the wrong clock, with the lease in his hands.
  await service.database.query((db) => takeLease(db, { ...key, holder: 'dead', now: service.clock.now(), expiresAt: service.clock.now() }))
  await service.database.query((db) => db.execute(sql`update lease set expires_at = expires_at + interval '1 minute'`))
  service.clock.time = right
  lines.length = 0
  service.clock.advance(2 * hourMs)
  await tickAndSettle()
  await tickAndSettle()
  expect(lines).toContainEqual(expect.objectContaining({ job: 'mend-schedules', mended: 2 }))
  expect(mirrored()).toEqual(['unchanged', 'unchanged'])
  const row = await service.database.query((db) => findSource(db, key))
  expect(row!.periodAt.getTime() - right.getTime()).toBeLessThan(2 * dayMs)
})

test('what jobs do is counted for Prometheus', async () => {
  const { token } = await service.get(CreateToken).run({ card: service.party('agent').card, label: 'prometheus', days: 1 })
  const server = (service.app as NestExpressApplication).getHttpServer()
  const { text } = await request(server).get('/metrics').set('authorization', `Bearer ${token}`).expect(200)
  expect(text).toMatch(/escrow_job_seconds_count\{job="mirror-source",outcome="done"\} [1-9]/)
  expect(text).toMatch(/escrow_job_seconds_count\{job="mirror-source",outcome="failed"\} 1/)
})
