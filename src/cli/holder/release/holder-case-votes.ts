// What the log of a verified case says: the state, the votes, and whether shares may be handed over. Counted here, from signatures.
import { EscrowError } from '../../../core/errors.js'
import type { Event, EventOf } from '../../../format/event.js'
import { custodianBody, personsOf } from '../../../release/rules/electorate.js'
import { isVote, tallyVotes, type Tally, type VerifiedStatement } from '../../../release/rules/quorum.js'
import type { OpenedCase } from './holder-case.js'

/** An event is recorded a moment after what it speaks of, and clocks of different machines differ by so much. */
const recordingMs = 60_000

/** How the votes stand, counted here from the signed statements that the log shows. */
export function countVotes(one: OpenedCase, at: Date): Tally {
  const votes = votesOf(one).map(({ digest }) => ({ digest, round: 1 }))
  return tallyVotes({ votes, round: 1, unavailable: [], vetoedAt: vetoedAt(one) }, one.frame, { at, verify: one.verify })
}

/** Votes that the log shows and that no veto has made void. */
function votesOf(one: OpenedCase): readonly VerifiedStatement[] {
  const { recorded } = one
  const veto = vetoedAt(one)
  const since = (digest: string): boolean => veto === null || (recorded.get(digest) ?? '') > veto
  return one.statements.filter(({ statement, digest }) => isVote(statement) && recorded.has(digest) && since(digest))
}

function vetoedAt(one: OpenedCase): string | null {
  if (one.unlogged) return firstVeto(one)
  return one.events.find(({ event }) => isAdvance(event) && event.to === 'vetoed')?.event.at ?? null
}

/** The first of all guardians together: a request is vetoed once. */
function firstVeto({ statements, frame }: OpenedCase): string | null {
  const vetoes = statements.filter(
    ({ signer, statement }) => statement.type === 'escrow/statement/veto/v1' && frame.terms.guardians.includes(signer),
  )
  return vetoes.map(({ statement }) => statement.issuedAt).sort()[0] ?? null
}

/**
 * Demand the quorum of a case without a log, and its cooling-off by the approvals' own dates and this machine's clock.
 *
 * @throws EscrowError `REQUEST_STATE`
 */
export function requireQuorum(one: OpenedCase, now: Date): void {
  const { verdict } = countVotes(one, now)
  if (verdict !== 'approved')
    throw new EscrowError('REQUEST_STATE', `expected approvals that suffice, but the votes at hand are ${verdict}`)
  requireCooledOff(one, { at: now, now, coolingMs: one.frame.terms.clocks.coolingOffHours * 3_600_000 })
}

/** The state that the log shows, and since when. */
export function loggedState(one: OpenedCase): { readonly state: string; readonly since: string } {
  if (one.unlogged) return { state: 'without the service', since: one.request.statement.issuedAt }
  const moves = one.events.map(({ event }) => event).filter(isAdvance)
  const last = moves.at(-1)
  const first = moves.findLast((event) => event.to === last?.to && event.from !== event.to)
  return { state: last?.to ?? 'unknown', since: first?.at ?? '' }
}

/**
 * The moment since which the log shows that shares may be handed over.
 *
 * The times in the log are the operator's. So the cooling-off is also reckoned from what no operator dates: when the approvals that make
 * the quorum were signed, and this machine's own clock. With fewer than a quorum of dishonest custodians an honest one's date is among them.
 *
 * @param now - of this machine.
 * @throws EscrowError `REQUEST_STATE` while the log, or this clock, does not show it
 */
export function requireReleasing(one: OpenedCase, now: Date): Date {
  const { state, since } = loggedState(one)
  if (state !== 'releasing' && state !== 'released') {
    throw new EscrowError('REQUEST_STATE', `expected the log to show the request in releasing, got ${state}`)
  }
  const moves = one.events.map(({ event }) => event).filter(isAdvance)
  const releasing = moves.findLast((event) => event.to === 'releasing' && event.from !== 'releasing')
  const cooling = moves.findLast((event) => event.to === 'coolingOff' && event.from !== 'coolingOff')
  const coolingMs = one.frame.terms.clocks.coolingOffHours * 3_600_000
  if (releasing === undefined || cooling === undefined || Date.parse(releasing.at) + recordingMs < Date.parse(cooling.at) + coolingMs) {
    throw new EscrowError(
      'REQUEST_STATE',
      `expected a cooling-off of ${one.frame.terms.clocks.coolingOffHours} hours in the log before ${since}`,
    )
  }
  const at = new Date(releasing.at)
  requireCooledOff(one, { at, now, coolingMs })
  const { verdict } = countVotes(one, at)
  if (verdict !== 'approved') throw new EscrowError('REQUEST_STATE', `expected the votes in the log to approve, but they are ${verdict}`)
  return at
}

function requireCooledOff(one: OpenedCase, turn: { readonly at: Date; readonly now: Date; readonly coolingMs: number }): void {
  const nowMs = turn.now.getTime() + recordingMs
  if (turn.at.getTime() > nowMs) {
    throw new EscrowError(
      'REQUEST_STATE',
      `expected a log of the past, got releasing at ${turn.at.toISOString()}: the clock of the operator is ahead`,
    )
  }
  const quorumAt = quorumSignedAt(one, turn.at)
  if (quorumAt !== undefined && nowMs >= Date.parse(quorumAt) + turn.coolingMs) return
  const hours = turn.coolingMs / 3_600_000
  throw new EscrowError(
    'REQUEST_STATE',
    `expected approvals that were signed ${hours} hours ago, but the quorum signed ${quorumAt ?? 'nothing'}`,
  )
}

/** By when as many custodians as the vault needs had signed, by their own clocks; undefined when they have not. */
function quorumSignedAt(one: OpenedCase, at: Date): string | undefined {
  const approving = new Set(countVotes(one, at).bodies.find(({ body }) => body === custodianBody)?.approvals)
  const persons = personsOf(one.agreement.body.parties)
  const signedAt = new Map<string, string>()
  for (const { signer, statement } of votesOf(one)) {
    const person = persons.get(signer) ?? signer
    if (statement.type !== 'escrow/statement/approval/v1' || !approving.has(person)) continue
    const before = signedAt.get(person)
    if (before === undefined || statement.issuedAt < before) signedAt.set(person, statement.issuedAt)
  }
  return [...signedAt.values()].sort()[one.agreement.body.vault.threshold - 1]
}

type Advanced = EventOf<'request-advanced'>

function isAdvance(event: Event): event is Advanced {
  return event.type === 'escrow/event/request-advanced/v1'
}
