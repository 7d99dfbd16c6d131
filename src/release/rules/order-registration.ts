/**
 * Who may register a shutdown order, and what it reaches. The depositor alone may, because it speaks against itself; anybody else
 * needs a second party in other hands, and one of the two must be a supervisor or an approval group.
 */
import type { Agreement, Party } from '../../format/agreement.js'
import type { Statement, StatementOf } from '../../format/statement.js'
import { canonicalize } from '../../format/canonical-json.js'
import { EscrowError } from '../../core/errors.js'
import { personsOf, plainName } from './electorate.js'
import type { ReleaseTerms } from './release-policy.js'
import type { OrderMatter } from './order-state.js'

/** How far a registration has come. */
export type RegistrationVerdict = 'by-depositor' | 'by-two' | 'incomplete'

/**
 * Judge who has registered an order in one agreement.
 *
 * @param registrants - parties of the agreement whose verified statements carry the same order.
 * @returns `incomplete` until the depositor, or two parties in different hands of whom one may vouch, have registered it.
 */
export function judgeRegistration(registrants: readonly string[], parties: readonly Party[], terms: ReleaseTerms): RegistrationVerdict {
  const signed = parties.filter((party) => registrants.includes(party.party))
  if (signed.some((party) => party.role === 'depositor')) return 'by-depositor'
  const vouching = [
    ...signed.filter((party) => party.role === 'supervisor').map((party) => [party]),
    ...terms.approvalGroups.map((group) => groupSigners(group, signed, parties)).filter((members) => members.length > 0),
  ]
  const apart = (left: Party, right: Party): boolean => !inOneHand(left, right, parties)
  const complete = vouching.some((voucher) => signed.some((other) => voucher.every((member) => apart(member, other))))
  return complete ? 'by-two' : 'incomplete'
}

/** A group speaks when as many of its people have signed as it needs to approve. */
function groupSigners(
  group: { readonly parties: readonly string[]; readonly k: number },
  signed: readonly Party[],
  parties: readonly Party[],
): readonly Party[] {
  const persons = personsOf(parties)
  const members = signed.filter((party) => group.parties.includes(party.party))
  return new Set(members.map((party) => persons.get(party.party))).size >= group.k ? members : []
}

/** The same person, organisation or ultimate owner as far as the agreement records it. */
function inOneHand(left: Party, right: Party, parties: readonly Party[]): boolean {
  const persons = personsOf(parties)
  return persons.get(left.party) === persons.get(right.party) || plainName(left.organisation) === plainName(right.organisation)
}

/** What a registration says, without who says it: two registrations are of one order when this is equal byte for byte. */
export function sameOrder(left: Statement, right: StatementOf<'shutdown-order'>): boolean {
  if (left.type !== right.type) return false
  return Buffer.compare(canonicalize(matterOf(left)), canonicalize(matterOf(right))) === 0
}

function matterOf({ issuer, jurisdiction, reference, documents, scope, effectiveAt }: OrderMatter): OrderMatter {
  return { issuer, jurisdiction, reference, documents, scope, effectiveAt }
}

/** An agreement as a candidate for an order's scope. */
export interface ScopeCandidate {
  readonly agreement: Agreement
  /** Digests of all its versions: an order that names an earlier one means the agreement. */
  readonly digests: readonly string[]
}

/** Whether an order's scope covers an agreement. */
export function reaches(
  scope: OrderMatter['scope'],
  agreement: { readonly parties: readonly Party[]; readonly digests: readonly string[] },
): boolean {
  if (scope.kind === 'agreements') return agreement.digests.some((digest) => scope.agreements.includes(digest))
  const organisation = plainName(scope.organisation)
  return agreement.parties.some((party) => party.role === 'depositor' && plainName(party.organisation) === organisation)
}

/**
 * The agreements that an order reaches.
 *
 * @returns those of the candidates that it names, or whose depositor is the organisation it names; empty when none is.
 */
export function agreementsInScope(order: OrderMatter, candidates: readonly ScopeCandidate[]): readonly ScopeCandidate[] {
  return candidates.filter(({ agreement, digests }) => reaches(order.scope, { parties: agreement.parties, digests }))
}

/** The matter of the release request that an effective order submits in one agreement; the caller adds a fresh request id. */
export type OrderRequest = Pick<
  StatementOf<'release-request'>,
  'condition' | 'beneficiaries' | 'deposits' | 'order' | 'grounds' | 'evidence'
>

/**
 * What an effective order asks for in one agreement: every source, for every beneficiary, at its pinned recipient.
 *
 * @param order - digest and matter of the first registration.
 * @throws EscrowError `AGREEMENT_INVALID` when no beneficiary has a recipient.
 */
export function requestOfOrder(
  order: { readonly digest: string; readonly matter: OrderMatter },
  agreement: Agreement,
  terms: ReleaseTerms,
): OrderRequest {
  const beneficiaries = agreement.parties.flatMap(({ party, role, recipient }) =>
    role === 'beneficiary' && recipient !== null ? [{ party, recipient }] : [],
  )
  if (beneficiaries.length === 0) throw new EscrowError('AGREEMENT_INVALID', 'expected a beneficiary with a recipient, got none')
  const { issuer, reference, jurisdiction, documents } = order.matter
  return {
    condition: terms.condition,
    beneficiaries,
    deposits: agreement.sources.map(({ source }) => ({ source, sequence: null })),
    order: order.digest,
    grounds: `Shutdown order ${reference} of ${issuer} (${jurisdiction}) is effective.`,
    evidence: [...documents],
  }
}
