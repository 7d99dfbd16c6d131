import { expect, test } from 'vitest'
import { firstPeriod, periodAfter, periodsBetween, rhythmOf } from '../../src/escrow/schedule.js'

const rhythm = rhythmOf({ startsAt: '2026-11-01T06:00:00.000Z', everyHours: 24, graceHours: 12 })

test('the first deposit is due when the schedule starts, and missed when the grace has passed', () => {
  expect(firstPeriod(rhythm)).toEqual({ periodAt: new Date('2026-11-01T06:00:00Z'), deadlineAt: new Date('2026-11-01T18:00:00Z') })
})

test.for([
  ['long before the start', '2020-01-01T00:00:00Z', '2026-11-01T06:00:00Z'],
  ['one millisecond before the start', '2026-11-01T05:59:59.999Z', '2026-11-01T06:00:00Z'],
  ['at the start', '2026-11-01T06:00:00Z', '2026-11-02T06:00:00Z'],
  ['one millisecond before the second', '2026-11-02T05:59:59.999Z', '2026-11-02T06:00:00Z'],
  ['at the second', '2026-11-02T06:00:00Z', '2026-11-03T06:00:00Z'],
] as const)('fresh %s: the next period is the first that begins afterwards', ([, freshAt, periodAt]) => {
  expect(periodAfter(rhythm, new Date(freshAt)).periodAt).toEqual(new Date(periodAt))
})

test('a span names each of its moments once, the first included and the last not', () => {
  const days = periodsBetween(rhythm, { from: new Date('2026-11-02T06:00:00Z'), to: new Date('2026-11-05T06:00:00Z') }, 100)
  expect(days.map((day) => day.periodAt.toISOString().slice(8, 10))).toEqual(['02', '03', '04'])
})

test('a span before the schedule is empty, and no span is longer than asked', () => {
  expect(periodsBetween(rhythm, { from: new Date(0), to: rhythm.startsAt }, 100)).toEqual([])
  expect(periodsBetween(rhythm, { from: new Date(0), to: new Date('2027-11-01T00:00:00Z') }, 7)).toHaveLength(7)
})
