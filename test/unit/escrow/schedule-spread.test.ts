import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { startSpreadMaxMs } from '../../../src/core/job-limits.js'
import { timingAfter } from '../../../src/escrow/deposit/publish-deposit.js'
import { spreadMs } from '../../../src/escrow/source/schedule.js'
import type { AgreementId } from '../../../src/format/ids.js'

const hourMs = 3_600_000
const startsAt = new Date('2026-11-22T00:00:00.000Z')
const every = (everyHours: number, graceHours: number) => ({ startsAt, everyHours, cron: null, timeZone: null, graceHours })
const freshAt = new Date(startsAt.getTime() + 1000)
const looks = (graceHours: number, count: number) =>
  Array.from({ length: count }, (_, number) => {
    const source = { ...every(24, graceHours), agreementId: `agr_${'a'.repeat(20)}` as AgreementId, source: `source-${number}` }
    const timing = timingAfter(source, freshAt)
    expect(timingAfter(source, freshAt)).toEqual(timing)
    return timing
  })

test.for([
  [24, startSpreadMaxMs],
  [1, hourMs / 20],
])(
  'a thousand sources of one moment, with %i hours of grace, begin evenly over %i ms, and all are due at that moment',
  ([grace, withinMs]) => {
    const timings = looks(grace!, 1000)
    expect(new Set(timings.map(({ dueAt, periodAt, deadlineAt }) => [dueAt, periodAt, deadlineAt].map(Number).join()))).toHaveLength(1)
    const waits = timings.map(({ lookAt, dueAt }) => Number(lookAt) - Number(dueAt))
    expect(Math.min(...waits)).toBeGreaterThanOrEqual(0)
    expect(Math.max(...waits)).toBeLessThan(withinMs!)
    const tenths = Array.from({ length: 10 }, (_, tenth) => waits.filter((wait) => Math.floor((wait / withinMs!) * 10) === tenth).length)
    for (const begun of tenths) expect(begun).toBeGreaterThan(50)
  },
)

test('a name has one place in any span of time, and never beyond it', () => {
  fc.assert(
    fc.property(fc.string(), fc.nat({ max: 1e9 }), (name, withinMs) => {
      const place = spreadMs(name, withinMs)
      expect(spreadMs(name, withinMs)).toBe(place)
      expect(place === 0 || (place > 0 && place < withinMs)).toBe(true)
    }),
  )
})
