import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { addBusinessDays, addCalendarDays, BusinessCalendar, isBusinessDay, localDateOf } from '../../../src/release/rules/business-days.js'

const moment = fc.date({ min: new Date('2020-01-01T00:00:00.000Z'), max: new Date('2040-01-01T00:00:00.000Z'), noInvalidDate: true })
const zones = ['Europe/Zurich', 'America/St_Johns', 'Africa/Cairo', 'Pacific/Kiritimati', 'Asia/Kathmandu', 'America/Santiago', 'UTC']
const calendar = fc
  .record({
    calendar: fc.constant('any'),
    timeZone: fc.constantFrom(...zones),
    weekend: fc.subarray([1, 2, 3, 4, 5, 6, 7], { maxLength: 6 }),
    holidays: fc.array(
      moment.map((at) => at.toISOString().slice(0, 10)),
      { maxLength: 40 },
    ),
  })
  .map((value) => BusinessCalendar.parse(value))
const days = fc.nat(30)

test('a period ends at midnight after as many business days as it has', () => {
  fc.assert(
    fc.property(moment, fc.integer({ min: 1, max: 30 }), calendar, (from, count, rules) => {
      const end = addBusinessDays(from, count, rules)
      const last = new Date(end.getTime() - 1)
      expect(isBusinessDay(last, rules)).toBe(true)
      expect(localDateOf(last, rules.timeZone) < localDateOf(end, rules.timeZone)).toBe(true)
      expect(businessDaysBetween(from, last, rules)).toBe(count)
    }),
    { numRuns: 150 },
  )
})

test('periods only grow: with their days, with their beginning, and with every holiday', () => {
  fc.assert(
    fc.property(moment, fc.nat(10 * 86_400_000), days, calendar, moment, (from, more, count, rules, holiday) => {
      const end = addBusinessDays(from, count, rules).getTime()
      expect(addBusinessDays(from, count + 1, rules).getTime()).toBeGreaterThan(end)
      expect(addBusinessDays(new Date(from.getTime() + more), count, rules).getTime()).toBeGreaterThanOrEqual(end)
      const stricter = { ...rules, holidays: [...rules.holidays, holiday.toISOString().slice(0, 10)] }
      expect(addBusinessDays(from, count, stricter).getTime()).toBeGreaterThanOrEqual(end)
    }),
    { numRuns: 150 },
  )
})

test('calendar days never end before business days of the same number could begin', () => {
  fc.assert(
    fc.property(moment, fc.integer({ min: 1, max: 30 }), calendar, (from, count, rules) => {
      const end = addCalendarDays(from, count, rules)
      expect(end.getTime()).toBeGreaterThan(from.getTime() + (count - 1) * 86_400_000)
      expect(end.getTime()).toBeLessThanOrEqual(addBusinessDays(from, count, rules).getTime())
    }),
    { numRuns: 150 },
  )
})

/** Counted the slow way: noon after noon. */
function businessDaysBetween(from: Date, to: Date, rules: BusinessCalendar): number {
  const seen = new Set<string>()
  const first = localDateOf(from, rules.timeZone)
  for (let at = from.getTime(); at <= to.getTime() + 3_600_000; at += 6 * 3_600_000) {
    const hour = new Date(Math.min(at, to.getTime()))
    const day = localDateOf(hour, rules.timeZone)
    if (day !== first && isBusinessDay(hour, rules)) seen.add(day)
  }
  if (isBusinessDay(to, rules)) seen.add(localDateOf(to, rules.timeZone))
  return seen.size
}
