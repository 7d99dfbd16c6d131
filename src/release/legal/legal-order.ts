/**
 * Orders against the agent itself: disclosure, seizure, preservation (DESIGN section 7). Registered, answered by a checklist, contested
 * in time, and shown to the parties unless that is forbidden. There is no path from here to material: an outcome names only what the
 * agent has, and it has nothing that opens a deposit.
 */
import { LegalCheck, type LegalOutcome, type Statement, type StatementOf } from '../../format/statement.js'
import { EscrowError, unreachable } from '../../core/errors.js'
import { addBusinessDays, type BusinessCalendar } from '../rules/business-days.js'

/** What must be done about every order, in this order. `notice` waits while notice is forbidden. */
export const legalChecklist = LegalCheck.options

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
  /** When the prohibition ends by itself; null where it names no end. */
  readonly noticeForbiddenUntil: string | null
  /** Every statement recorded so far: a replay is recognised by its digest. */
  readonly seen: readonly string[]
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

/** A verified step of the agent, or elapsed time. */
export type LegalInput =
  | { readonly kind: 'clock' }
  | { readonly kind: 'step'; readonly digest: string; readonly statement: StatementOf<'legal-order-step'> }

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
  const gagEnd = order.noticeForbiddenUntil
  const noticeAllowed = !order.noticeForbidden || (gagEnd !== null && gagEnd <= at)
  const progress: LegalProgress = {
    order: digest,
    state: { name: 'registered', since: at, until: until > at ? until : at },
    done: [],
    noticeAllowed,
    noticeReviewAt: noticeAllowed ? null : daysAfter(at, reviewDays),
    noticeForbiddenUntil: noticeAllowed ? null : gagEnd,
    seen: [digest],
    clock: at,
  }
  return { progress, events: noticeAllowed ? ['registered', 'notify-parties'] : ['registered'] }
}

/**
 * Apply one input. Clocks that have run out are applied first.
 *
 * @returns the order afterwards, the same where the step is known; unanswered orders become `overdue` with an alarm, never answered by
 *   the clock. Silence ends with its day, or with the step that says so, also after the answer.
 * @throws EscrowError `ORDER_STATE` when it is answered already, or is to be answered with checks of its list undone;
 *   `STATEMENT_INVALID` for a step of another order.
 */
export function advanceLegalOrder(progress: LegalProgress, input: LegalInput, given: Date): LegalAdvance {
  const clock = given.toISOString() > progress.clock ? given.toISOString() : progress.clock
  const due = elapse(progress, clock)
  if (input.kind === 'clock' || progress.seen.includes(input.digest)) return due
  const { order, step, proof } = input.statement
  if (order !== progress.order) throw new EscrowError('STATEMENT_INVALID', 'expected a step of this order, got one of another')
  if (progress.state.name === 'answered' && step.kind !== 'notice-allowed') {
    throw new EscrowError('ORDER_STATE', 'expected an open legal order, got one that is answered')
  }
  const seen = { events: due.events, progress: { ...due.progress, clock, seen: [...due.progress.seen, input.digest] } }
  switch (step.kind) {
    case 'check-done':
      return add(seen, { done: [...seen.progress.done, { check: step.check, proof }] }, 'check-done')
    case 'contested':
      return add(seen, { state: { name: 'contested', since: clock, until: step.until } }, 'contest-lodged')
    case 'notice-allowed':
      return seen.progress.noticeAllowed ? seen : add(seen, spoken, 'notify-parties')
    case 'answered':
      return answer(seen, step.outcome, clock)
    default:
      return unreachable(step)
  }
}

/** The order that a statement is about: the digest of its registration. */
export function legalOrderOf({ statement, digest }: { readonly statement: Statement; readonly digest: string }): string {
  return statement.type === 'escrow/statement/legal-order-step/v1' ? statement.order : digest
}

/** Until when nothing happens by itself; null when nothing can follow. */
export function legalDueAt({ state, noticeReviewAt, noticeForbiddenUntil }: LegalProgress): string | null {
  const moments = [noticeReviewAt, noticeForbiddenUntil, state.name === 'answered' ? null : state.until]
  return moments.filter((moment) => moment !== null).sort()[0] ?? null
}

/** What is still to be done; `notice` is left out while it is forbidden. */
export function openChecks(progress: LegalProgress): readonly LegalCheck[] {
  const done = new Set(progress.done.map(({ check }) => check))
  return legalChecklist.filter((check) => !done.has(check) && (check !== 'notice' || progress.noticeAllowed))
}

const spoken = { noticeAllowed: true, noticeReviewAt: null, noticeForbiddenUntil: null } as const

function add(step: LegalAdvance, fields: Partial<LegalProgress>, event: LegalEvent): LegalAdvance {
  return { progress: { ...step.progress, ...fields }, events: [...step.events, event] }
}

function elapse(progress: LegalProgress, clock: string): LegalAdvance {
  let after: LegalAdvance = { progress, events: [] }
  const { noticeForbiddenUntil, noticeReviewAt, state } = progress
  if (noticeForbiddenUntil !== null && clock >= noticeForbiddenUntil) after = add(after, { ...spoken, clock }, 'notify-parties')
  else if (noticeReviewAt !== null && clock >= noticeReviewAt) {
    after = add(after, { clock, noticeReviewAt: daysAfter(clock, reviewDays) }, 'ask-to-lift-silence')
  }
  if (state.name !== 'answered' && clock >= state.until) {
    after = add(after, { clock, state: { name: 'overdue', since: clock, until: daysAfter(clock, 1) } }, 'answer-overdue')
  }
  return after
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
