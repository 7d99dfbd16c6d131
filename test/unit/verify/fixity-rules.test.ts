import { expect, test } from 'vitest'
import { nextCheck } from '../../../src/verify/fixity.js'
import { ReadPace } from '../../../src/verify/read-pace.js'

const dayMs = 86_400_000
const storedAt = new Date('2026-01-01T00:00:00Z')
const day = (days: number) => new Date(storedAt.getTime() + days * dayMs)

test.for([
  [0, 7],
  [3, 7],
  [7, 14],
  [21, 42],
  [45, 90],
  [1000, 90],
])('a copy that matches when it is %i days old is read again after %i', ([age, days]) => {
  const rule = { everyDays: 90, storedAt }
  expect(nextCheck('match', rule, day(age!))).toEqual(day(age! + days!))
})

test.for(['mismatch', 'missing', 'unreadable'] as const)('a copy that is %s is looked at again the next day', (outcome) => {
  expect(nextCheck(outcome, { everyDays: 90, storedAt }, day(400))).toEqual(day(401))
})

test('no interval is longer than agreed, and a clock that ran ahead makes none shorter than a week', () => {
  expect(nextCheck('match', { everyDays: 3, storedAt }, day(0))).toEqual(day(3))
  expect(nextCheck('match', { everyDays: 90, storedAt: day(500) }, day(10))).toEqual(day(17))
})

function paced(bytesPerSecond: number | null) {
  const time = { nowMs: 0, slept: 0 }
  const sleep = async (ms: number) => {
    time.slept += ms
    time.nowMs += ms
  }
  return { time, pace: new ReadPace(bytesPerSecond, { nowMs: () => time.nowMs, sleep }) }
}

test.for([100, 1000, 100_000])('reading in blocks of %i bytes takes as long as the budget says', async (block) => {
  const { time, pace } = paced(100_000)
  for (let read = 0; read < 1_000_000; read += block) await pace.spend('a', block)
  expect(time.nowMs).toBeGreaterThanOrEqual(9_900)
  expect(time.nowMs).toBeLessThanOrEqual(10_100)
})

test('each replica has its own budget', async () => {
  const slept: number[] = []
  const pace = new ReadPace(1000, { nowMs: () => 0, sleep: async (ms) => slept.push(ms) })
  for (const replica of ['a', 'b', 'a']) await pace.spend(replica, 1000)
  expect(slept).toEqual([1000, 1000, 2000])
})

test('without a budget nobody waits', async () => {
  const { time, pace } = paced(null)
  await pace.spend('a', 1e12)
  expect(time.slept).toBe(0)
})

test('what was not used is not made up for: after a pause there is at most a second of it', async () => {
  const { time, pace } = paced(1000)
  await pace.spend('a', 1)
  time.nowMs += 3_600_000
  const before = time.nowMs
  await pace.spend('a', 10_000)
  expect(time.nowMs - before).toBeGreaterThanOrEqual(9000)
})

test('whoever waits can be stopped', async () => {
  const pace = new ReadPace(1)
  const stop = AbortSignal.abort(new Error('stopped'))
  await expect(pace.spend('a', 1000, stop)).rejects.toThrow()
})
