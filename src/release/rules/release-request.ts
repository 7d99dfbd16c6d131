/**
 * The state machine of a release request (DESIGN section 7), as a pure fold over what was recorded: verified signed statements and
 * elapsed clocks, and nothing else. The agent moves a request by what it signs, like everybody.
 *
 *   submitted -> admitted -> notice -> approval -> coolingOff -> releasing -> released -> closed
 *      |            |-> contested -> (ruling) -> approval | rejected   |-> vetoed -> approval, once
 *      -> rejected    any open state -> withdrawn | expired | held and back
 *
 * It trusts nothing but the frame, which was frozen at submission, and `verify`, which checks a signature each time it is asked.
 * Silence is refusal: no clock leads to `releasing`; only the end of the cooling-off does, and only if the votes still suffice.
 */
import { assert, EscrowError, unreachable } from '../../core/errors.js'
import type { StatementType } from '../../format/statement.js'
import { requireShares } from './share-relay.js'
import { recordStatement } from './release-statement.js'
import {
  end,
  endHold,
  judgeVotes,
  move,
  note,
  openApproval,
  openNotice,
  openReleasing,
  patch,
  thaw,
  windowOf,
  type Turn,
} from './release-step.js'
import {
  isOpen,
  type Advance,
  type EventCause,
  type ReleaseProgress,
  type ReleaseState,
  type RequestFrame,
  type TerminalState,
} from './release-state.js'
import type { VerifyStatement } from './quorum.js'

/** What can happen to a request. */
export type ReleaseInput =
  /** A signed statement, by digest; `verify` loads it. */
  | { readonly kind: 'statement'; readonly digest: string }
  /** Time has passed. Always safe to give, as often as wanted. */
  | { readonly kind: 'clock' }
  /** Parties that now lack share, key or standing; replaces the list given before. */
  | { readonly kind: 'unavailable'; readonly parties: readonly string[]; readonly decidedBy: AvailabilityWord }
  /** The relay holds these share-release statements, the one that came last at the end; they are verified and counted here. */
  | { readonly kind: 'shares'; readonly digests: readonly string[] }

/** The statement that changed who is available. */
export interface AvailabilityWord {
  readonly digest: string
  readonly party: string
  readonly type: StatementType
}

/** What an input is judged by. */
export interface Surroundings {
  readonly frame: RequestFrame
  /** The clock of whoever records; may go back, and is then taken to stand still. */
  readonly now: Date
  readonly verify: VerifyStatement
}

/** Longest run of windows of length zero: submitted to approval, plus one vote. */
const settleStepsMax = 8

/**
 * Start a request.
 *
 * @param unavailable - who cannot vote already; where nobody could reach the quorum without them, the request is frozen at once.
 * @returns the request in its first state that takes time, and the events on the way there; the depositor's own requests and those of
 *   an order begin in `approval`.
 */
export function submit(surroundings: Surroundings, unavailable: readonly string[] = []): Advance {
  const { frame, now } = surroundings
  const { terms } = frame
  const at = now.toISOString()
  const endsAt = new Date(now.getTime() + terms.clocks.requestDaysMax * 86_400_000).toISOString()
  const progress: ReleaseProgress = {
    request: frame.request,
    digest: frame.digest,
    agreement: frame.agreement,
    state: windowOf('submitted', surroundings),
    votes: [],
    seen: [frame.digest],
    round: 1,
    vetoedAt: null,
    contested: false,
    heldMs: 0,
    unavailable: [...new Set(unavailable)].sort(),
    clock: at,
    endsAt,
    events: 0,
  }
  const cause = {
    kind: 'statement',
    digest: frame.digest,
    type: 'escrow/statement/release-request/v1',
    party: frame.requesters[0] ?? '',
  } as const
  return judgeVotes(settle(note({ progress, events: [] }, cause, surroundings), surroundings), surroundings)
}

/**
 * Apply one input. Clocks that have run out are applied before it, so a vote that comes with the end of its window comes too late.
 *
 * @param progress - as an earlier call returned it.
 * @returns the request afterwards and its events. The same request and no event when the input was known already or no clock is due.
 * @throws EscrowError `AGREEMENT_DIGEST` for a frame of another agreement version; `REQUEST_STATE` when the input does not fit the
 *   state; `STATEMENT_*`, `SIGNATURE_INVALID`, `SIGNER_REFUSED` when a statement is refused. A refused input changes nothing.
 */
export function advance(progress: ReleaseProgress, input: ReleaseInput, surroundings: Surroundings): Advance {
  const { frame, verify } = surroundings
  if (frame.digest !== progress.digest || frame.agreement !== progress.agreement) {
    throw new EscrowError('AGREEMENT_DIGEST', 'expected the agreement version in force at submission, got another')
  }
  const now = new Date(Math.max(surroundings.now.getTime(), Date.parse(progress.clock)))
  const turn: Turn = { frame, now, verify }
  const due = settle(elapse({ progress, events: [] }, turn), turn)
  return settle(apply(due, input, turn), turn)
}

/**
 * Make a request again from its recorded inputs.
 *
 * @param inputs - in the order of the log, each with the moment at which it was recorded.
 * @throws EscrowError as `advance` does: a history that does not replay was altered.
 */
export function replay(
  inputs: readonly { readonly input: ReleaseInput; readonly at: Date }[],
  started: { readonly frame: RequestFrame; readonly at: Date; readonly verify: VerifyStatement; readonly unavailable?: readonly string[] },
): Advance {
  const { frame, verify } = started
  let step = submit({ frame, verify, now: started.at }, started.unavailable)
  for (const { input, at } of inputs) {
    const next = advance(step.progress, input, { frame, verify, now: at })
    step = { progress: next.progress, events: [...step.events, ...next.events] }
  }
  return step
}

function apply(step: Advance, input: ReleaseInput, turn: Turn): Advance {
  switch (input.kind) {
    case 'clock':
      return step
    case 'statement':
      return step.progress.seen.includes(input.digest) ? step : recordStatement(step, turn.verify(input.digest), turn)
    case 'unavailable':
      return changeAvailability(step, input, turn)
    case 'shares':
      return acceptShares(step, input.digests, turn)
    default:
      return unreachable(input)
  }
}

/** At most one window ends in a call: the next one has its whole length, even when the service was down for longer. */
function elapse(step: Advance, turn: Turn): Advance {
  const { state, endsAt } = step.progress
  const now = turn.now.toISOString()
  if (isOpen(state) && now >= endsAt) return end(step, { name: 'expired', reason: 'too-long' }, clock('requestDaysMax'), turn)
  switch (state.name) {
    case 'closed':
    case 'rejected':
    case 'withdrawn':
    case 'expired':
      return step
    case 'held':
      return now >= state.until ? endHold(step, state, clock(state.hold === null ? 'freezeDaysMax' : 'hold'), turn) : step
    case 'releasing':
      if (now < state.until) return now >= (state.overdueAt ?? state.until) ? alarmDelivery(step, turn) : step
      return end(step, { name: 'expired', reason: 'shares-missing' }, clock('releasingDays'), turn)
    case 'submitted':
    case 'admitted':
    case 'notice':
    case 'contested':
    case 'approval':
    case 'coolingOff':
    case 'vetoed':
    case 'released':
      return now >= state.until ? endWindow(step, state, turn) : step
    default:
      return unreachable(state)
  }
}

type PlainState = Exclude<ReleaseState, TerminalState | { readonly name: 'held' | 'releasing' }>

function endWindow(step: Advance, state: PlainState, turn: Turn): Advance {
  switch (state.name) {
    case 'submitted':
      // The agent's silence cannot stall a request: the check is formal, and everybody later sees that it was not made.
      return move(step, windowOf('admitted', turn), clock('formalCheckBusinessDays'), turn, turn.frame.cause.kind === 'beneficiary')
    case 'admitted':
      return openNotice(step, null, clock('noticeServedBusinessDays'), turn)
    case 'notice':
      return openApproval(step, clock('objectionBusinessDays'), turn)
    case 'contested':
      return openApproval(step, clock(state.docketed ? 'contestDaysMax' : 'docketDays'), turn)
    case 'approval':
      return end(step, { name: 'expired', reason: 'silence' }, clock('approvalHours'), turn)
    case 'vetoed':
      return openApproval(step, clock('coolingOffHours'), turn)
    case 'coolingOff':
      return endCoolingOff(step, turn)
    case 'released':
      return end(step, { name: 'closed', reason: 'grant-over' }, clock('grantDays'), turn)
    default:
      return unreachable(state)
  }
}

/** The one way into `releasing`: the votes are verified and counted again, and approvals must be alive now. */
function endCoolingOff(step: Advance, turn: Turn): Advance {
  const judged = judgeVotes(step, turn)
  return judged.progress.state.name === 'coolingOff' ? openReleasing(judged, clock('coolingOffHours'), turn) : judged
}

/** Windows of length zero are passed at once; each transition still leaves its event. */
function settle(step: Advance, turn: Turn): Advance {
  let settled = step
  for (let steps = 0; hasNoLength(settled.progress); steps += 1) {
    assert(steps < settleStepsMax, 'windows of length zero do not form a ring')
    settled = elapse(settled, turn)
  }
  return settled
}

function hasNoLength({ state }: ReleaseProgress): boolean {
  return 'until' in state && state.until <= state.since
}

function changeAvailability(
  step: Advance,
  { parties, decidedBy }: { readonly parties: readonly string[]; readonly decidedBy: AvailabilityWord },
  turn: Turn,
): Advance {
  const cause: EventCause = { kind: 'statement', ...decidedBy }
  if (!isOpen(step.progress.state)) throw wrongState(step, 'any open state')
  const unavailable = [...new Set(parties)].sort()
  if (unavailable.join(' ') === step.progress.unavailable.join(' ')) return step
  const changed = note(patch(step, { unavailable }), cause, turn, true)
  const { state } = changed.progress
  const frozen = state.name === 'held' && state.reason === 'quorum-impossible'
  return frozen ? thaw(changed, state, cause, turn) : judgeVotes(changed, turn)
}

/** Votes first, then shares: shares of custodians whose approval no longer stands release nothing. The last share is what releases. */
function acceptShares(step: Advance, digests: readonly string[], turn: Turn): Advance {
  const last = digests.at(-1)
  if (step.progress.state.name !== 'releasing' || last === undefined) throw wrongState(step, 'releasing')
  const judged = judgeVotes(step, turn)
  if (judged.progress.state.name !== 'releasing') return judged
  requireShares(digests, judged.progress, turn)
  const seen = [...judged.progress.seen, ...digests]
  const { signer, statement } = turn.verify(last)
  return move(
    patch(judged, { seen }),
    windowOf('released', turn),
    { kind: 'statement', digest: last, type: statement.type, party: signer },
    turn,
  )
}

function alarmDelivery(step: Advance, turn: Turn): Advance {
  const { state } = step.progress
  assert(state.name === 'releasing', 'only a delivery can be overdue')
  return move(step, { ...state, overdueAt: null }, clock('deliveryHours'), turn, true)
}

function clock(name: Extract<EventCause, { readonly kind: 'clock' }>['clock']): EventCause {
  return { kind: 'clock', clock: name }
}

function wrongState(step: Advance, expected: string): EscrowError {
  return new EscrowError('REQUEST_STATE', `expected the request in ${expected}, got ${step.progress.state.name}`)
}
