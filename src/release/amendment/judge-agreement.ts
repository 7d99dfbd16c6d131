import type { Agreement } from '../../format/agreement.js'
import { verdictOnCapital } from '../../escrow/jurisdiction.js'
import { requireSatisfiable } from '../rules/policy-verdict.js'
import { parseReleasePolicy } from '../rules/release-policy.js'

/** What signers of an agreement without a release part are told. */
export const noReleaseWarning = 'The agreement has no release part: nothing that is deposited under it can ever be requested.'

/**
 * Judge the release part of an agreement when it is made, and where its parties' capital comes from.
 *
 * @returns the warnings to show; empty when there are none.
 * @throws EscrowError `AGREEMENT_INVALID` when it is malformed, or nobody could satisfy it
 */
export function judgeAgreement(agreement: Agreement): readonly string[] {
  const capital = agreement.parties.flatMap(({ party, standing }) => verdictOnCapital(standing).map((rule) => `${party}: ${rule}`))
  if (Object.keys(agreement.release).length === 0) return [noReleaseWarning, ...capital]
  return [...requireSatisfiable(parseReleasePolicy(agreement.release), agreement), ...capital]
}
