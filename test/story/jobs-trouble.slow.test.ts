// A service that runs by itself, when a source fails, a deposit takes too long, or the clock was wrong.
import { sql } from 'drizzle-orm'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { EscrowError } from '../../src/core/errors.js'
import { takeLease } from '../../src/escrow/archive/lease.table.js'
import { MirrorSource } from '../../src/escrow/deposit/mirror-source.js'
import { findSource } from '../../src/escrow/archive/source.table.js'
import { dayMs, hourMs } from '../doubles/moments.js'
import { TickingService } from '../doubles/ticking-service.js'

let house: TickingService
beforeAll(async () => {
  house = await TickingService.open()
  house.service.clock.advance(1000)
  await house.tick()
})
afterAll(() => house?.close())

test('a source that fails waits for its own backoff, and the others go on', async () => {
  house.service.clock.advance(dayMs + hourMs)
  house.lines.length = 0
  const key = { agreementId: house.agreed.id, source: 'two' }
  await house.service.database.query((db) => db.execute(sql`update source set url = ${'/nowhere/at/all'} where source = 'two'`))
  await house.tick()
  expect(house.mirrored()).toEqual(['unchanged'])
  expect(house.lines).toContainEqual(expect.objectContaining({ msg: 'job failed', job: 'mirror-source' }))
  const row = await house.service.database.query((db) => findSource(db, key))
  expect(row?.failures).toBe(1)
  const retryMs = row!.dueAt.getTime() - house.service.clock.now().getTime()
  expect(retryMs).toBeGreaterThan(0)
  expect(retryMs).toBeLessThan(hourMs)
  await house.service.database.query((db) => db.execute(sql`update source set url = ${house.repository.path} where source = 'two'`))
  house.service.clock.advance(hourMs)
  await house.tick()
  expect(house.mirrored()).toEqual(['unchanged', 'unchanged'])
})

test('a deposit that takes longer than its limit is stopped, recorded as failed, and due again after its backoff', async () => {
  house.service.clock.advance(dayMs + hourMs)
  const key = { agreementId: house.agreed.id, source: 'one' }
  const stop = new AbortController()
  stop.abort(new EscrowError('JOB_TIMEOUT', 'expected the job to end within 1 s'))
  await expect(house.service.get(MirrorSource).run(key, { full: false }, stop.signal)).rejects.toThrow('within 1 s')
  const row = await house.service.database.query((db) => findSource(db, key))
  expect(row).toMatchObject({ failures: 1, failureCode: 'JOB_TIMEOUT' })
  expect(row!.lookAt.getTime()).toBeGreaterThan(house.service.clock.now().getTime())
  house.service.clock.advance(hourMs)
  await house.tick()
  expect((await house.service.database.query((db) => findSource(db, key)))?.failures).toBe(0)
})

test('a clock that ran ahead for a while puts nothing off once it is right again', async () => {
  const key = { agreementId: house.agreed.id, source: 'one' }
  const right = new Date(house.service.clock.now())
  house.service.clock.advance(10 * dayMs)
  await house.tick()
  // Somebody died under the wrong clock, with the lease in his hands.
  await house.service.database.query((db) =>
    takeLease(db, { ...key, holder: 'dead', now: house.service.clock.now(), expiresAt: house.service.clock.now() }),
  )
  await house.service.database.query((db) => db.execute(sql`update lease set expires_at = expires_at + interval '1 minute'`))
  house.service.clock.time = right
  house.lines.length = 0
  house.service.clock.advance(2 * hourMs)
  await house.tick()
  await house.tick()
  expect(house.lines).toContainEqual(expect.objectContaining({ job: 'mend-schedules', mended: 2 }))
  expect(house.mirrored()).toEqual(['unchanged', 'unchanged'])
  const row = await house.service.database.query((db) => findSource(db, key))
  expect(row!.periodAt.getTime() - right.getTime()).toBeLessThan(2 * dayMs)
})

test('what failed is counted for Prometheus', async () => {
  expect(await house.metrics()).toMatch(/escrow_job_seconds_count\{job="mirror-source",outcome="failed"\} 1/)
})
