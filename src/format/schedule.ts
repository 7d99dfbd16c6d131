// Pure: when deposits of a source are due. The service plans by these functions, the agent attests by them, and every verifier computes
// them again.
import { z } from 'zod'
import { EscrowError, isEscrowError } from '../core/errors.js'
import { cronCharactersMax } from '../core/limits.js'
import { isCronDay, parseCron } from './cron.js'
import { Instant } from './ids.js'
import { dayIn, instantsOf } from './wall-clock.js'

const hourMs = 3_600_000
/** 29 February is at most eight years away, as from 2096 to 2104. */
const daysAheadMax = 8 * 366

/** How long after its due time a deposit may come before it counts as missed. */
const GraceHours = z.number().int().min(0).max(8784)

/** A name of the IANA time zone database: not an offset, which would not follow summer time, and no other spelling of it. */
export const TimeZone = z
  .string()
  .max(64)
  .regex(/^(?:UTC|[A-Z][A-Za-z]+(?:\/[A-Za-z0-9_+-]+)+)$/, 'expected a time zone like Europe/Zurich, or UTC')

/** Five fields: minute, hour, day of month, month, day of week. */
export const Cron = z
  .string()
  .max(cronCharactersMax)
  .superRefine((text, context) => {
    try {
      parseCron(text)
    } catch (error) {
      context.addIssue({ code: 'custom', message: isEscrowError(error) ? error.message : 'expected a cron line' })
    }
  })

/** Due at `startsAt`, and again every so many hours. */
export const IntervalSchedule = z.strictObject({
  startsAt: Instant,
  everyHours: z.number().int().min(1).max(8784),
  graceHours: GraceHours,
})
export type IntervalSchedule = z.infer<typeof IntervalSchedule>

/** Due whenever clocks in a time zone show the times of a cron line, from `startsAt` on. */
export const CalendarSchedule = z.strictObject({ startsAt: Instant, cron: Cron, timeZone: TimeZone, graceHours: GraceHours })
export type CalendarSchedule = z.infer<typeof CalendarSchedule>

/** When deposits are due (docs/formats/schedule.md). */
export const Schedule = z.union([IntervalSchedule, CalendarSchedule])
export type Schedule = z.infer<typeof Schedule>

/**
 * The first due time after a moment.
 *
 * @param afterMs - milliseconds since 1970; what is due at this very moment does not count.
 * @returns milliseconds since 1970; null when there is none: a day that no year has, as 30 February.
 * @throws EscrowError `AGREEMENT_INVALID` when this runtime does not know the time zone
 */
export function dueAfter(schedule: Schedule, afterMs: number): number | null {
  for (const dueMs of timesAfter(schedule, afterMs)) return dueMs
  return null
}

/**
 * Every due time in a span.
 *
 * @param span - from inclusive, to exclusive. @param max - at most so many, for the caller's sake.
 * @returns milliseconds, ascending; empty when the span ends before the schedule starts. @throws EscrowError as `dueAfter`
 */
export function dueTimes(schedule: Schedule, span: { readonly from: Date; readonly to: Date }, max: number): readonly number[] {
  const times: number[] = []
  for (const dueMs of timesAfter(schedule, span.from.getTime() - 1)) {
    if (dueMs >= span.to.getTime() || times.length >= max) break
    times.push(dueMs)
  }
  return times
}

function timesAfter(schedule: Schedule, afterMs: number): Iterable<number> {
  return 'cron' in schedule ? calendarTimes(schedule, afterMs) : intervalTimes(schedule, afterMs)
}

function* intervalTimes({ startsAt, everyHours }: IntervalSchedule, afterMs: number): Generator<number> {
  const [startMs, everyMs] = [Date.parse(startsAt), everyHours * hourMs]
  const first = Math.max(0, Math.floor((afterMs - startMs) / everyMs) + 1)
  for (let number = first; ; number += 1) yield startMs + number * everyMs
}

function* calendarTimes({ startsAt, cron, timeZone }: CalendarSchedule, afterMs: number): Generator<number> {
  const line = parseCron(cron)
  let lastMs = Math.max(afterMs, Date.parse(startsAt) - 1)
  // Where clocks skip a whole day, its times come a day later.
  let lastDay = dayIn(timeZone, lastMs) - 2
  for (let day = lastDay; day <= lastDay + daysAheadMax; day += 1) {
    if (!isCronDay(line, day)) continue
    for (const dueMs of instantsOf(timeZone, day, line.minutes)) {
      if (dueMs <= lastMs) continue
      yield dueMs
      lastMs = dueMs
      lastDay = day
    }
  }
}

/** The end of the time in which a deposit may come that was due at `dueMs`. */
export function deadlineOf(schedule: Pick<Schedule, 'graceHours'>, dueMs: number): number {
  return dueMs + schedule.graceHours * hourMs
}

/**
 * Why nobody could carry a schedule out.
 *
 * @returns null when there is nothing against it.
 */
export function scheduleProblem(schedule: Schedule): string | null {
  if (!('cron' in schedule)) return null
  try {
    // Clocks of a zone before there were zones are a matter of taste.
    if (Date.parse(schedule.startsAt) < 0) return `expected a calendar that starts after 1970, got ${schedule.startsAt}`
    return dueAfter(schedule, Date.parse(schedule.startsAt)) === null ? `expected a day that there is, got ${schedule.cron}` : null
  } catch (error) {
    if (error instanceof EscrowError) return error.message
    throw error
  }
}

/** A schedule as people read it. */
export function scheduleWords(schedule: Schedule): string {
  if ('cron' in schedule) return `at the times of "${schedule.cron}" in ${schedule.timeZone}`
  return schedule.everyHours === 1 ? 'every hour' : `every ${schedule.everyHours} hours`
}
