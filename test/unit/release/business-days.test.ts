import { describe, expect, test } from 'vitest'
import { addBusinessDays, addCalendarDays, BusinessCalendar, isBusinessDay, localDateOf } from '../../../src/release/rules/business-days.js'
import { refusal } from '../../doubles/code-of.js'

const calendar = (timeZone: string, holidays: readonly string[] = [], weekend = [6, 7]): BusinessCalendar =>
  BusinessCalendar.parse({ calendar: 'test', timeZone, holidays, weekend })
const zurich = calendar('Europe/Zurich', ['2026-12-25', '2027-01-01'])

describe('business days', () => {
  // Regulation (EEC, Euratom) No 1182/71, Art. 3: the day of the event does not count; the period ends with its last day's last hour.
  test.for([
    ['Monday morning, one day', '2026-11-23T09:00:00.000Z', 1, '2026-11-24T23:00:00.000Z'],
    ['Monday, a minute before midnight', '2026-11-23T22:59:00.000Z', 1, '2026-11-24T23:00:00.000Z'],
    ['already Tuesday in Zurich', '2026-11-23T23:00:00.000Z', 1, '2026-11-25T23:00:00.000Z'],
    ['Friday, one day is Monday', '2026-11-27T09:00:00.000Z', 1, '2026-11-30T23:00:00.000Z'],
    ['Saturday, one day is Monday', '2026-11-28T09:00:00.000Z', 1, '2026-11-30T23:00:00.000Z'],
    ['ten days are two weeks', '2026-11-23T09:00:00.000Z', 10, '2026-12-07T23:00:00.000Z'],
    ['Christmas on a Friday is skipped', '2026-12-24T09:00:00.000Z', 1, '2026-12-28T23:00:00.000Z'],
    ['no day', '2026-11-28T09:00:00.000Z', 0, '2026-11-28T09:00:00.000Z'],
    ['over the end of summer time', '2026-10-23T09:00:00.000Z', 1, '2026-10-26T23:00:00.000Z'],
    ['over its beginning', '2027-03-26T09:00:00.000Z', 1, '2027-03-29T22:00:00.000Z'],
  ] as const)('%s', ([, from, days, end]) => {
    expect(addBusinessDays(new Date(from), days, zurich).toISOString()).toBe(end)
  })

  test('a day that begins with a change of clocks begins at one o’clock', () => {
    // Cairo, 2026-04-24 (a Friday): midnight does not exist; the day begins at 01:00 local, 22:00 UTC.
    expect(addBusinessDays(new Date('2026-04-22T09:00:00.000Z'), 1, calendar('Africa/Cairo', [], [5, 6])).toISOString()).toBe(
      '2026-04-23T22:00:00.000Z',
    )
  })

  test('a day that never was is no day at the island that skipped it', () => {
    // Samoa had no 30 December 2011.
    const from = new Date('2011-12-29T20:00:00.000Z')
    expect(localDateOf(from, 'Pacific/Apia')).toBe('2011-12-29')
    expect(addBusinessDays(from, 2, calendar('Pacific/Apia', [], [])).getTime()).toBeGreaterThan(from.getTime())
  })

  test('a period of days ends on a day when people work', () => {
    expect(addCalendarDays(new Date('2026-11-23T09:00:00.000Z'), 5, zurich).toISOString()).toBe('2026-11-30T23:00:00.000Z')
    expect(addCalendarDays(new Date('2026-11-23T09:00:00.000Z'), 2, zurich).toISOString()).toBe('2026-11-25T23:00:00.000Z')
  })

  test.for([-1, 1.5, 3661, Number.NaN, Number.POSITIVE_INFINITY])('%d days are refused', (days) => {
    expect(refusal(() => addBusinessDays(new Date(0), days, zurich))).toBe('ARGUMENT_INVALID')
    expect(refusal(() => addCalendarDays(new Date(0), days, zurich))).toBe('ARGUMENT_INVALID')
  })

  test('a Saturday is a business day where the weekend is Friday alone', () => {
    expect(isBusinessDay(new Date('2026-11-28T09:00:00.000Z'), calendar('Asia/Dubai', [], [5]))).toBe(true)
    expect(isBusinessDay(new Date('2026-11-28T09:00:00.000Z'), zurich)).toBe(false)
  })
})

describe('calendars', () => {
  const good = { calendar: 'zurich', timeZone: 'Europe/Zurich', weekend: [6, 7], holidays: [] }
  test.for([
    ['a zone that nobody knows', { ...good, timeZone: 'Europe/Atlantis' }],
    ['a week of weekends', { ...good, weekend: [1, 2, 3, 4, 5, 6, 7] }],
    ['an eighth weekday', { ...good, weekend: [8] }],
    ['the 30th of February', { ...good, holidays: ['2026-02-30'] }],
    ['a moment for a day', { ...good, holidays: ['2026-12-25T00:00:00.000Z'] }],
    ['an unknown field', { ...good, country: 'CH' }],
  ])('with %s are refused', ([, value]) => {
    expect(BusinessCalendar.safeParse(value).success).toBe(false)
  })
})
