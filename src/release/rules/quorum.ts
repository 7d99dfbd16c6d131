/**
 * Who has approved. Rows say which statements to look at; what counts is each signed document, verified again every time votes are
 * counted. A document that no longer verifies stops the count: a refusal must not vanish by being damaged.
 */
import type { Statement, StatementOf } from '../../format/statement.js'
import { checkStatement } from '../../format/check-statement.js'
import { EscrowError } from '../../core/errors.js'
import { electorateOf, eligible, suffices, type Body, type Voter } from './electorate.js'
import type { RecordedVote, ReleaseProgress, RequestFrame } from './release-state.js'

/** A statement whose signature was verified a moment ago with a key that the frame's agreement pins. */
export interface VerifiedStatement {
  /** SHA-256 of the signed payload. */
  readonly digest: string
  /** The party of the frame's agreement whose key signed; the key decides, not the name in the statement. */
  readonly signer: string
  readonly statement: Statement
}

/**
 * Load a recorded document by digest and verify it: signature by a key pinned for `signer` in the frame's agreement, canonical bytes.
 * Where the statement names a party of this agreement whose key signed it, that party is `signer`. Throws EscrowError
 * `SIGNATURE_INVALID`, `STATEMENT_INVALID` or `NOT_FOUND`. It may remember a verdict for one turn over many requests (one approval
 * covers five hundred of them), never from one turn to the next, and never from a row.
 */
export type VerifyStatement = (digest: string) => VerifiedStatement

export type Vote = StatementOf<'approval'> | StatementOf<'refusal'>

/** How one body stands. */
export interface BodyTally {
  readonly body: string
  readonly need: number
  /** Persons by their first party; nobody is in both lists. */
  readonly approvals: readonly string[]
  readonly refusals: readonly string[]
  readonly verdict: QuorumVerdict
}

/** `impossible`: not even all who may vote could satisfy it. `refused`: they could have, but too many said no. */
export type QuorumVerdict = 'open' | 'approved' | 'refused' | 'impossible'

export interface Tally {
  readonly verdict: QuorumVerdict
  readonly bodies: readonly BodyTally[]
}

/** What of a frame counting needs. */
export type VotedFrame = Pick<RequestFrame, 'digest' | 'agreement' | 'origin' | 'epoch' | 'recipients' | 'requesters' | 'roster'>

/**
 * Count the votes on a request.
 *
 * @param progress - names the votes of the current round and who became unavailable.
 * @param surroundings.at - the moment of the decision: approvals that have expired by then do not count.
 * @returns one tally per body, custodians first; `approved` only when every body has its own quorum.
 * @throws EscrowError whatever `verify` throws.
 *
 * Idempotent; the order of votes does not matter: a refusal outweighs every approval of the same person in its round.
 */
export function tallyVotes(
  progress: Pick<ReleaseProgress, 'votes' | 'round' | 'unavailable' | 'vetoedAt'>,
  frame: VotedFrame,
  surroundings: { readonly at: Date; readonly verify: VerifyStatement },
): Tally {
  const cast = progress.votes
    .filter((vote) => vote.round === progress.round)
    .map((vote) => readVote(vote, frame.agreement, surroundings.verify))
  const counted = cast.filter((vote) => isCounted(vote, { frame, at: surroundings.at, vetoedAt: progress.vetoedAt }))
  const bodies = electorateOf(frame.roster, { requesters: frame.requesters, unavailable: progress.unavailable })
  const tallies = bodies.map((body) => tallyBody(body, counted))
  return { verdict: joint(tallies), bodies: tallies }
}

/**
 * Refuse a vote that cannot count, before it is recorded.
 *
 * @param surroundings.decidedAt - when the decision falls at the latest: an approval that expires earlier would not count.
 * @returns nothing; a vote that passes counts as long as its signer stays available.
 * @throws EscrowError `STATEMENT_INVALID` when it does not cover exactly this request, gives no reason or is older than the veto;
 *   `STATEMENT_EXPIRED`; `SIGNER_REFUSED` when its signer has no vote, has asked for the release, or has refused already.
 */
export function requireVote(
  vote: VerifiedStatement & { readonly statement: Vote },
  progress: ReleaseProgress,
  frame: RequestFrame,
  surroundings: { readonly now: Date; readonly decidedAt: Date; readonly verify: VerifyStatement },
): void {
  const { statement, signer } = vote
  // The key of the signer is pinned in this agreement too; the statement's own agreement may be another that it covers.
  checkStatement(statement, { agreement: statement.agreement, origin: frame.origin, now: surroundings.now })
  if (!coversRequest(statement, frame)) {
    throw new EscrowError('STATEMENT_INVALID', 'expected a vote on exactly this request, agreement, epoch and recipients')
  }
  if (statement.reason.trim() === '') throw new EscrowError('STATEMENT_INVALID', 'expected a reason, got none')
  if (isApproval(statement)) requireFresh(statement, progress.vetoedAt, surroundings.decidedAt)
  const person = requireVoter(signer, progress, frame)
  const refused = progress.votes
    .filter((cast) => cast.round === progress.round)
    .map((cast) => readVote(cast, frame.agreement, surroundings.verify))
    .some((cast) => !isApproval(cast.statement) && person.parties.includes(cast.signer))
  if (refused) throw new EscrowError('SIGNER_REFUSED', `expected one vote, but ${signer} has already refused this request`)
}

/** Whether an approval or refusal is for this request and nothing else in its place. Recipients are compared as sets. */
export function coversRequest(vote: Vote, frame: Pick<VotedFrame, 'digest' | 'agreement' | 'epoch' | 'recipients'>): boolean {
  if (isApproval(vote)) {
    const cover = vote.covers.find((candidate) => candidate.requestDigest === frame.digest)
    const same = cover?.agreement === frame.agreement && cover.epoch === frame.epoch
    return same && [...new Set(cover.recipients)].sort().join(' ') === [...frame.recipients].sort().join(' ')
  }
  return vote.covers.some((cover) => cover.requestDigest === frame.digest && cover.agreement === frame.agreement)
}

/** Whether a statement is an approval or a refusal. */
export function isVote(statement: Statement): statement is Vote {
  return isApproval(statement) || statement.type === 'escrow/statement/refusal/v1'
}

function isApproval(statement: Statement): statement is StatementOf<'approval'> {
  return statement.type === 'escrow/statement/approval/v1'
}

interface CastVote {
  readonly signer: string
  readonly statement: Vote
}

/**
 * Demand that a statement of this agreement names the party whose key signed it. The key decides; under another agreement that the
 * statement also covers, the same person may have another name.
 *
 * @throws EscrowError `SIGNATURE_INVALID`
 */
export function requireNamedSigner({ statement, signer }: VerifiedStatement, agreement: string): void {
  if (statement.agreement === agreement && statement.party !== signer) {
    throw new EscrowError('SIGNATURE_INVALID', `expected a signature by ${statement.party}, got one by ${signer}`)
  }
}

function readVote(vote: RecordedVote, agreement: string, verify: VerifyStatement): CastVote {
  const verified = verify(vote.digest)
  requireNamedSigner(verified, agreement)
  const { digest, signer, statement } = verified
  if (digest !== vote.digest || !isVote(statement)) {
    throw new EscrowError('STATEMENT_INVALID', `expected the vote with digest ${vote.digest.slice(0, 16)}, got another statement`)
  }
  return { signer, statement }
}

/** Refusals never lapse: whoever is silent has refused, so an expired refusal would change nothing for the better. */
function isCounted(
  { statement }: CastVote,
  rules: { readonly frame: VotedFrame; readonly at: Date; readonly vetoedAt: string | null },
): boolean {
  if (statement.origin !== rules.frame.origin || !coversRequest(statement, rules.frame)) return false
  if (!isApproval(statement)) return true
  const given = rules.vetoedAt === null || statement.issuedAt > rules.vetoedAt
  return given && rules.at.getTime() < Date.parse(statement.expiresAt)
}

function requireFresh(statement: StatementOf<'approval'>, vetoedAt: string | null, decidedAt: Date): void {
  if (vetoedAt !== null && statement.issuedAt <= vetoedAt) {
    throw new EscrowError('STATEMENT_INVALID', `expected an approval given after the veto of ${vetoedAt}, got one of ${statement.issuedAt}`)
  }
  if (Date.parse(statement.expiresAt) <= decidedAt.getTime()) {
    const until = decidedAt.toISOString()
    throw new EscrowError(
      'STATEMENT_EXPIRED',
      `expected an approval that lasts beyond ${until}, when the decision may fall, got ${statement.expiresAt}`,
    )
  }
}

function requireVoter(signer: string, progress: ReleaseProgress, frame: RequestFrame): Voter {
  const bodies = electorateOf(frame.roster, { requesters: frame.requesters, unavailable: progress.unavailable })
  const seats = bodies.flatMap((body) => body.voters).filter((voter) => voter.parties.includes(signer))
  const seat = seats.find((voter) => voter.bar === null)
  if (seat !== undefined) return seat
  const bar = seats[0]?.bar ?? 'no member of any body'
  throw new EscrowError('SIGNER_REFUSED', `expected a voter of this request, but ${signer} has no vote: ${bar}`)
}

function tallyBody(body: Body, votes: readonly CastVote[]): BodyTally {
  const voters = eligible(body)
  const by = (voter: Voter): readonly CastVote[] => votes.filter((vote) => voter.parties.includes(vote.signer))
  const refusing = voters.filter((voter) => by(voter).some((vote) => !isApproval(vote.statement)))
  const approving = voters.filter((voter) => !refusing.includes(voter) && by(voter).length > 0)
  const names = (list: readonly Voter[]): readonly string[] => list.map((voter) => voter.person)
  const verdict = judgeBody(body, { voters, refusing, approving })
  return { body: body.name, need: body.need, approvals: names(approving), refusals: names(refusing), verdict }
}

function judgeBody(
  body: Body,
  people: { readonly voters: readonly Voter[]; readonly refusing: readonly Voter[]; readonly approving: readonly Voter[] },
): QuorumVerdict {
  const { voters, refusing, approving } = people
  if (!suffices(body, voters)) return 'impossible'
  if (body.rule === 'any-deny' && refusing.length > 0) return 'refused'
  if (suffices(body, approving)) return 'approved'
  // With `threshold` and `majority`, whose k is a majority, a body has refused once k is out of reach.
  const possible = voters.filter((voter) => !refusing.includes(voter))
  return suffices(body, possible) ? 'open' : 'refused'
}

/** One body's refusal refuses; impossibility freezes before that, because it is nobody's decision. */
function joint(tallies: readonly BodyTally[]): QuorumVerdict {
  const verdicts = tallies.map((tally) => tally.verdict)
  if (verdicts.includes('impossible')) return 'impossible'
  if (verdicts.includes('refused')) return 'refused'
  return verdicts.every((verdict) => verdict === 'approved') ? 'approved' : 'open'
}
