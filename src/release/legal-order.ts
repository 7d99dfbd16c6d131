/**
 * Orders against the agent itself: disclosure, seizure, preservation (DESIGN section 7). Registered, answered by a checklist, contested
 * in time, and shown to the parties unless that is forbidden. There is no path from here to material: an outcome names only what the
 * agent has, and it has nothing that opens a deposit.
 */
import type { StatementOf } from '../format/statement.js'
import { EscrowError, unreachable } from '../core/errors.js'
import { addBusinessDays, type BusinessCalendar } from './business-days.js'

/** What must be done about every order, in this order. `notice` waits while notice is forbidden. */
export const legalChecklist = ['authenticity', 'jurisdiction', 'counsel', 'scope', 'notice', 'contest'] as const
export type LegalCheck = (typeof legalChecklist)[number]

/** What an order can end in. None of them contains plaintext, shares or keys: the agent holds none. */
export type LegalOutcome = 'annulled' | 'withdrawn' | 'nothing-held' | 'ciphertext-preserved' | 'records-disclosed'

export type LegalState =
  | { readonly name: 'registered'; readonly since: string; readonly until: string }
  | { readonly name: 'contested'; readonly since: string; readonly until: string }
  | { readonly name: 'overdue'; readonly since: string; readonly until: string }
  | { readonly name: 'answered'; readonly since: string; readonly outcome: LegalOutcome }

export interface LegalProgress {
  readonly order: string
  readonly state: LegalState
  readonly done: readonly { readonly check: LegalCheck; readonly proof: string }[]
  /** False as long as the order forbids it; asked again every thirty days. */
  readonly noticeAllowed: boolean
  readonly noticeReviewAt: string | null
  readonly clock: string
}

export type LegalEvent =
  | 'registered'
  | 'notify-parties'
  | 'ask-to-lift-silence'
  | 'contest-lodged'
  | 'answer-overdue'
  | 'answered'
  | 'check-done'

export interface LegalAdvance {
  readonly progress: LegalProgress
  readonly events: readonly LegalEvent[]
}

export type LegalInput =
  | { readonly kind: 'clock' }
  | { readonly kind: 'check-done'; readonly check: LegalCheck; readonly proof: string }
  | { readonly kind: 'contested'; readonly until: Date }
  | { readonly kind: 'notice-allowed' }
  | { readonly kind: 'answered'; readonly outcome: LegalOutcome }

const dayMs = 86_400_000
const reviewDays = 30
/** Time to contest where the order itself gives none. */
const answerBusinessDays = 10

/**
 * Register an order against the agent.
 *
 * @param digest - of the agent's signed `legal-order` statement.
 * @returns the order with its time to contest, and `notify-parties` unless the order forbids it.
 */
export function registerLegalOrder(
  digest: string,
  order: StatementOf<'legal-order'>,
  turn: { readonly calendar: BusinessCalendar; readonly now: Date },
): LegalAdvance {
  const at = turn.now.toISOString()
  const until = order.contestUntil ?? addBusinessDays(turn.now, answerBusinessDays, turn.calendar).toISOString()
  const noticeAllowed = !order.noticeForbidden
  const progress: LegalProgress = {
    order: digest,
    state: { name: 'registered', since: at, until: until > at ? until : at },
    done: [],
    noticeAllowed,
    noticeReviewAt: noticeAllowed ? null : daysAfter(at, reviewDays),
    clock: at,
  }
  return { progress, events: noticeAllowed ? ['registered', 'notify-parties'] : ['registered'] }
}

/**
 * Apply one input.
 *
 * @returns the order afterwards; unanswered orders become `overdue` with an alarm, never answered by the clock.
 * @throws EscrowError `ORDER_STATE` when it is answered already, or is to be answered with checks of its list undone.
 */
export function advanceLegalOrder(progress: LegalProgress, input: LegalInput, given: Date): LegalAdvance {
  const clock = given.toISOString() > progress.clock ? given.toISOString() : progress.clock
  if (progress.state.name === 'answered') {
    if (input.kind === 'clock') return { progress, events: [] }
    throw new EscrowError('ORDER_STATE', 'expected an open legal order, got one that is answered')
  }
  const due = elapse(progress, clock)
  switch (input.kind) {
    case 'clock':
      return due
    case 'check-done':
      return {
        progress: { ...due.progress, clock, done: [...due.progress.done, { check: input.check, proof: input.proof }] },
        events: [...due.events, 'check-done'],
      }
    case 'contested': {
      const state = { name: 'contested', since: clock, until: input.until.toISOString() } as const
      return { progress: { ...due.progress, clock, state }, events: [...due.events, 'contest-lodged'] }
    }
    case 'notice-allowed':
      if (due.progress.noticeAllowed) return due
      return { progress: { ...due.progress, clock, noticeAllowed: true, noticeReviewAt: null }, events: [...due.events, 'notify-parties'] }
    case 'answered':
      return answer(due, input.outcome, clock)
    default:
      return unreachable(input)
  }
}

/** What is still to be done; `notice` is left out while it is forbidden. */
export function openChecks(progress: LegalProgress): readonly LegalCheck[] {
  const done = new Set(progress.done.map(({ check }) => check))
  return legalChecklist.filter((check) => !done.has(check) && (check !== 'notice' || progress.noticeAllowed))
}

function elapse(progress: LegalProgress, clock: string): LegalAdvance {
  const events: LegalEvent[] = []
  let after = progress
  if (after.noticeReviewAt !== null && clock >= after.noticeReviewAt) {
    events.push('ask-to-lift-silence')
    after = { ...after, clock, noticeReviewAt: daysAfter(clock, reviewDays) }
  }
  if (after.state.name !== 'answered' && clock >= after.state.until) {
    events.push('answer-overdue')
    after = { ...after, clock, state: { name: 'overdue', since: clock, until: daysAfter(clock, 1) } }
  }
  return { progress: after, events }
}

function answer(due: LegalAdvance, outcome: LegalOutcome, clock: string): LegalAdvance {
  const open = openChecks(due.progress)
  if (open.length > 0) throw new EscrowError('ORDER_STATE', `expected every check done before an answer, got ${open.join(', ')} open`)
  const state = { name: 'answered', since: clock, outcome } as const
  return { progress: { ...due.progress, clock, state }, events: [...due.events, 'answered'] }
}

function daysAfter(at: string, days: number): string {
  return new Date(Date.parse(at) + days * dayMs).toISOString()
}
