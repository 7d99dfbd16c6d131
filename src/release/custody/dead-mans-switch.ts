/**
 * When the depositor's silence becomes a release condition by itself (DESIGN section 7). It can only ever propose: a beneficiary must
 * take the proposal up with a signed request of its own, and people decide from there.
 */
import { unreachable } from '../../core/errors.js'
import type { ReleasePolicy, SilenceLimits } from '../rules/release-policy.js'

const dayMs = 86_400_000

/** What was last seen of the depositor, from verified deposits and signed heartbeats. */
export interface SignsOfLife {
  /** When the longest-overdue source should have had a verified deposit, grace included; null when none is overdue. */
  readonly depositDueAt: Date | null
  /** When the depositor last signed anything, a heartbeat or another statement; null when it never did. */
  readonly wordAt: Date | null
  /** From when on signs are expected. */
  readonly expectedFrom: Date
}

export type SilenceReason = 'deposits-missed' | 'heartbeats-missed'

interface Watch<Name extends string> {
  readonly name: Name
  readonly since: string
  readonly until: string
  readonly reasons: readonly SilenceReason[]
}

/** The agreed limits, and how long words alone can stand in for deposits: the agreement's `contestDaysMax`. */
export interface WatchLimits extends SilenceLimits {
  readonly wordDaysMax: number
}

/** `noticed`: the depositor was told and has time. `proposed`: beneficiaries may take the request up. */
export type SilenceWatch = { readonly name: 'present' } | Watch<'noticed'> | Watch<'proposed'>

export type SilenceEvent = 'notice-due' | 'request-proposed' | 'proposal-lapsed' | 'sign-of-life'

export interface SilenceVerdict {
  readonly watch: SilenceWatch
  readonly events: readonly SilenceEvent[]
}

/**
 * Look at the depositor's signs of life once.
 *
 * @param watch - as the last look returned it; `{ name: 'present' }` at first.
 * @returns the watch afterwards and what follows from it: at most one event, so that after an outage the depositor still has its
 *   whole time between notice and proposal. A sign of life ends notice and proposal at once.
 *
 * A clock that goes back delays, it never proposes: a window that began in what is now the future begins anew.
 */
export function watchSilence(watch: SilenceWatch, signs: SignsOfLife, limits: WatchLimits, now: Date): SilenceVerdict {
  if (watch.name !== 'present' && now.toISOString() < watch.since) return { watch: beginAnew(watch, limits, now), events: [] }
  const reasons = reasonsOf(signs, limits, now)
  if (reasons.length === 0) return { watch: { name: 'present' }, events: watch.name === 'present' ? [] : ['sign-of-life'] }
  const at = now.toISOString()
  const window = (days: number) => ({ since: at, until: daysAfter(now, days).toISOString(), reasons })
  switch (watch.name) {
    case 'present':
      return { watch: { name: 'noticed', ...window(limits.proposeAfterDays) }, events: ['notice-due'] }
    case 'noticed':
      if (at < watch.until) return { watch, events: [] }
      return { watch: { name: 'proposed', ...window(limits.proposalDays) }, events: ['request-proposed'] }
    case 'proposed':
      // Nobody took it up. The silence goes on, so the depositor is told again and the switch stays armed.
      if (at < watch.until) return { watch, events: [] }
      return { watch: { name: 'noticed', ...window(limits.proposeAfterDays) }, events: ['proposal-lapsed'] }
    default:
      return unreachable(watch)
  }
}

/**
 * The condition under which silence is proposed.
 *
 * @returns the first condition of kind `missed-deposits` that is automatic; null when the agreement has no dead man's switch.
 */
export function silenceCondition(policy: ReleasePolicy): string | null {
  return policy.conditions.find((condition) => condition.kind === 'missed-deposits' && condition.automatic)?.condition ?? null
}

function beginAnew(watch: Watch<'noticed'> | Watch<'proposed'>, limits: WatchLimits, now: Date): SilenceWatch {
  const days = watch.name === 'noticed' ? limits.proposeAfterDays : limits.proposalDays
  return { ...watch, since: now.toISOString(), until: daysAfter(now, days).toISOString() }
}

function reasonsOf(signs: SignsOfLife, limits: WatchLimits, now: Date): readonly SilenceReason[] {
  const isOver = (from: Date, days: number): boolean => now >= daysAfter(from, days)
  const reasons: SilenceReason[] = []
  const { depositDueAt, wordAt } = signs
  if (depositDueAt !== null && isOver(silentSince(depositDueAt, wordAt, limits), limits.noticeAfterDays)) reasons.push('deposits-missed')
  if (limits.heartbeatDays !== null && isOver(wordAt ?? signs.expectedFrom, limits.heartbeatDays)) reasons.push('heartbeats-missed')
  return reasons
}

/** Whatever the depositor signs breaks its silence; but who only talks cannot do so for ever instead of depositing. */
function silentSince(depositDueAt: Date, wordAt: Date | null, limits: WatchLimits): Date {
  if (wordAt === null || wordAt <= depositDueAt) return depositDueAt
  const limit = daysAfter(depositDueAt, limits.wordDaysMax)
  return wordAt < limit ? wordAt : limit
}

function daysAfter(from: Date, days: number): Date {
  return new Date(from.getTime() + days * dayMs)
}
