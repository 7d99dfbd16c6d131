/** The states of a release request (DESIGN section 7), what each transition leaves for the log, and which states are final. No rules. */
import { unreachable } from '../../core/errors.js'
import type { RequestId } from '../../format/ids.js'
import type { StatementType } from '../../format/statement.js'
import type { ReleaseClocks, ReleaseTerms } from './release-policy.js'
import type { Roster } from './electorate.js'

/** An ISO moment with milliseconds in UTC: text order is time order. */
type Moment = string
type Digest = string

/** A state with an end: at `until` the clock moves the request on, whoever is silent. */
interface Window<Name extends string> {
  readonly name: Name
  readonly since: Moment
  readonly until: Moment
}

/** Notice runs; `service` is the digest of the proof of service, null when the agent did not serve in time. */
export interface NoticeState extends Window<'notice'> {
  readonly service: Digest | null
}

/** The depositor objects. `until` is when docket evidence is due, or after it came, when a ruling is. */
export interface ContestedState extends Window<'contested'> {
  readonly contestation: Digest
  readonly docketed: boolean
  readonly rulingBy: Moment
}

/** Custodians hand their shares over. `overdueAt` passes once, with an alarm. */
export interface ReleasingState extends Window<'releasing'> {
  readonly overdueAt: Moment | null
}

/** The clocks of `resume` stand still. */
export interface HeldState extends Window<'held'> {
  readonly reason: 'legal-hold' | 'quorum-impossible'
  /** Digest of the hold and its signer; null when the quorum became impossible. */
  readonly hold: Digest | null
  readonly signer: string | null
  readonly resume: HoldableState
}

export type HoldableState =
  | Window<'submitted'>
  | Window<'admitted'>
  | NoticeState
  | ContestedState
  | Window<'approval'>
  | Window<'coolingOff'>
  | Window<'vetoed'>
  | ReleasingState

/** Why a request ended, for people. */
export type EndReason =
  | 'formal-check'
  | 'ruling'
  | 'refused'
  | 'silence'
  | 'shares-missing'
  | 'quorum-impossible'
  | 'too-long'
  | 'requester'
  | 'grant-over'

/** Over: nothing can follow. */
export interface TerminalState {
  readonly name: 'closed' | 'rejected' | 'withdrawn' | 'expired'
  readonly since: Moment
  readonly reason: EndReason
}

export type OpenState = HoldableState | HeldState
export type ReleaseState = OpenState | Window<'released'> | TerminalState
export type StateName = ReleaseState['name']

/** A vote as it was recorded. What it says, and whether it is genuine, is read from the signed document each time it is counted. */
export interface RecordedVote {
  readonly digest: Digest
  /** 1, and 2 after a veto: votes before a veto do not count after it. */
  readonly round: number
}

/** What the fold carries from input to input; plain values only, so it can be stored and made again from the log. */
export interface ReleaseProgress {
  readonly request: RequestId
  /** Digest of the signed release request. */
  readonly digest: Digest
  /** Digest of the agreement version in force at submission: no other governs this request. */
  readonly agreement: Digest
  readonly state: ReleaseState
  readonly votes: readonly RecordedVote[]
  /** Every statement recorded so far: a replay is recognised by its digest. */
  readonly seen: readonly Digest[]
  readonly round: 1 | 2
  /** When the first round was vetoed; approvals given earlier do not count in the second. */
  readonly vetoedAt: Moment | null
  readonly contested: boolean
  readonly heldMs: number
  /** Parties that lost share, key or standing since submission. */
  readonly unavailable: readonly string[]
  /** The latest moment recorded: a clock that goes back is taken to stand still. */
  readonly clock: Moment
  readonly endsAt: Moment
  readonly events: number
}

/** How a request came about. */
export type RequestCause =
  | { readonly kind: 'beneficiary' }
  | { readonly kind: 'depositor' }
  /** `bySilence`: the depositor was served and said nothing, so anything it signs breaks the silence. */
  | { readonly kind: 'order'; readonly order: Digest; readonly bySilence: boolean }

/** Everything that governs one request, read from the agreement version in force at submission and never from a later one. */
export interface RequestFrame {
  readonly request: RequestId
  readonly digest: Digest
  readonly agreement: Digest
  readonly origin: string
  readonly epoch: number
  readonly cause: RequestCause
  /** Who asked: beneficiary, or registrants of the order. None of them counts. */
  readonly requesters: readonly string[]
  /** Pinned recipients of the named beneficiaries, sorted. */
  readonly recipients: readonly string[]
  readonly terms: ReleaseTerms
  readonly roster: Roster
}

/** What moved a request: a signed statement or an elapsed clock; a quorum is a count of signed votes. */
export type EventCause =
  | { readonly kind: 'statement'; readonly digest: Digest; readonly type: StatementType; readonly party: string }
  | { readonly kind: 'clock'; readonly clock: keyof ReleaseClocks | 'hold' }
  | { readonly kind: 'quorum'; readonly verdict: 'approved' | 'refused' | 'impossible' | 'lost' }

/** One entry for the log. `from` equals `to` where something was recorded without moving the request. */
export interface ReleaseEvent {
  readonly request: RequestId
  /** 1, 2, 3, ... without a gap. */
  readonly sequence: number
  readonly at: Moment
  readonly from: StateName | 'none'
  readonly to: StateName
  readonly cause: EventCause
  readonly until: Moment | null
  /** Parties must be told at once: somebody's duty is overdue or the quorum is in danger. */
  readonly alarm: boolean
}

/** The request after an input, and what the input leaves for the log; no events when nothing changed. */
export interface Advance {
  readonly progress: ReleaseProgress
  readonly events: readonly ReleaseEvent[]
}

/** Whether nothing can follow. */
export function isTerminal(state: ReleaseState): state is TerminalState {
  return deadlineOf(state) === null
}

/** Whether the request may still be decided: neither released nor over. */
export function isOpen(state: ReleaseState): state is OpenState {
  return !isTerminal(state) && state.name !== 'released'
}

/**
 * When the clock moves a request on by itself.
 *
 * @returns a moment for every state but the terminal ones; null there. "Nothing stalls for ever."
 */
export function deadlineOf(state: ReleaseState): Moment | null {
  switch (state.name) {
    case 'submitted':
    case 'admitted':
    case 'notice':
    case 'contested':
    case 'approval':
    case 'coolingOff':
    case 'vetoed':
    case 'releasing':
    case 'held':
    case 'released':
      return state.until
    case 'closed':
    case 'rejected':
    case 'withdrawn':
    case 'expired':
      return null
    default:
      return unreachable(state)
  }
}

/**
 * When `advance` must next be asked, for the due sweep.
 *
 * @returns the earliest of the state's end, the request's end and an alarm that is due; null in a terminal state.
 */
export function dueAt(progress: ReleaseProgress): Moment | null {
  const { state, endsAt } = progress
  const deadline = deadlineOf(state)
  if (deadline === null) return null
  const moments = [deadline]
  if (isOpen(state)) moments.push(endsAt)
  if (state.name === 'releasing' && state.overdueAt !== null) moments.push(state.overdueAt)
  return moments.sort()[0] ?? null
}
