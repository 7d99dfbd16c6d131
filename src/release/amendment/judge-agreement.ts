import type { Agreement } from '../../format/agreement.js'
import { verdictOnCapital } from '../../escrow/jurisdiction.js'
import { requireSatisfiable } from '../rules/policy-verdict.js'
import { parseReleasePolicy } from '../rules/release-policy.js'

/** What signers of an agreement without a release part are told. */
export const noReleaseWarning = 'The agreement has no release part: nothing that is deposited under it can ever be requested.'

/** What signers of an agreement are told whose log nobody else watches. */
export const noWitnessWarning =
  'No witness cosigns the log: whoever holds its key could show different logs to different parties, until they compare their checkpoints.'

/**
 * Judge the release part of an agreement when it is made, who watches its log, and where its parties' capital comes from.
 *
 * @returns the warnings to show; empty when there are none.
 * @throws EscrowError `AGREEMENT_INVALID` when it is malformed, or nobody could satisfy it
 */
export function judgeAgreement(agreement: Agreement): readonly string[] {
  const capital = agreement.parties.flatMap(({ party, standing }) => verdictOnCapital(standing).map((rule) => `${party}: ${rule}`))
  const others = [...(agreement.log.witnessQuorum === 0 ? [noWitnessWarning] : []), ...capital]
  if (Object.keys(agreement.release).length === 0) return [noReleaseWarning, ...others]
  return [...requireSatisfiable(parseReleasePolicy(agreement.release), agreement), ...others]
}
