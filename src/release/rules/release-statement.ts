/** What each signed statement does to a release request, and who may sign it. The signature is verified; nothing else is believed. */
import type { Statement, StatementOf } from '../../format/statement.js'
import { checkStatement, maySign } from '../../format/check-statement.js'
import { EscrowError, unreachable } from '../../core/errors.js'
import { underOneControl } from './electorate.js'
import { isVote, requireNamedSigner, requireVote, type VerifiedStatement, type Vote } from './quorum.js'
import { addHours } from './release-clocks.js'
import {
  end,
  endHold,
  isHoldable,
  judgeVotes,
  move,
  note,
  openApproval,
  openContest,
  openNotice,
  patch,
  windowOf,
  type Turn,
} from './release-step.js'
import { isOpen, type Advance, type EventCause, type ReleaseState } from './release-state.js'

const dayMs = 86_400_000

/** A statement of one type with who signed it. */
interface Signed<S extends Statement> {
  readonly digest: string
  readonly signer: string
  readonly statement: S
}

/**
 * Record one verified statement.
 *
 * @returns the request afterwards; the statement is among `seen`, so recording it again does nothing.
 * @throws EscrowError `STATEMENT_INVALID` for another request, agreement, epoch or type; `STATEMENT_EXPIRED`; `SIGNER_REFUSED`;
 *   `REQUEST_STATE` when it comes too early or too late.
 */
export function recordStatement(step: Advance, verified: VerifiedStatement, turn: Turn): Advance {
  const { statement, signer, digest } = verified
  requireNamedSigner(verified, turn.frame.agreement)
  const seen = patch(step, { seen: [...step.progress.seen, digest] })
  if (isVote(statement)) return recordVote(seen, { digest, signer, statement }, turn)
  requireFit(statement, turn)
  if (isOf(statement, 'formal-check')) return formalCheck(seen, { digest, signer, statement }, turn)
  if (isOf(statement, 'notice-served')) return recordService(seen, { digest, signer, statement }, turn)
  if (isOf(statement, 'contrary-instruction')) return lodgeContrary(seen, { digest, signer, statement }, turn)
  if (isOf(statement, 'ruling')) return recordRuling(seen, { digest, signer, statement }, turn)
  if (isOf(statement, 'withdrawal')) return withdraw(seen, { digest, signer, statement }, turn)
  if (isOf(statement, 'veto')) return recordVeto(seen, { digest, signer, statement }, turn)
  if (isOf(statement, 'legal-hold')) {
    const change = statement.action === 'place' ? placeHold : liftHold
    return change(seen, { digest, signer, statement }, turn)
  }
  throw new EscrowError('STATEMENT_INVALID', `expected a statement about a release request, got ${statement.type}`)
}

function isOf<Name extends StatementName>(statement: Statement, name: Name): statement is StatementOf<Name> {
  return statement.type === `escrow/statement/${name}/v1`
}

type StatementName = 'formal-check' | 'notice-served' | 'contrary-instruction' | 'ruling' | 'withdrawal' | 'veto' | 'legal-hold'

function requireFit(statement: Statement, { frame, now }: Turn): void {
  const subject = subjectOf(statement)
  // Who speaks about every request of an agreement speaks about every epoch.
  const epoch = subject === 'every request' ? {} : { epoch: frame.epoch }
  checkStatement(statement, { agreement: frame.agreement, origin: frame.origin, ...epoch, now })
  if (subject !== frame.digest && subject !== 'every request') {
    throw new EscrowError('STATEMENT_INVALID', `expected a statement about request ${frame.digest.slice(0, 16)}, got one about another`)
  }
}

function subjectOf(statement: Statement): string | null {
  if (statement.type === 'escrow/statement/ruling/v1') return statement.subject.kind === 'request' ? statement.subject.digest : null
  if (statement.type === 'escrow/statement/legal-hold/v1') return statement.requestDigest ?? 'every request'
  if (statement.type === 'escrow/statement/notice-served/v1') return statement.subject
  return 'requestDigest' in statement ? statement.requestDigest : null
}

/** Formal: the agent decides nothing that could not be shown to be wrong, and its silence admits. */
function formalCheck(step: Advance, checked: Signed<StatementOf<'formal-check'>>, turn: Turn): Advance {
  requireSigner(checked, turn)
  if (step.progress.state.name !== 'submitted') throw wrongState(step.progress.state, 'submitted')
  if (checked.statement.passed) return move(step, windowOf('admitted', turn), causeOf(checked), turn)
  return end(step, { name: 'rejected', reason: 'formal-check' }, causeOf(checked), turn)
}

function recordService(step: Advance, served: Signed<StatementOf<'notice-served'>>, turn: Turn): Advance {
  requireSigner(served, turn)
  if (step.progress.state.name !== 'admitted') throw wrongState(step.progress.state, 'admitted')
  return openNotice(step, served.statement.proof, causeOf(served), turn)
}

function recordVote(step: Advance, vote: Signed<Vote>, turn: Turn): Advance {
  const { state, round, votes } = step.progress
  if (state.name !== 'approval' && state.name !== 'coolingOff' && state.name !== 'releasing') {
    throw wrongState(state, 'approval, coolingOff or releasing')
  }
  requireVote(vote, step.progress, turn.frame, { now: turn.now, decidedAt: decisionAt(state, turn), verify: turn.verify })
  const cast = patch(step, { votes: [...votes, { digest: vote.digest, round }] })
  return judgeVotes(note(cast, causeOf(vote), turn), turn)
}

/** When the decision falls at the latest, if no refusal or hold delays it: an approval must live that long. */
function decisionAt(state: Extract<ReleaseState, { readonly name: 'approval' | 'coolingOff' | 'releasing' }>, turn: Turn): Date {
  if (state.name === 'approval') return addHours(new Date(state.until), turn.frame.terms.clocks.coolingOffHours)
  return state.name === 'coolingOff' ? new Date(state.until) : turn.now
}

/** The depositor is heard once. Later instructions may bring the docket evidence of the first. */
function lodgeContrary(step: Advance, lodged: Signed<StatementOf<'contrary-instruction'>>, turn: Turn): Advance {
  const { state, contested } = step.progress
  requireRole(lodged, 'depositor', turn)
  const docketed = lodged.statement.evidence.length > 0
  if (state.name === 'contested') {
    if (!docketed || state.docketed) return note(step, causeOf(lodged), turn)
    return move(step, { ...state, docketed, until: state.rulingBy }, causeOf(lodged), turn)
  }
  const heard = state.name === 'submitted' || state.name === 'admitted' || state.name === 'notice'
  if (contested || !(heard || breaksSilence(state, turn))) throw wrongState(state, 'submitted, admitted, notice or contested')
  return openContest(step, { digest: lodged.digest, docketed }, causeOf(lodged), turn)
}

/** An approval that rests on the depositor's silence ends with the silence, even while shares are being handed over. */
function breaksSilence(state: ReleaseState, { frame }: Turn): boolean {
  const silent = frame.cause.kind === 'order' && frame.cause.bySilence
  return silent && (state.name === 'approval' || state.name === 'coolingOff' || state.name === 'releasing' || state.name === 'vetoed')
}

function recordRuling(step: Advance, ruled: Signed<StatementOf<'ruling'>>, turn: Turn): Advance {
  const { state } = step.progress
  requireRole(ruled, 'arbiter', turn)
  const { parties } = turn.frame.roster
  if (turn.frame.requesters.some((requester) => underOneControl(parties, requester, ruled.signer))) {
    throw new EscrowError('SIGNER_REFUSED', `expected an arbiter apart from the requester, got ${ruled.signer}`)
  }
  if (state.name !== 'contested') throw wrongState(state, 'contested')
  switch (ruled.statement.outcome) {
    case 'proceed':
      return openApproval(step, causeOf(ruled), turn)
    case 'reject':
      return end(step, { name: 'rejected', reason: 'ruling' }, causeOf(ruled), turn)
    case 'stay':
      // Proceedings are under way, which is what docket evidence would show; `contestDaysMax` still ends them.
      return move(step, { ...state, docketed: true, until: state.rulingBy }, causeOf(ruled), turn)
    default:
      return unreachable(ruled.statement.outcome)
  }
}

function withdraw(step: Advance, withdrawn: Signed<StatementOf<'withdrawal'>>, turn: Turn): Advance {
  if (!turn.frame.requesters.includes(withdrawn.signer)) {
    throw new EscrowError('SIGNER_REFUSED', `expected a withdrawal by the requester, got one by ${withdrawn.signer}`)
  }
  if (!isOpen(step.progress.state)) throw wrongState(step.progress.state, 'any open state')
  return end(step, { name: 'withdrawn', reason: 'requester' }, causeOf(withdrawn), turn)
}

/** Once for all guardians together: a second veto would let one person stall a release for ever. */
function recordVeto(step: Advance, vetoed: Signed<StatementOf<'veto'>>, turn: Turn): Advance {
  const { state, round } = step.progress
  if (!turn.frame.terms.guardians.includes(vetoed.signer)) {
    throw new EscrowError('SIGNER_REFUSED', `expected a veto by a guardian, got one by ${vetoed.signer}`)
  }
  if (state.name !== 'coolingOff') throw wrongState(state, 'coolingOff')
  if (round === 2) throw new EscrowError('REQUEST_STATE', 'expected the first cooling-off, got the second: a request is vetoed once')
  if (vetoed.statement.reason.trim() === '') throw new EscrowError('STATEMENT_INVALID', 'expected a reason, got none')
  const now = turn.now.toISOString()
  const again = patch(step, { round: 2, vetoedAt: now })
  return move(again, { name: 'vetoed', since: now, until: now }, causeOf(vetoed), turn)
}

function placeHold(step: Advance, hold: Signed<StatementOf<'legal-hold'>>, turn: Turn): Advance {
  const { state, heldMs } = step.progress
  const { clocks, holdSigners } = turn.frame.terms
  if (!holdSigners.includes(hold.signer)) throw new EscrowError('SIGNER_REFUSED', `expected a hold by a pinned signer, got ${hold.signer}`)
  if (!isHoldable(state)) throw wrongState(state, 'any open state that is not held')
  const nowMs = turn.now.getTime()
  const longestMs = Math.min(clocks.holdDaysMax * dayMs, clocks.holdDaysTotalMax * dayMs - heldMs)
  const untilMs = Math.min(Date.parse(hold.statement.until), nowMs + longestMs)
  if (untilMs <= nowMs) {
    throw new EscrowError('REQUEST_STATE', `expected holds of ${clocks.holdDaysTotalMax} days in all and an end in the future, got more`)
  }
  const window = { since: turn.now.toISOString(), until: new Date(untilMs).toISOString() }
  const held = { name: 'held', ...window, reason: 'legal-hold', hold: hold.digest, signer: hold.signer, resume: state } as const
  return move(step, held, causeOf(hold), turn)
}

function liftHold(step: Advance, lift: Signed<StatementOf<'legal-hold'>>, turn: Turn): Advance {
  const { state } = step.progress
  if (state.name !== 'held' || state.reason !== 'legal-hold') throw wrongState(state, 'held by a legal hold')
  const arbiter = turn.frame.roster.parties.some((party) => party.party === lift.signer && party.role === 'arbiter')
  if (lift.signer !== state.signer && !arbiter) {
    throw new EscrowError(
      'SIGNER_REFUSED',
      `expected ${state.signer ?? 'the signer of the hold'} or the arbiter to lift it, got ${lift.signer}`,
    )
  }
  return endHold(step, state, causeOf(lift), turn)
}

/** Whoever signed may say such a thing by its role in the frame's agreement. */
function requireSigner({ signer, statement }: Signed<Statement>, { frame }: Turn): void {
  const role = frame.roster.parties.find((party) => party.party === signer)?.role
  if (role !== undefined && maySign(role, statement.type)) return
  throw new EscrowError('SIGNER_REFUSED', `expected a party that may sign ${statement.type}, got ${signer}`)
}

function requireRole({ signer }: Signed<Statement>, role: 'depositor' | 'arbiter', { frame }: Turn): void {
  const found = frame.roster.parties.find((party) => party.party === signer)?.role
  if (found !== role) throw new EscrowError('SIGNER_REFUSED', `expected a statement by the ${role}, got one by ${signer}`)
}

function causeOf({ digest, signer, statement }: Signed<Statement>): EventCause {
  return { kind: 'statement', digest, type: statement.type, party: signer }
}

function wrongState(state: ReleaseState, expected: string): EscrowError {
  return new EscrowError('REQUEST_STATE', `expected the request in ${expected}, got ${state.name}`)
}
