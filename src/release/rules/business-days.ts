/**
 * Periods in business days and calendar days, as law counts them: the day of the event is not counted, and a period ends with the
 * expiry of the last hour of its last day (Regulation (EEC, Euratom) No 1182/71, Art. 3(1) and 3(2)(b)). Holidays are data of the
 * agreement; nothing here knows a country.
 */
import { z } from 'zod'
import { assert, EscrowError } from '../../core/errors.js'
import { Slug } from '../../format/ids.js'
import { dayIn, isTimeZone, offsetMs } from '../../format/wall-clock.js'

/** A day of the calendar without time or zone: `2026-12-25`. */
export const LocalDate = z
  .string()
  .regex(/^\d{4}-\d\d-\d\d$/, 'expected a day like 2026-12-25')
  .refine((text) => isRealDay(text), 'expected a day that exists')
export type LocalDate = z.infer<typeof LocalDate>

/** Which days count. Weekdays are ISO numbers, 1 for Monday to 7 for Sunday; at least one weekday is always left. */
export const BusinessCalendar = z.strictObject({
  calendar: Slug,
  /** IANA name, for example `Europe/Zurich`: days begin and end there. */
  timeZone: z.string().max(64).refine(isTimeZone, 'expected an IANA time zone that this machine knows'),
  weekend: z.array(z.number().int().min(1).max(7)).max(6).default([6, 7]),
  holidays: z.array(LocalDate).max(5000).default([]),
})
export type BusinessCalendar = z.infer<typeof BusinessCalendar>

const dayMs = 86_400_000
/** Longer periods are mistakes: ten years of business days. */
const daysMax = 3660

/**
 * The end of a period of business days.
 *
 * @param from - the event; its own day is not counted.
 * @param days - 0 to 3660; 0 ends the period at once.
 * @returns the first moment after the period: midnight, in the calendar's zone, at the end of the last business day.
 * @throws EscrowError `ARGUMENT_INVALID` for other numbers of days.
 *
 * Monotone in `from` and in `days`. Source: Regulation 1182/71, Art. 3.
 */
export function addBusinessDays(from: Date, days: number, calendar: BusinessCalendar): Date {
  requireDays(days)
  if (days === 0) return from
  const holidays = new Set(calendar.holidays)
  let day = localDay(from, calendar.timeZone)
  let left = days
  // Every week has a day that is no weekend, and each holiday can take at most one of them.
  for (let steps = (days + holidays.size + 1) * 7; left > 0; steps -= 1) {
    assert(steps > 0, 'a calendar leaves at least one business day a week')
    day += 1
    if (isOpen(day, calendar.weekend, holidays)) left -= 1
  }
  return startOfDay(day + 1, calendar.timeZone)
}

/**
 * The end of a period of calendar days that must not end on a day when nobody works (Regulation 1182/71, Art. 3(4)).
 *
 * @param days - 0 to 3660; 0 ends the period at once.
 * @returns midnight at the end of the last day, or of the next business day where the last is none.
 * @throws EscrowError `ARGUMENT_INVALID` for other numbers of days.
 */
export function addCalendarDays(from: Date, days: number, calendar: BusinessCalendar): Date {
  requireDays(days)
  if (days === 0) return from
  const holidays = new Set(calendar.holidays)
  let day = localDay(from, calendar.timeZone) + days
  for (let steps = (holidays.size + 1) * 7; !isOpen(day, calendar.weekend, holidays); steps -= 1) {
    assert(steps > 0, 'a calendar leaves at least one business day a week')
    day += 1
  }
  return startOfDay(day + 1, calendar.timeZone)
}

/** Whether people work at a moment's day, in the calendar's zone. */
export function isBusinessDay(at: Date, calendar: BusinessCalendar): boolean {
  return isOpen(localDay(at, calendar.timeZone), calendar.weekend, new Set(calendar.holidays))
}

/** The day of a moment in a zone, as people write it. */
export function localDateOf(at: Date, timeZone: string): LocalDate {
  return dayText(localDay(at, timeZone))
}

function requireDays(days: number): void {
  if (!Number.isInteger(days) || days < 0 || days > daysMax) {
    throw new EscrowError('ARGUMENT_INVALID', `expected 0 to ${daysMax} whole days, got ${days}`)
  }
}

function isOpen(day: number, weekend: readonly number[], holidays: ReadonlySet<string>): boolean {
  return !weekend.includes(isoWeekday(day)) && !holidays.has(dayText(day))
}

/** Days are counted from 1970-01-01, a Thursday. */
function isoWeekday(day: number): number {
  return ((((day + 3) % 7) + 7) % 7) + 1
}

function dayText(day: number): string {
  return new Date(day * dayMs).toISOString().slice(0, 10)
}

function isRealDay(text: string): boolean {
  const at = Date.parse(`${text}T00:00:00.000Z`)
  return Number.isFinite(at) && new Date(at).toISOString().startsWith(text)
}

function localDay(at: Date, timeZone: string): number {
  return dayIn(timeZone, at.getTime())
}

/**
 * The first moment of a day. Offsets before and after the day bracket a change of clocks: where midnight does not exist (Beirut,
 * Cairo) the day begins with the change, where it comes twice the later one begins the day.
 */
function startOfDay(day: number, timeZone: string): Date {
  const key = `${timeZone} ${day}`
  const known = dayStarts.get(key) ?? findStartOfDay(day, timeZone)
  if (dayStarts.size < dayStartsMax) dayStarts.set(key, known)
  return new Date(known)
}

/** Hundreds of requests under one order share their deadlines, and a formatter takes some 20 microseconds for each question. */
const dayStarts = new Map<string, number>()
const dayStartsMax = 20_000

function findStartOfDay(day: number, timeZone: string): number {
  const midnight = day * dayMs
  const candidates = [midnight - offsetMs(timeZone, midnight - dayMs), midnight - offsetMs(timeZone, midnight + dayMs)]
  const within = candidates.filter((atMs) => atMs + offsetMs(timeZone, atMs) >= midnight)
  assert(within.length > 0, `day ${dayText(day)} begins somewhere in ${timeZone}`)
  return Math.min(...within)
}
