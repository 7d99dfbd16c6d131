/**
 * The state machine of a shutdown order in one agreement, as a pure fold (DESIGN section 7).
 *
 *   lodged -> registered -> effective            lodged | unserved -> lapsed
 *                 |-> contested -> stayed | won | lost -> effective
 *
 * An order that reaches fifty agreements is judged fifty times, by each agreement's own parties and clocks, from the same signed
 * statements: nobody gains by registering it where the rules are weakest. Effective never means released: it opens the approval.
 */
import type { StatementOf } from '../../format/statement.js'
import { EscrowError, unreachable } from '../../core/errors.js'
import { addCalendarDays } from './business-days.js'
import { judgeRegistration, sameOrder } from './order-registration.js'
import {
  effectiveAtOf,
  laterOf,
  moveOrder,
  requireOrderRole,
  requireRegistration,
  requireStatement,
  statementCause,
  wrongOrderState,
  type OrderTurn,
} from './order-step.js'
import { orderDeadlineOf, type OrderAdvance, type OrderCause, type OrderProgress, type RegisteredOrder } from './order-state.js'
import type { VerifiedStatement, VerifyStatement } from './quorum.js'
import { contestEnds, noticeEnd } from './release-clocks.js'
import type { EffectiveOrder } from './request-frame.js'

/** What can happen to an order. */
export type OrderInput = { readonly kind: 'statement'; readonly digest: string } | { readonly kind: 'clock' }

/**
 * Register an order in one agreement.
 *
 * @param digest - of the first registration; `verify` loads it.
 * @returns the order `lodged`, or `registered` when its only registrant is the depositor.
 * @throws EscrowError `STATEMENT_INVALID` when it lacks evidence that the agreement demands or lies too far ahead; `SIGNER_REFUSED`;
 *   `STATEMENT_EXPIRED`; whatever `verify` throws.
 */
export function registerOrder(digest: string, turn: OrderTurn): OrderAdvance {
  const { frame, now } = turn
  const { clocks, calendar } = frame.terms
  const registration = requireRegistration(turn.verify(digest), turn)
  const until = addCalendarDays(now, clocks.contestDaysMax, calendar).toISOString()
  const at = now.toISOString()
  const progress: OrderProgress = {
    order: digest,
    agreement: frame.agreement,
    registrations: [digest],
    state: { name: 'lodged', since: at, until },
    seen: [digest],
    contested: false,
    byDepositor: false,
    clock: at,
    events: 0,
  }
  const cause = statementCause(registration)
  return recognise(moveOrder({ progress, events: [] }, progress.state, cause, turn), cause, turn)
}

/**
 * Apply one input; clocks that have run out are applied first, one window at a time.
 *
 * @returns the order afterwards; the same and no event when the input was known or no clock is due.
 * @throws EscrowError `AGREEMENT_DIGEST` for another agreement's frame; `ORDER_STATE`; `STATEMENT_*`; `SIGNER_REFUSED`; a refused input
 *   changes nothing.
 */
export function advanceOrder(progress: OrderProgress, input: OrderInput, given: OrderTurn): OrderAdvance {
  if (given.frame.agreement !== progress.agreement)
    throw new EscrowError('AGREEMENT_DIGEST', 'expected the agreement of this order, got another')
  const turn = { ...given, now: new Date(Math.max(given.now.getTime(), Date.parse(progress.clock))) }
  const due = elapse({ progress, events: [] }, turn)
  switch (input.kind) {
    case 'clock':
      return due
    case 'statement':
      return due.progress.seen.includes(input.digest) ? due : record(due, turn.verify(input.digest), turn)
    default:
      return unreachable(input)
  }
}

/**
 * What a release request under an effective order is judged by.
 *
 * @returns null while the order is not effective.
 */
export function effectiveOrder(progress: OrderProgress, verify: VerifyStatement): EffectiveOrder | null {
  if (progress.state.name !== 'effective') return null
  const registrants = progress.registrations.map((digest) => verify(digest).signer)
  return { digest: progress.order, registrants: [...new Set(registrants)], bySilence: progress.state.bySilence }
}

function record(step: OrderAdvance, verified: VerifiedStatement, turn: OrderTurn): OrderAdvance {
  const { statement, digest } = verified
  const seen = { ...step, progress: { ...step.progress, seen: [...step.progress.seen, digest] } }
  if (statement.type === 'escrow/statement/shutdown-order/v1') return joinOrder(seen, verified, turn)
  requireStatement(verified, turn)
  if (statement.type === 'escrow/statement/contestation/v1') return contest(seen, { ...verified, statement }, turn)
  if (statement.type === 'escrow/statement/notice-served/v1') return serve(seen, { ...verified, statement }, turn)
  if (statement.type === 'escrow/statement/ruling/v1') return rule(seen, { ...verified, statement }, turn)
  return hear(seen, verified, turn)
}

/** Another party registers the same order. */
function joinOrder(step: OrderAdvance, verified: VerifiedStatement, turn: OrderTurn): OrderAdvance {
  const { order, registrations, state } = step.progress
  const joined = requireRegistration(verified, turn)
  if (orderDeadlineOf(state) === null) throw wrongOrderState(state, 'in an open state')
  if (!sameOrder(turn.verify(order).statement, joined.statement))
    throw new EscrowError('STATEMENT_INVALID', 'expected the same order, got another')
  const cause = statementCause(joined)
  const more = { ...step, progress: { ...step.progress, registrations: [...registrations, joined.digest] } }
  return recognise(moveOrder(more, state, cause, turn), cause, turn)
}

/** A lodged order is registered as soon as enough parties stand behind it; the depositor's own word shortens a registered one. */
function recognise(step: OrderAdvance, cause: OrderCause, turn: OrderTurn): OrderAdvance {
  const { state, registrations, byDepositor } = step.progress
  if (state.name !== 'lodged' && !(state.name === 'registered' && !byDepositor)) return step
  // A registration that expired before the second one came is not what its signer says today.
  const alive = registrations
    .map((digest) => turn.verify(digest))
    .filter(({ statement }) => Date.parse(statement.expiresAt) > turn.now.getTime())
  const registrants = alive.map(({ signer }) => signer)
  const verdict = judgeRegistration(registrants, turn.frame.parties, turn.frame.terms)
  if (verdict === 'incomplete' || (verdict === 'by-two' && state.name === 'registered')) return step
  const since = turn.now.toISOString()
  if (verdict === 'by-two') return moveOrder(step, { name: 'registered', since, until: state.until, silentSince: null }, cause, turn)
  const own = { ...step, progress: { ...step.progress, byDepositor: true } }
  const until = laterOf(since, effectiveAtOf(step.progress, turn.verify))
  return elapse(moveOrder(own, { name: 'registered', since, until, silentSince: null }, cause, turn), turn)
}

/** Proven service starts the time in which silence counts; the order's own date is awaited too. */
function serve(
  step: OrderAdvance,
  served: VerifiedStatement & { readonly statement: StatementOf<'notice-served'> },
  turn: OrderTurn,
): OrderAdvance {
  const { state, byDepositor, registrations } = step.progress
  if (!registrations.includes(served.statement.subject)) {
    throw new EscrowError('STATEMENT_INVALID', 'expected proof of service of this order, got that of another')
  }
  if (state.name !== 'registered' || byDepositor || state.silentSince !== null)
    throw wrongOrderState(state, 'registered and not served yet')
  return elapse(moveOrder(step, silence(turn.now, step.progress, turn), statementCause(served), turn), turn)
}

function silence(from: Date, progress: OrderProgress, turn: OrderTurn): RegisteredOrder {
  const until = laterOf(noticeEnd(from, turn.frame.terms).toISOString(), effectiveAtOf(progress, turn.verify))
  return { name: 'registered', since: from.toISOString(), until, silentSince: from.toISOString() }
}

/**
 * Anything the depositor signs breaks its silence: the time begins anew. Who speaks without contesting cannot do so for ever; from
 * the registration on, `contestDaysMax` is the limit.
 */
function hear(step: OrderAdvance, verified: VerifiedStatement, turn: OrderTurn): OrderAdvance {
  const { state } = step.progress
  requireOrderRole(verified, 'depositor', turn)
  if (state.name !== 'registered' || state.silentSince === null) throw wrongOrderState(state, 'registered, with silence running')
  if (verified.statement.issuedAt <= state.silentSince)
    throw new EscrowError('STATEMENT_INVALID', 'expected a statement made since the service')
  const { clocks, calendar } = turn.frame.terms
  const first = turn.verify(step.progress.order).statement.issuedAt
  const limit = addCalendarDays(new Date(first), clocks.contestDaysMax, calendar).toISOString()
  const again = silence(turn.now, step.progress, turn)
  const bound = laterOf(limit, state.until)
  const until = again.until < bound ? again.until : bound
  return moveOrder(step, { ...again, until }, statementCause(verified), turn)
}

/** The depositor goes to court, once; a later contestation may bring the docket evidence of the first. */
function contest(
  step: OrderAdvance,
  lodged: VerifiedStatement & { readonly statement: StatementOf<'contestation'> },
  turn: OrderTurn,
): OrderAdvance {
  const { state, contested, registrations } = step.progress
  requireOrderRole(lodged, 'depositor', turn)
  if (!registrations.includes(lodged.statement.order))
    throw new EscrowError('STATEMENT_INVALID', 'expected a contestation of this order, got another')
  const cause = statementCause(lodged)
  const docketed = lodged.statement.evidence.length > 0
  if (state.name === 'contested') {
    return moveOrder(step, docketed ? { ...state, docketed, until: state.rulingBy } : state, cause, turn)
  }
  // While one party alone stands behind it there is nothing to contest, and a lost contest must not make up for the second.
  if (contested || state.name !== 'registered') throw wrongOrderState(state, 'registered or contested')
  const { docketBy, rulingBy } = contestEnds(turn.now, turn.frame.terms)
  const until = (docketed ? rulingBy : docketBy).toISOString()
  const next = { name: 'contested', since: turn.now.toISOString(), until, docketed, rulingBy: rulingBy.toISOString() } as const
  return moveOrder({ ...step, progress: { ...step.progress, contested: true } }, next, cause, turn)
}

function rule(step: OrderAdvance, ruled: VerifiedStatement & { readonly statement: StatementOf<'ruling'> }, turn: OrderTurn): OrderAdvance {
  const { state, registrations } = step.progress
  const { subject, outcome } = ruled.statement
  requireOrderRole(ruled, 'arbiter', turn)
  if (subject.kind !== 'order' || !registrations.includes(subject.digest)) {
    throw new EscrowError('STATEMENT_INVALID', 'expected a ruling on this order, got one on something else')
  }
  if (state.name !== 'contested' && state.name !== 'stayed') throw wrongOrderState(state, 'contested or stayed')
  const cause = statementCause(ruled)
  const since = turn.now.toISOString()
  switch (outcome) {
    case 'proceed':
      return lose(step, cause, turn)
    case 'reject':
      return moveOrder(step, { name: 'won', since }, cause, turn)
    case 'stay':
      return moveOrder(step, { name: 'stayed', since, until: state.name === 'contested' ? state.rulingBy : state.until }, cause, turn)
    default:
      return unreachable(outcome)
  }
}

/** The contest is over; the order takes effect on its own date, or now if that has passed. */
function lose(step: OrderAdvance, cause: OrderCause, turn: OrderTurn): OrderAdvance {
  const since = turn.now.toISOString()
  return elapse(
    moveOrder(step, { name: 'lost', since, until: laterOf(since, effectiveAtOf(step.progress, turn.verify)) }, cause, turn),
    turn,
  )
}

/** One window at a time, except that a lost order whose date has passed is effective at once. */
function elapse(step: OrderAdvance, turn: OrderTurn): OrderAdvance {
  const { state, byDepositor } = step.progress
  const now = turn.now.toISOString()
  const deadline = orderDeadlineOf(state)
  if (deadline === null || now < deadline) return step
  switch (state.name) {
    case 'registered':
      if (byDepositor)
        return moveOrder(step, { name: 'effective', since: now, bySilence: false }, { kind: 'clock', clock: 'effectiveAt' }, turn)
      if (state.silentSince === null) return lapse(step, turn)
      return moveOrder(step, { name: 'effective', since: now, bySilence: true }, { kind: 'clock', clock: 'objectionBusinessDays' }, turn)
    case 'contested':
      return lose(step, { kind: 'clock', clock: state.docketed ? 'contestDaysMax' : 'docketDays' }, turn)
    case 'stayed':
      return lose(step, { kind: 'clock', clock: 'contestDaysMax' }, turn)
    case 'lost':
      return moveOrder(step, { name: 'effective', since: now, bySilence: false }, { kind: 'clock', clock: 'effectiveAt' }, turn)
    case 'lodged':
    case 'effective':
    case 'won':
    case 'lapsed':
      return lapse(step, turn)
    default:
      return unreachable(state)
  }
}

function lapse(step: OrderAdvance, turn: OrderTurn): OrderAdvance {
  return moveOrder(step, { name: 'lapsed', since: turn.now.toISOString() }, { kind: 'clock', clock: 'contestDaysMax' }, turn)
}
