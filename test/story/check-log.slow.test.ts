import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { PublishLog } from '../../src/escrow/deposit/publish-log.js'
import { CheckLog, type CheckedLog } from '../../src/verify/check-log.js'
import { RepairLog, type LogRepairWish } from '../../src/verify/repair-log.js'
import { LogStore } from '../../src/log/log-store.js'
import { dayMs } from '../doubles/moments.js'
import { deleteFile, flipBit, ServiceLife } from './service-life.js'
import { RecordMissed } from '../../src/escrow/source/record-missed.js'

let life: ServiceLife
beforeEach(async () => {
  life = await ServiceLife.begin(1)
})
afterEach(() => life.close())

const byReplica = ([left]: readonly unknown[], [right]: readonly unknown[]) => String(left).localeCompare(String(right))
const check = (): Promise<CheckedLog> => life.service.get(CheckLog).run({ events: true })
const kinds = ({ findings }: CheckedLog) =>
  findings.map(({ replica, path, problem }) => [replica, path.replace(/[0-9a-f]{64}/, '*'), problem])

async function mended(wish: Partial<LogRepairWish> = {}): Promise<readonly string[]> {
  const { repaired, failed } = await life.service.get(RepairLog).run({ replica: null, ...wish })
  expect(failed).toEqual([])
  return repaired.map(({ replica, path }) => `${replica} ${path}`)
}

test('what no copy has is not made up: the repair says so and goes on', async () => {
  const { service } = life
  await service.publish()
  const event = life.files('a', /^events\/[0-9a-f]{64}\.json$/)[0] ?? ''
  for (const replica of ['a', 'b']) deleteFile(event.replace('/a/objects', `/${replica}/objects`))
  const { repaired, failed } = await service.get(RepairLog).run({ replica: null })
  expect([repaired, failed.map(({ replica, error }) => [replica, error.code])]).toEqual([
    [],
    [
      ['a', 'OBJECT_MISSING'],
      ['b', 'OBJECT_MISSING'],
    ],
  ])
  await expect(service.get(RepairLog).run({ replica: 'nowhere' })).rejects.toMatchObject({ code: 'NOT_FOUND' })
})

test('a log of more than one entry bundle is as its checkpoint says, until a copy of it is touched', async () => {
  const { service } = life
  expect(await check()).toMatchObject({ findings: [] })
  service.clock.advance(11 * dayMs)
  await service.get(RecordMissed).run()
  await service.get(PublishLog).run()
  const whole = await check()
  expect(whole).toMatchObject({ replicas: ['a', 'b'], findings: [] })
  expect(whole.leaves).toBeGreaterThan(256)
  expect(whole.events).toBe(2 * whole.leaves)

  flipBit(life.files('a', /tile\/entries\/000$/)[0] ?? '')
  flipBit(life.files('b', /tile\/0\/000$/)[0] ?? '')
  expect(kinds(await check())).toEqual([
    ['a', 'tile/entries/000', 'malformed'],
    ['b', 'tile/0/000', 'mismatch'],
    ['b', 'tile/1/000.p/1', 'mismatch'],
    ['b', 'checkpoint', 'mismatch'],
  ])
  flipBit(life.files('a', /tile\/entries\/000$/)[0] ?? '')
  flipBit(life.files('b', /tile\/0\/000$/)[0] ?? '')

  // Each replica has lost what the other one has, and a third was never given anything.
  flipBit(life.files('a', /tile\/entries\/000$/)[0] ?? '')
  deleteFile(life.files('b', /tile\/0\/000$/)[0] ?? '')
  deleteFile(life.files('b', /tile\/1\/000\.p\/1$/, 'heads')[0] ?? '')
  expect(await mended({ replica: 'a' })).toEqual(['a tile/entries/000'])
  expect(await mended()).toEqual(['b tile/0/000', 'b tile/1/000.p/1'])
  expect(await check()).toMatchObject({ findings: [] })
  for (const place of [join('objects', 'tile'), join('objects', 'events'), join('heads', 'tile')])
    rmSync(join(life.service.home, 'replicas', 'b', place), { recursive: true })
  expect(await mended()).toHaveLength(whole.leaves + 2 + 3)
  expect(await check()).toMatchObject({ findings: [] })
  expect(await mended()).toEqual([])

  flipBit(life.files('a', /^events\/[0-9a-f]{64}\.json$/)[5] ?? '')
  deleteFile(life.files('b', /^events\/[0-9a-f]{64}\.json$/)[7] ?? '')
  expect(kinds(await check()).toSorted(byReplica)).toEqual([
    ['a', 'events/*.json', 'mismatch'],
    ['b', 'events/*.json', 'missing'],
  ])
  expect(await mended()).toHaveLength(2)
  expect(await check()).toMatchObject({ findings: [] })
})

test('a replica whose unlocked place was set back, and an index that is older, are findings', async () => {
  const { service } = life
  await service.publish()
  const before = await service.get(LogStore).readCheckpoints()
  service.clock.advance(dayMs)
  await service.get(RecordMissed).run()
  await service.get(PublishLog).run()
  const [old] = before.stored
  await service
    .get(LogStore)
    .replicas.named('b')
    .heads.write('checkpoint', old?.bytes ?? new Uint8Array())
  expect(kinds(await check())).toEqual([['b', 'checkpoint', 'behind']])
  deleteFile(life.files('b', /^checkpoint$/, 'heads')[0] ?? '')
  expect(kinds(await check())).toEqual([['b', 'checkpoint', 'missing']])
  await service.loseDatabase()
  expect(kinds(await check()).slice(0, 3)).toEqual([
    [null, 'index', 'behind'],
    ['b', 'checkpoint', 'missing'],
    [null, 'index, leaf 0', 'missing'],
  ])
})
