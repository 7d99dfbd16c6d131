// Pure: when deposits of a source are due. A schedule is `startsAt + k * everyHours`; a period is met by a deposit, or by seeing that
// nothing has changed, from its moment until its deadline.
import { sha256Hex } from '../crypto/digest.js'
import type { Schedule } from '../format/agreement.js'

const hourMs = 3_600_000

/** One moment of a schedule: due from `periodAt`, missed after `deadlineAt`. */
export interface Period {
  readonly periodAt: Date
  readonly deadlineAt: Date
}

/** The numbers of a schedule, as rows and agreements both have them. */
export interface Rhythm {
  readonly startsAt: Date
  readonly everyHours: number
  readonly graceHours: number
}

/** The rhythm that an agreement's schedule describes. */
export function rhythmOf(schedule: Schedule): Rhythm {
  return { startsAt: new Date(schedule.startsAt), everyHours: schedule.everyHours, graceHours: schedule.graceHours }
}

/** The first period of a schedule. */
export function firstPeriod(rhythm: Rhythm): Period {
  return periodNumber(rhythm, 0)
}

/**
 * The period that is to be met after a source was found fresh.
 *
 * @param freshAt - when the archive last equalled the remote.
 * @returns the first period that begins after `freshAt`: what came early for one period does not count for the next.
 */
export function periodAfter(rhythm: Rhythm, freshAt: Date): Period {
  const elapsed = freshAt.getTime() - rhythm.startsAt.getTime()
  return periodNumber(rhythm, elapsed < 0 ? 0 : Math.floor(elapsed / (rhythm.everyHours * hourMs)) + 1)
}

/**
 * Every moment of the schedule in a span of time.
 *
 * @param span - from inclusive, to exclusive.
 * @param max - at most so many, for the caller's sake.
 * @returns in order; empty when the span ends before the schedule starts.
 */
export function periodsBetween(rhythm: Rhythm, span: { readonly from: Date; readonly to: Date }, max: number): readonly Period[] {
  const everyMs = rhythm.everyHours * hourMs
  const first = Math.max(0, Math.ceil((span.from.getTime() - rhythm.startsAt.getTime()) / everyMs))
  const end = Math.ceil((span.to.getTime() - rhythm.startsAt.getTime()) / everyMs)
  const numbers = Array.from({ length: Math.max(0, Math.min(end - first, max)) }, (_, index) => first + index)
  return numbers.map((number) => periodNumber(rhythm, number))
}

/** The period after one of the schedule's own. */
export function nextPeriod(rhythm: Rhythm, periodAt: Date): Period {
  return periodNumber(rhythm, Math.round((periodAt.getTime() - rhythm.startsAt.getTime()) / (rhythm.everyHours * hourMs)) + 1)
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

function periodNumber(rhythm: Rhythm, number: number): Period {
  const periodMs = rhythm.startsAt.getTime() + number * rhythm.everyHours * hourMs
  return { periodAt: new Date(periodMs), deadlineAt: new Date(periodMs + rhythm.graceHours * hourMs) }
}
