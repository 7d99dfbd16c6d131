// Pure: which period of its schedule a source is in. A period is met by a deposit, or by seeing that nothing has changed, from its due time
// until its deadline.
import { assert } from '../../core/errors.js'
import { sha256Hex } from '../../crypto/digest.js'
import { deadlineOf, dueAfter, type Schedule } from '../../format/schedule.js'

/** One moment of a schedule: due from `periodAt`, missed after `deadlineAt`. */
export interface Period {
  readonly periodAt: Date
  readonly deadlineAt: Date
}

/** A schedule as rows have it: every so many hours, or by a cron line in a time zone. */
export interface Rhythm {
  readonly startsAt: Date
  readonly everyHours: number | null
  readonly cron: string | null
  readonly timeZone: string | null
  readonly graceHours: number
}

/** The rhythm that an agreement's schedule describes. */
export function rhythmOf(schedule: Schedule): Rhythm {
  const { startsAt, graceHours } = schedule
  const times =
    'cron' in schedule
      ? { everyHours: null, cron: schedule.cron, timeZone: schedule.timeZone }
      : { everyHours: schedule.everyHours, cron: null, timeZone: null }
  return { startsAt: new Date(startsAt), ...times, graceHours }
}

/** The schedule that a row describes. */
export function scheduleOf({ startsAt, everyHours, cron, timeZone, graceHours }: Rhythm): Schedule {
  const rest = { startsAt: startsAt.toISOString(), graceHours }
  if (everyHours !== null) return { ...rest, everyHours }
  assert(cron !== null && timeZone !== null, 'a source has an interval or a calendar')
  return { ...rest, cron, timeZone }
}

/** The first period of a schedule. @throws EscrowError as `periodAfter` */
export function firstPeriod(rhythm: Rhythm): Period {
  return periodAfter(rhythm, new Date(rhythm.startsAt.getTime() - 1))
}

/**
 * The period that is to be met after a source was found fresh, or after one of its periods was missed.
 *
 * @param freshAt - when the archive last equalled the remote, or the due time that was missed.
 * @returns the first period that begins after `freshAt`: what came early for one period does not count for the next.
 * @throws EscrowError `AGREEMENT_INVALID` when this runtime does not know the time zone
 */
export function periodAfter(rhythm: Rhythm, freshAt: Date): Period {
  const schedule = scheduleOf(rhythm)
  const dueMs = dueAfter(schedule, freshAt.getTime())
  assert(dueMs !== null, 'a schedule that is never due is in no agreement')
  return { periodAt: new Date(dueMs), deadlineAt: new Date(deadlineOf(schedule, dueMs)) }
}

/**
 * Where in a span of time a name has its place: sources that would all begin at once begin one after the other, each at the same moment
 * every time.
 *
 * @param name - of whatever is to be spread. @param withinMs - 0 or more.
 * @returns 0 up to, but without, `withinMs`.
 */
export function spreadMs(name: string, withinMs: number): number {
  return Math.floor((Number.parseInt(sha256Hex(Buffer.from(name)).slice(0, 8), 16) / 2 ** 32) * withinMs)
}
