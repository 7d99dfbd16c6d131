/**
 * Whether those who approved still stand where the jurisdiction policy wants them. The policy is the one that the submission froze; where a
 * party sits and who controls it is a fact, and the version in force knows it best: a custodian that was bought between its vote and the grant
 * does not hand the material to its new owner's country.
 */
import { EscrowError } from '../../core/errors.js'
import { verdictOnParty } from '../../escrow/jurisdiction.js'
import type { Party, Standing } from '../../format/agreement.js'
import { tallyVotes, type VerifyStatement } from '../rules/quorum.js'
import type { ReleaseProgress, RequestFrame } from '../rules/release-state.js'

/** A request whose votes have sufficed. */
export interface ApprovedRequest {
  readonly progress: ReleaseProgress
  readonly frame: RequestFrame
  readonly verify: VerifyStatement
}

/**
 * Count the votes again with where every voter stands now.
 *
 * @param now.parties - of the version in force; who is no party any more stands where it stood.
 * @param now.decidedAt - when the votes were counted: an approval that has expired since counts still.
 * @throws EscrowError `APPROVER_POLICY` naming each party and rule when they do not suffice any more; whatever `verify` throws
 */
export function requireStandingNow(
  { progress, frame, verify }: ApprovedRequest,
  now: { readonly parties: readonly Party[]; readonly decidedAt: Date },
): void {
  const { roster } = frame
  const standings = new Map(now.parties.map(({ party, standing }) => [party, standing]))
  if (roster.parties.every(({ party, standing }) => equal(standing, standings.get(party) ?? standing))) return
  const parties = roster.parties.map((party) => ({ ...party, standing: standings.get(party.party) ?? party.standing }))
  const { verdict } = tallyVotes(progress, { ...frame, roster: { ...roster, parties } }, { at: now.decidedAt, verify })
  if (verdict === 'approved') return
  const broken = parties.flatMap((party) => verdictOnParty(party, roster.jurisdiction).map((rule) => `${party.party}: ${rule}`))
  const words = broken.length === 0 ? 'its approvals come from too few countries' : broken.join('; ')
  throw new EscrowError(
    'APPROVER_POLICY',
    `expected the approvals of ${frame.request} to suffice where their parties stand now, but ${words}`,
  )
}

function equal(left: Standing, right: Standing): boolean {
  return (
    left.country === right.country &&
    left.control === right.control &&
    left.foreignCapitalLargestPercent === right.foreignCapitalLargestPercent &&
    left.foreignCapitalTotalPercent === right.foreignCapitalTotalPercent
  )
}
