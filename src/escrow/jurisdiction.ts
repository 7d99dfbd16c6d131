// Verdicts of an agreement's jurisdiction policy (DESIGN section 8), asked at start-up and at every write, grant and vote. Pure.
import type { JurisdictionPolicy, Party, Role } from '../format/agreement.js'

/** SecNumCloud 3.2, section 19.6: what one holder from outside, and all of them together, may hold at most. */
const foreignHolderPercentMax = 24
const foreignHoldersPercentMax = 39

/** Where a store stands and who controls its operator. */
export interface StorePlace {
  readonly country: string
  readonly control: string
}

/**
 * Which rules a store breaks.
 *
 * @returns one sentence per rule, beginning with its name; empty when the store may be used. An empty list of countries allows all.
 */
export function verdictOnStore(
  place: StorePlace,
  policy: Pick<JurisdictionPolicy, 'storeCountries' | 'storeControlExcluded'>,
): readonly string[] {
  const { storeCountries, storeControlExcluded } = policy
  const outside = storeCountries.length > 0 && !storeCountries.includes(place.country)
  return [
    ...(outside ? [`storeCountries: expected ${storeCountries.join(' or ')}, got ${place.country}`] : []),
    ...(storeControlExcluded.includes(place.control) ? [`storeControlExcluded: ${place.control} is excluded`] : []),
  ]
}

/** Roles whose statements decide about a release. */
const votingRoles: ReadonlySet<Role> = new Set(['custodian', 'approver', 'supervisor'])

/**
 * Which rules a party breaks in its role.
 *
 * @returns one sentence per rule, beginning with its name; empty when there is none, and for roles that do not vote.
 */
export function verdictOnParty(party: Pick<Party, 'role' | 'standing'>, policy: JurisdictionPolicy): readonly string[] {
  const { approverCountries } = policy
  if (!votingRoles.has(party.role) || approverCountries.length === 0) return []
  const { country, control } = party.standing
  const allowed = approverCountries.join(' or ')
  return [
    ...(approverCountries.includes(country) ? [] : [`approverCountries: expected a seat in ${allowed}, got ${country}`]),
    ...(approverCountries.includes(control) ? [] : [`approverCountries: expected control in ${allowed}, got ${control}`]),
  ]
}

/**
 * Whether foreign capital stays within SecNumCloud's limits: 24 % for one holder, 39 % for all together. A verdict to show; it
 * refuses nothing by itself.
 *
 * @returns one sentence per limit that is passed; empty when both are kept.
 */
export function verdictOnCapital(standing: Party['standing']): readonly string[] {
  const { foreignCapitalLargestPercent: largest, foreignCapitalTotalPercent: total } = standing
  return [
    ...(largest > foreignHolderPercentMax
      ? [`foreignCapitalLargestPercent: expected at most ${foreignHolderPercentMax}, got ${largest}`]
      : []),
    ...(total > foreignHoldersPercentMax ? [`foreignCapitalTotalPercent: expected at most ${foreignHoldersPercentMax}, got ${total}`] : []),
  ]
}
