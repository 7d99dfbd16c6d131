/** Legal holds on an agreement as a whole: they hold the requests that are there, and those that come while they stand. */
import type { Agreement } from '../../format/agreement.js'
import type { StatementOf } from '../../format/statement.js'
import type { VerifiedStatement } from '../rules/quorum.js'
import { parseReleasePolicy } from '../rules/release-policy.js'

/** A hold on every request, verified. */
export type AgreementHold = VerifiedStatement & { readonly statement: StatementOf<'legal-hold'> }

/** Whether a statement places or lifts a hold on every request of an agreement. */
export function isAgreementHold(verified: VerifiedStatement): verified is AgreementHold {
  const { statement } = verified
  return statement.type === 'escrow/statement/legal-hold/v1' && statement.requestDigest === null
}

/**
 * Whether somebody may place such a hold, or lift one: the agreement pins who may place holds; they and the arbiter lift.
 *
 * @returns false where the agreement has no release part.
 */
export function mayHold({ signer, statement }: AgreementHold, agreement: Agreement): boolean {
  const pinned = Object.keys(agreement.release).length > 0 && parseReleasePolicy(agreement.release).holdSigners.includes(signer)
  const arbiter = agreement.parties.some(({ party, role }) => party === signer && role === 'arbiter')
  return pinned || (statement.action === 'lift' && arbiter)
}

/**
 * The holds that stand now.
 *
 * @param said - what was said about holds on every request, in the order in which it was recorded.
 * @returns the one that lasts longest first; empty when none stands. A hold is over with its day, when its statement has expired, and when
 *   its signer or the arbiter lifted it afterwards.
 */
export function standingHolds(said: readonly VerifiedStatement[], agreement: Agreement, now: Date): readonly AgreementHold[] {
  const holds = said.filter(isAgreementHold).filter((hold) => mayHold(hold, agreement))
  const arbiters = new Set(agreement.parties.filter(({ role }) => role === 'arbiter').map(({ party }) => party))
  const moment = now.toISOString()
  return holds
    .filter(({ statement, signer }, place) => {
      if (statement.action !== 'place' || statement.until <= moment || statement.expiresAt <= moment) return false
      const after = holds.slice(place + 1).filter((later) => later.statement.action === 'lift')
      return !after.some((lift) => lift.signer === signer || arbiters.has(lift.signer))
    })
    .toSorted((left, right) => right.statement.until.localeCompare(left.statement.until))
}
