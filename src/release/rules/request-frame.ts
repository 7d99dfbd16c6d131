/**
 * The frame of a release request: everything that governs it, taken from the agreement version in force at submission. The checks
 * here are those that need no people; whoever passes them has asked correctly, not rightly.
 */
import type { Agreement } from '../../format/agreement.js'
import type { StatementOf } from '../../format/statement.js'
import { checkStatement } from '../../format/check-statement.js'
import { EscrowError, unreachable } from '../../core/errors.js'
import { parseReleasePolicy, termsOf, type ReleaseTerms } from './release-policy.js'
import type { VerifiedStatement } from './quorum.js'
import type { RequestCause, RequestFrame } from './release-state.js'

/** An order that has become effective, as far as a request under it is concerned. */
export interface EffectiveOrder {
  readonly digest: string
  /** Its registrants as parties of this agreement; empty when none of them is one. */
  readonly registrants: readonly string[]
  readonly bySilence: boolean
}

/** A release request whose signature was verified, with what it is to be judged by. */
export interface Submission {
  readonly verified: VerifiedStatement & { readonly statement: StatementOf<'release-request'> }
  readonly agreement: Agreement
  readonly agreementDigest: string
  /** The epoch that takes deposits now. */
  readonly epoch: number
  readonly order: EffectiveOrder | null
  readonly now: Date
}

/**
 * Freeze a request to the agreement version in force.
 *
 * @returns the frame; the same for the same submission, so that anybody can make it again from the signed documents.
 * @throws EscrowError `STATEMENT_INVALID` when agreement, epoch, beneficiary keys, sources, evidence or order do not fit;
 *   `STATEMENT_EXPIRED`; `SIGNER_REFUSED` when its signer may not ask; `NOT_FOUND` for an unknown condition.
 */
export function frameRequest(submission: Submission): RequestFrame {
  const { verified, agreement, agreementDigest, epoch, now } = submission
  const { statement } = verified
  checkStatement(statement, { agreement: agreementDigest, origin: agreement.origin, epoch, now })
  const terms = termsOf(parseReleasePolicy(agreement.release), statement.condition)
  requireSources(statement, agreement)
  requireEvidence(statement, terms)
  const cause = causeOf(submission, terms)
  return {
    request: statement.request,
    digest: verified.digest,
    agreement: agreementDigest,
    origin: agreement.origin,
    epoch,
    cause,
    requesters: requestersOf(submission, cause),
    recipients: pinnedRecipients(statement, agreement),
    terms,
    roster: {
      parties: agreement.parties,
      vault: agreement.vault,
      jurisdiction: agreement.jurisdiction,
      approvalGroups: terms.approvalGroups,
    },
  }
}

/** An order asks for everybody; otherwise a beneficiary asks, or the depositor gives its material away itself. */
function causeOf({ verified, agreement, order }: Submission, terms: ReleaseTerms): RequestCause {
  const { statement, signer } = verified
  if (statement.order !== (order?.digest ?? null)) throw invalid('the digest of an effective order, or none where there is no order')
  if ((terms.kind === 'shutdown-order') !== (order !== null))
    throw invalid('an order for a condition of kind shutdown-order, and only there')
  const role = agreement.parties.find((party) => party.party === signer)?.role
  if (order !== null) return { kind: 'order', order: order.digest, bySilence: order.bySilence }
  if (role === 'beneficiary') return { kind: 'beneficiary' }
  if (role === 'depositor' && terms.kind === 'depositor-consent') return { kind: 'depositor' }
  throw new EscrowError('SIGNER_REFUSED', `expected a request by a beneficiary, got one by ${signer}`)
}

function requestersOf({ verified, order }: Submission, cause: RequestCause): readonly string[] {
  switch (cause.kind) {
    case 'order':
      return [...new Set([...(order?.registrants ?? []), verified.signer])]
    case 'beneficiary':
    case 'depositor':
      return [verified.signer]
    default:
      return unreachable(cause)
  }
}

/** "Substituted beneficiary key anywhere on the way": only what the agreement pins may receive. */
function pinnedRecipients(statement: StatementOf<'release-request'>, agreement: Agreement): readonly string[] {
  const recipients = statement.beneficiaries.map(({ party, recipient }) => {
    const pinned = agreement.parties.find((candidate) => candidate.party === party && candidate.role === 'beneficiary')
    if (pinned === undefined) throw invalid(`a beneficiary of the agreement, got ${party}`)
    if (recipient !== pinned.recipient && recipient !== pinned.recoveryRecipient)
      throw invalid(`the pinned recipient of ${party}, got another`)
    return recipient
  })
  return [...new Set(recipients)].sort()
}

function requireSources(statement: StatementOf<'release-request'>, agreement: Agreement): void {
  const sources = new Set(agreement.sources.map((source) => source.source))
  const unknown = statement.deposits.find((deposit) => !sources.has(deposit.source))
  if (unknown !== undefined) throw invalid(`a source of the agreement, got ${unknown.source}`)
}

/** A document is named for what it proves: its title is the agreed name, or begins with the name, a colon and a space. */
function requireEvidence(statement: StatementOf<'release-request'>, terms: ReleaseTerms): void {
  const missing = terms.evidence.find(
    (name) => !statement.evidence.some((document) => document.title === name || document.title.startsWith(`${name}: `)),
  )
  if (missing !== undefined) throw invalid(`evidence with the title ${missing}, got none`)
}

function invalid(expected: string): EscrowError {
  return new EscrowError('STATEMENT_INVALID', `release-request: expected ${expected}`)
}
