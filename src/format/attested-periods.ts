// Pure: what happened to each due time, from the events of a source. The agent writes it down and every verifier computes it again.
import type { AttestedPeriod, PeriodOutcome } from './attestation.js'
import type { Event } from './event.js'
import { deadlineOf, dueTimes, type Schedule } from './schedule.js'

/** A span of time and when one looks at it. */
export interface AttestedSpan {
  /** Inclusive. */
  readonly from: Date
  /** Exclusive. */
  readonly to: Date
  /** A deadline after this moment is still open. */
  readonly now: Date
}

/**
 * The due times of a schedule in a span, with what happened to each.
 *
 * A due time is met by the first deposit, or look that found nothing new, that the log records from then until the deadline, or that names it.
 * It is missed when an event says so; a refusal or failure is what is left when nothing met it and nobody recorded a miss.
 *
 * @param events - of this source, in the order of their chain.
 * @param max - at most so many due times.
 */
export function attestPeriods(schedule: Schedule, span: AttestedSpan, events: readonly Event[], max: number): readonly AttestedPeriod[] {
  const timed = events.flatMap((event) => timedEvent(event))
  return dueTimes(schedule, span, max).map((dueMs) => {
    const due = { dueMs, deadlineMs: deadlineOf(schedule, dueMs) }
    const own = timed.filter((one) => concerns(one, due)).map(({ event }) => event)
    const { outcome, late } = outcomeOf(own, due, span.now.getTime())
    const numbers = own.map((event) => event.chain.number)
    return { dueAt: iso(dueMs), deadlineAt: iso(due.deadlineMs), outcome, late, events: numbers }
  })
}

interface Due {
  readonly dueMs: number
  readonly deadlineMs: number
}

/** An event that may speak of a due time, with its times read once: a year of hours asks each of them thousands of times. */
interface TimedEvent {
  readonly event: Event
  readonly atMs: number
  /** The due time that it names. */
  readonly namesMs: number | null
  /** Whether it also speaks of the due times around it. */
  readonly byTime: boolean
}

function timedEvent(event: Event): readonly TimedEvent[] {
  if (!('dueAt' in event)) return []
  const namesMs = event.dueAt === null ? null : Date.parse(event.dueAt)
  return [{ event, atMs: Date.parse(event.at), namesMs, byTime: event.type !== 'escrow/event/deposit-missed/v1' }]
}

/** An event speaks of a due time when it names it, or when it was recorded from then until the deadline. */
function concerns({ atMs, namesMs, byTime }: TimedEvent, { dueMs, deadlineMs }: Due): boolean {
  return namesMs === dueMs || (byTime && atMs >= dueMs && atMs <= deadlineMs)
}

function outcomeOf(own: readonly Event[], { deadlineMs }: Due, nowMs: number): { readonly outcome: PeriodOutcome; readonly late: boolean } {
  const missed = own.some((event) => event.type === 'escrow/event/deposit-missed/v1')
  const met = own.find((event) => event.type === 'escrow/event/deposit-stored/v1' || event.type === 'escrow/event/deposit-unchanged/v1')
  if (missed) return { outcome: 'missed', late: met !== undefined }
  if (met !== undefined) {
    const outcome = met.type === 'escrow/event/deposit-stored/v1' ? 'deposit' : 'unchanged'
    return { outcome, late: Date.parse(met.at) > deadlineMs }
  }
  if (nowMs <= deadlineMs) return { outcome: 'open', late: false }
  const last = own.at(-1)
  if (last === undefined) return { outcome: 'nothing', late: false }
  return { outcome: last.type === 'escrow/event/deposit-refused/v1' ? 'refused' : 'failed', late: false }
}

const iso = (ms: number) => new Date(ms).toISOString()
