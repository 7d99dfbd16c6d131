// Two workers on PostgreSQL and Redis lose them, and a replica, in the middle of their work: nothing accepted is lost, nothing is done twice,
// and all is caught up without anybody doing anything.
import { randomBytes } from 'node:crypto'
import { rename } from 'node:fs/promises'
import type { NestExpressApplication } from '@nestjs/platform-express'
import { Redis } from 'ioredis'
import { Client } from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openAdapters } from '../../src/adapters.module.js'
import { SystemEntropy } from '../../src/core/environment.js'
import { lookAgainMs } from '../../src/core/limits.js'
import { PostgresDatabase } from '../../src/db/postgres-database.js'
import { listDeposits } from '../../src/escrow/deposit.table.js'
import { findSource } from '../../src/escrow/source.table.js'
import { makeServer } from '../../src/http-app.module.js'
import { redisQueue } from '../../src/jobs/queue-connection.js'
import { JobQueue } from '../../src/jobs/queue.js'
import { Ticker } from '../../src/jobs/ticker.js'
import { CheckFixity } from '../../src/verify/check-fixity.js'
import { CheckLog } from '../../src/verify/check-log.js'
import { countCopies } from '../../src/verify/verify.table.js'
import { GitFixture } from '../doubles/git-fixture.js'
import { dayMs, hourMs, ServiceFixture, type AgreedUpon } from '../doubles/service-fixture.js'
import { serviceAddress } from '../services/addresses.js'

const names = ['one', 'two', 'three', 'four', 'five', 'six']
const database = `escrow_lost_${randomBytes(5).toString('hex')}`
const lines: { readonly msg: string; readonly job?: string }[] = []
let service: ServiceFixture
let second: NestExpressApplication
let repository: GitFixture
let agreed: AgreedUpon
let redis: Redis

beforeAll(async () => {
  await onServer(`create database ${database}`)
  redis = new Redis(serviceAddress('redis'))
  await redis.flushall()
  repository = new GitFixture()
  repository.addCommits('refs/heads/main', 3)
  const openQueue = () => redisQueue(serviceAddress('redis'))
  const log = (line: string) => void lines.push(JSON.parse(line) as (typeof lines)[0])
  const jobs = { rules: { graceMs: 100 } }
  service = await ServiceFixture.open({ database: await open(), server: { log, jobs, openQueue } })
  agreed = await service.agree(names.map((source) => ({ source, url: repository.path })))
  const surroundings = { clock: service.clock, entropy: new SystemEntropy(), database: await open(), openQueue }
  const adapters = await openAdapters(service.config, surroundings)
  second = await makeServer(adapters, { role: 'worker', logTo: { write: log }, jobs: { ticking: false, ...jobs } })
})

afterAll(async () => {
  await second?.close()
  await service?.close()
  await redis?.quit()
  repository?.remove()
  await onServer(`drop database if exists ${database} with (force)`)
})

function open(): Promise<PostgresDatabase> {
  const url = new URL(serviceAddress('postgres'))
  url.pathname = `/${database}`
  return PostgresDatabase.open({ url: url.href, poolMax: 8 })
}

async function onServer(statement: string): Promise<void> {
  const client = new Client({ connectionString: serviceAddress('postgres') })
  await client.connect()
  await client.query(statement)
  await client.end()
}

const sleep = (ms: number) => new Promise<void>((resolve) => void setTimeout(resolve, ms))
const tick = () => Promise.all([service.get(Ticker).tick(), second.get(Ticker).tick()])

/** Let time pass in steps, both tickers ticking, until every source has a deposit of this number. */
async function untilEach(sequence: number, stepMs: number): Promise<void> {
  for (let steps = 0; steps < 200; steps += 1) {
    await tick()
    await settled()
    const done = await Promise.all(names.map(async (name) => (await sequencesOf(name)).at(-1) === sequence))
    if (done.every(Boolean)) return
    service.clock.advance(stepMs)
  }
  throw new Error(`not every source came to deposit ${sequence}`)
}

async function settled(): Promise<void> {
  for (;;) {
    const counts = await service
      .get(JobQueue)
      .counts()
      .catch(() => [])
    if (counts.length > 0 && counts.every(({ waiting, active }) => waiting + active === 0)) return
    await sleep(50)
  }
}

async function sequencesOf(source: string): Promise<readonly number[]> {
  const rows = await service.database.query((db) => listDeposits(db, { agreementId: agreed.id, source }, Infinity, 100))
  return rows.map((row) => row.sequence).toSorted((left, right) => left - right)
}

/** What must hold whatever happened: no gap, nothing twice, the log whole at every replica, every copy as it must be. */
async function expectWhole(sequences: readonly number[]): Promise<void> {
  for (const name of names) expect(await sequencesOf(name), name).toEqual(sequences)
  await service.publish()
  const { findings } = await service.get(CheckLog).run({ events: true })
  expect(findings).toEqual([])
  expect((await service.get(CheckFixity).run({ all: true, replica: null })).bad).toEqual([])
  const copies = await service.database.query((db) => countCopies(db))
  expect(new Set(copies.map(({ state }) => state))).toEqual(new Set(['present']))
  const [first, ...others] = copies.map((one) => one.copies)
  for (const other of others) expect(other).toBe(first)
}

test('redis is emptied while deposits are at work', async () => {
  service.clock.advance(hourMs / 60)
  await tick()
  for (let times = 0; times < 5; times += 1) {
    await sleep(50)
    if (times === 0) expect(deposited().length).toBeLessThan(names.length)
    await redis.flushall()
  }
  await untilEach(1, lookAgainMs)
  await expectWhole([1])
})

test('every connection to PostgreSQL is cut, again and again, while deposits are at work', async () => {
  repository.addCommits('refs/heads/main', 2)
  service.clock.advance(dayMs)
  await tick()
  for (let times = 0; times < 5; times += 1) {
    await sleep(100)
    if (times === 0) expect(deposited().length).toBeLessThan(2 * names.length)
    await onServer(`select pg_terminate_backend(pid) from pg_stat_activity where datname = '${database}'`)
  }
  await untilEach(2, lookAgainMs)
  await expectWhole([1, 2])
})

test('a replica is away for an hour', async () => {
  repository.addCommits('refs/heads/main', 2)
  service.clock.advance(dayMs)
  const place = service.replica('b')
  await rename(place, `${place}-away`)
  for (let minutes = 0; minutes < 60; minutes += 10) {
    await tick()
    await settled()
    service.clock.advance(hourMs / 6)
  }
  await rename(`${place}-away`, place)
  await untilEach(3, hourMs / 6)
  for (const name of names) {
    const row = await service.database.query((db) => findSource(db, { agreementId: agreed.id, source: name }))
    expect(row?.failures, name).toBe(0)
  }
  // Repair fills in what the replica never got.
  service.clock.advance(hourMs)
  await tick()
  await settled()
  await expectWhole([1, 2, 3])
})

const deposited = () => lines.filter(({ job, msg, ...facts }) => job === 'mirror-source' && msg === 'job done' && 'deposit' in facts)

test('nobody worked twice on what was done once', () => {
  const ids = deposited().map((line) => (line as unknown as { readonly deposit: string }).deposit)
  expect(new Set(ids).size).toBe(ids.length)
  expect(ids.length).toBeLessThanOrEqual(3 * names.length)
})
