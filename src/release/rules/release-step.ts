/** One turn of a release request: how states are entered and what each turn leaves for the log. No statement is read here. */
import { unreachable } from '../../core/errors.js'
import { addHours, contestEnds, shiftWindows, windowEnd } from './release-clocks.js'
import { tallyVotes, type VerifyStatement } from './quorum.js'
import type {
  Advance,
  EndReason,
  EventCause,
  HeldState,
  HoldableState,
  ReleaseEvent,
  ReleaseProgress,
  ReleaseState,
  RequestFrame,
  TerminalState,
} from './release-state.js'
import { deadlineOf } from './release-state.js'
import { addCalendarDays } from './business-days.js'

/** What a turn is judged by. */
export interface Turn {
  readonly frame: RequestFrame
  /** Never earlier than anything recorded. */
  readonly now: Date
  readonly verify: VerifyStatement
}

/** The request in another state, and the event of the transition. */
export function move(step: Advance, state: ReleaseState, cause: EventCause, turn: Turn, alarm = false): Advance {
  const event = eventOf(step.progress, { to: state, cause, turn, alarm })
  const progress = { ...step.progress, state, clock: turn.now.toISOString(), events: event.sequence }
  return { progress, events: [...step.events, event] }
}

/** The request in the same state, with the event that something was recorded. */
export function note(step: Advance, cause: EventCause, turn: Turn, alarm = false): Advance {
  return move(step, step.progress.state, cause, turn, alarm)
}

/** The request with other fields, without an event of its own. */
export function patch(step: Advance, fields: Partial<ReleaseProgress>): Advance {
  return { ...step, progress: { ...step.progress, ...fields } }
}

/** End a request. */
export function end(
  step: Advance,
  outcome: { readonly name: TerminalState['name']; readonly reason: EndReason },
  cause: EventCause,
  turn: Turn,
): Advance {
  return move(step, { ...outcome, since: turn.now.toISOString() }, cause, turn)
}

/** Open the notice; `service` is null when nobody served the depositor in time, and then everybody is told. */
export function openNotice(step: Advance, service: string | null, cause: EventCause, turn: Turn): Advance {
  const unserved = service === null && turn.frame.cause.kind === 'beneficiary'
  return move(step, { ...windowOf('notice', turn), service }, cause, turn, unserved)
}

/** Open a contest that ends without a ruling when docket evidence fails to come, and at the latest with `contestDaysMax`. */
export function openContest(
  step: Advance,
  lodged: { readonly digest: string; readonly docketed: boolean },
  cause: EventCause,
  turn: Turn,
): Advance {
  const { docketBy, rulingBy } = contestEnds(turn.now, turn.frame.terms)
  const state = {
    name: 'contested',
    since: turn.now.toISOString(),
    until: (lodged.docketed ? rulingBy : docketBy).toISOString(),
    rulingBy: rulingBy.toISOString(),
    docketed: lodged.docketed,
    contestation: lodged.digest,
  } as const
  return move(patch(step, { contested: true }), state, cause, turn)
}

/** Open approval with a whole window; a quorum that is impossible by now freezes at once. */
export function openApproval(step: Advance, cause: EventCause, turn: Turn): Advance {
  return judgeVotes(move(step, windowOf('approval', turn), cause, turn), turn)
}

/** The decision has fallen: custodians may hand over their shares. */
export function openReleasing(step: Advance, cause: EventCause, turn: Turn): Advance {
  const overdueAt = addHours(turn.now, turn.frame.terms.clocks.deliveryHours).toISOString()
  return move(step, { ...windowOf('releasing', turn), overdueAt }, cause, turn)
}

/**
 * Votes are counted anew wherever they decide: approval, cooling-off and while shares are handed over. Before that nothing is decided, but a
 * quorum that nobody could reach freezes the request as early as it is known: its people have to be told now, not when they are called to vote.
 */
export function judgeVotes(step: Advance, turn: Turn): Advance {
  const { state } = step.progress
  if (!isHoldable(state) || state.name === 'vetoed') return step
  const at = state.name === 'releasing' ? new Date(state.since) : turn.now
  const { verdict } = tallyVotes(step.progress, turn.frame, { at, verify: turn.verify })
  if (verdict === 'impossible') return freeze(step, state, turn)
  if (state.name !== 'approval' && state.name !== 'coolingOff' && state.name !== 'releasing') return step
  switch (verdict) {
    case 'approved':
      return state.name === 'approval' ? move(step, windowOf('coolingOff', turn), { kind: 'quorum', verdict }, turn) : step
    case 'refused':
      return end(step, { name: 'rejected', reason: 'refused' }, { kind: 'quorum', verdict }, turn)
    case 'open':
      // A refusal is final in its round, so this can happen once per voter at most: nobody can keep a request going round.
      return state.name === 'approval' ? step : move(step, windowOf('approval', turn), { kind: 'quorum', verdict: 'lost' }, turn, true)
    default:
      return unreachable(verdict)
  }
}

/**
 * Hold a request whose quorum nobody could reach, until it is repaired or `freezeDaysMax` ends it. Who votes again votes with a whole window;
 * a notice or a contest goes on where it stood, so that no freeze takes time from the depositor.
 */
function freeze(step: Advance, state: HoldableState, turn: Turn): Advance {
  const { clocks, calendar } = turn.frame.terms
  const until = addCalendarDays(turn.now, clocks.freezeDaysMax, calendar).toISOString()
  const since = turn.now.toISOString()
  const voting = state.name === 'approval' || state.name === 'coolingOff' || state.name === 'releasing'
  const resume = voting ? windowOf('approval', turn) : state
  const held = { name: 'held', since, until, reason: 'quorum-impossible', hold: null, signer: null, resume } as const
  return move(step, held, { kind: 'quorum', verdict: 'impossible' }, turn, true)
}

/** End a freeze if the quorum can be reached again; otherwise it goes on, with the end that it had. */
export function thaw(step: Advance, held: HeldState, cause: EventCause, turn: Turn): Advance {
  if (tallyVotes(step.progress, turn.frame, { at: turn.now, verify: turn.verify }).verdict === 'impossible') return step
  if (held.resume.name === 'approval') return openApproval(step, cause, turn)
  const frozenMs = turn.now.getTime() - Date.parse(held.since)
  return move(step, shiftWindows(held.resume, frozenMs), cause, turn)
}

/** Back to where a hold found the request, its windows longer by the hold; a quorum that stayed impossible ends it. */
export function endHold(step: Advance, held: HeldState, cause: EventCause, turn: Turn): Advance {
  if (held.reason === 'quorum-impossible') return end(step, { name: 'expired', reason: 'quorum-impossible' }, cause, turn)
  const heldMs = turn.now.getTime() - Date.parse(held.since)
  const resumed = patch(step, { heldMs: step.progress.heldMs + heldMs })
  return judgeVotes(move(resumed, shiftWindows(held.resume, heldMs), cause, turn), turn)
}

type PlainWindow<Name extends string> = { readonly name: Name; readonly since: string; readonly until: string }

/** A window that begins now. */
export function windowOf<Name extends 'submitted' | 'admitted' | 'notice' | 'approval' | 'coolingOff' | 'releasing' | 'released'>(
  name: Name,
  turn: Turn,
): PlainWindow<Name> {
  return { name, since: turn.now.toISOString(), until: windowEnd(name, turn.now, turn.frame).toISOString() }
}

/** Whether a state may be put on hold: everything that is still to be decided. */
export function isHoldable(state: ReleaseState): state is HoldableState {
  return deadlineOf(state) !== null && state.name !== 'released' && state.name !== 'held'
}

function eventOf(
  progress: ReleaseProgress,
  what: { readonly to: ReleaseState; readonly cause: EventCause; readonly turn: Turn; readonly alarm: boolean },
): ReleaseEvent {
  return {
    request: progress.request,
    sequence: progress.events + 1,
    at: what.turn.now.toISOString(),
    from: progress.events === 0 ? 'none' : progress.state.name,
    to: what.to.name,
    cause: what.cause,
    until: deadlineOf(what.to),
    alarm: what.alarm,
  }
}
