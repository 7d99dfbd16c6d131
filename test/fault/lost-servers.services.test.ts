// On each of the three footprints workers lose their servers, and a replica, in the middle of their work: nothing accepted is lost, nothing is
// done twice, and all is caught up without anybody doing anything.
import { renameSync } from 'node:fs'
import type { NestExpressApplication } from '@nestjs/platform-express'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openAdapters } from '../../src/adapters.module.js'
import { SystemEntropy } from '../../src/core/environment.js'
import { lookAgainMs } from '../../src/core/job-limits.js'
import { listDeposits } from '../../src/escrow/archive/deposit.table.js'
import { findSource } from '../../src/escrow/archive/source.table.js'
import { makeServer } from '../../src/http-app.module.js'
import { JobQueue } from '../../src/jobs/queue.js'
import { Ticker } from '../../src/jobs/ticker.js'
import { CheckFixity } from '../../src/verify/check-fixity.js'
import { CheckLog } from '../../src/verify/check-log.js'
import { countCopies } from '../../src/verify/verify.table.js'
import { GitFixture } from '../doubles/git-fixture.js'
import { ServiceFixture, type AgreedUpon } from '../doubles/service-fixture.js'
import { dayMs, hourMs } from '../doubles/moments.js'
import { Footprint, footprints, type FootprintName } from '../services/footprint.js'

const names = ['one', 'two', 'three', 'four']
const sleep = (ms: number) => new Promise<void>((resolve) => void setTimeout(resolve, ms))

describe.each(Object.entries(footprints) as [FootprintName, (typeof footprints)[FootprintName]][])('%s', (name, { servers, redis }) => {
  const lines: { readonly msg: string; readonly job?: string; readonly deposit?: string }[] = []
  let footprint: Footprint
  let service: ServiceFixture
  /** Another worker on the same servers; PGlite allows none. */
  let second: NestExpressApplication | null = null
  let repository: GitFixture
  let agreed: AgreedUpon
  /** How many deposits each source should have. */
  let due = 0

  beforeAll(async () => {
    footprint = await Footprint.open(name)
    repository = new GitFixture()
    repository.addCommits('refs/heads/main', 3)
    const openQueue = () => footprint.openQueue()
    const log = (line: string) => void lines.push(JSON.parse(line) as (typeof lines)[0])
    // A queue in the database that is lost cannot note how a job ended: that job is taken for dead after so long.
    const jobs = { rules: { graceMs: 100, lockMs: 4000 } }
    // A store that is a server has a clock of its own, and locks nothing into its past.
    const now = new Date()
    if (servers) {
      const server = { log, jobs, openQueue }
      service = await ServiceFixture.open({ now, replicas: await footprint.replicas(), database: await footprint.openDatabase(), server })
    } else service = await ServiceFixture.open({ now, server: { log, jobs } })
    agreed = await service.agree(names.map((source) => ({ source, url: repository.path })))
    if (!servers) return
    const surroundings = { clock: service.clock, entropy: new SystemEntropy(), database: await footprint.openDatabase(), openQueue }
    const adapters = await openAdapters(service.config, surroundings)
    second = await makeServer(adapters, { role: 'worker', logTo: { write: log }, jobs: { ticking: false, ...jobs } })
  })
  afterAll(async () => {
    await second?.close()
    await service?.close()
    repository?.remove()
    await footprint?.close()
  })

  const tick = () => Promise.all([service.get(Ticker).tick(), second?.get(Ticker).tick()])
  const deposited = () => lines.filter(({ job, msg, deposit }) => job === 'mirror-source' && msg === 'job done' && deposit !== undefined)

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

  /** A deposit of every source falls due and is begun. */
  async function beginWork(): Promise<void> {
    due += 1
    if (due > 1) repository.addCommits('refs/heads/main', 2)
    service.clock.advance(due > 1 ? dayMs : hourMs / 60)
    await tick()
  }

  /** Let time pass in steps, every ticker ticking, until every source has the deposit that is due. */
  async function caughtUp(stepMs: number): Promise<void> {
    for (let steps = 0; steps < 200; steps += 1) {
      await tick()
      await settled()
      const done = await Promise.all(names.map(async (source) => (await sequencesOf(source)).at(-1) === due))
      if (done.every(Boolean)) return
      service.clock.advance(stepMs)
    }
    throw new Error(`not every source came to deposit ${due}`)
  }

  /** What must hold whatever happened: no gap, nothing twice, the log whole at every replica, every copy as it must be. */
  async function expectWhole(): Promise<void> {
    for (const source of names) expect(await sequencesOf(source), source).toEqual(Array.from({ length: due }, (_, place) => place + 1))
    await service.publish()
    const { findings } = await service.get(CheckLog).run({ events: true })
    expect(findings).toEqual([])
    expect((await service.get(CheckFixity).run({ all: true, replica: null })).bad).toEqual([])
    const copies = await service.database.query((db) => countCopies(db))
    expect(new Set(copies.map(({ state }) => state))).toEqual(new Set(['present']))
    const [first, ...others] = copies.map((one) => one.copies)
    for (const other of others) expect(other).toBe(first)
  }

  if (redis)
    test('Redis is emptied while deposits are at work', async () => {
      await beginWork()
      for (let times = 0; times < 5; times += 1) {
        await sleep(50)
        if (times === 0) expect(deposited().length).toBeLessThan(names.length * due)
        await footprint.emptyRedis()
      }
      await caughtUp(lookAgainMs)
      await expectWhole()
    })

  if (servers)
    test('PostgreSQL is restarted, and every connection to it is cut again and again, while deposits are at work', async () => {
      await beginWork()
      for (let times = 0; times < 5; times += 1) {
        await sleep(100)
        if (times === 0) expect(deposited().length).toBeLessThan(names.length * due)
        if (times === 2) await footprint.restartDatabase()
        else await footprint.cutDatabase()
      }
      await caughtUp(lookAgainMs)
      await expectWhole()
    })

  test('a replica is away for an hour', { timeout: 600_000 }, async () => {
    await beginWork()
    await caughtUp(lookAgainMs)
    due += 1
    repository.addCommits('refs/heads/main', 2)
    service.clock.advance(dayMs)
    const place = servers ? null : service.replica('b').replace(/\/objects$/, '')
    if (place === null) footprint.gate.shut()
    else renameSync(place, `${place}-away`)
    for (let minutes = 0; minutes < 60; minutes += 20) {
      await tick()
      await settled()
      service.clock.advance(hourMs / 3)
    }
    if (place === null) footprint.gate.open()
    else renameSync(`${place}-away`, place)
    await caughtUp(hourMs / 6)
    for (const source of names) {
      const row = await service.database.query((db) => findSource(db, { agreementId: agreed.id, source }))
      expect(row?.failures, source).toBe(0)
    }
    // Repair fills in what the replica never got.
    service.clock.advance(hourMs)
    await tick()
    await settled()
    await expectWhole()
  })

  test('nobody worked twice on what was done once', () => {
    const ids = deposited().map(({ deposit }) => deposit)
    expect(new Set(ids).size).toBe(ids.length)
    expect(ids.length).toBeLessThanOrEqual(due * names.length)
  })
})
