/**
 * Changes of what decides a release. Who may release is itself decided by those who may: an amendment that touches custodians, groups,
 * clocks or jurisdiction needs the quorum that it changes, counted by the old agreement from verified signatures.
 */
import type { Agreement } from '../../format/agreement.js'
import { canonicalize } from '../../format/canonical-json.js'
import { EscrowError } from '../../core/errors.js'
import { electorateOf, eligible, suffices, type Body } from './electorate.js'
import { compareKeys } from './key-change.js'
import type { VerifiedStatement, VerifyStatement } from './quorum.js'
import { parseReleasePolicy, type ApprovalGroup } from './release-policy.js'

/** What an amendment touches. */
export type AmendedPart = 'parties' | 'vault' | 'jurisdiction' | 'release' | 'log'

export interface AmendmentVerdict {
  readonly touched: readonly AmendedPart[]
  /** Custodians who are new: their shares do not exist yet, so a new epoch must be dealt and accepted, and a full deposit made. */
  readonly newCustodians: readonly string[]
  readonly leavingCustodians: readonly string[]
  /** Bodies of the old agreement that have not agreed; empty when the amendment may take force. */
  readonly missing: readonly string[]
  /** Parties of both versions that get other keys or recipients. */
  readonly changedKeys: readonly string[]
  /** Parties whose keys are not the ones that were asked for by `key-change`; empty when the amendment may take force. */
  readonly unaskedKeys: readonly string[]
}

const decisive = ['parties', 'vault', 'jurisdiction', 'release', 'log'] as const

/**
 * Judge an amendment.
 *
 * @param change.nextDigest - digest of the next version; every counted statement names it.
 * @param change.statements - digests of signed `agreement-amendment` and `key-change` statements; each is verified again, against the old
 *   agreement's keys.
 * @returns what it touches and whose agreement is missing. Depositor and a beneficiary must always sign; the custodian quorum and every
 *   approval group of every condition where it touches what decides a release.
 * @throws EscrowError `AGREEMENT_INVALID` when `next` does not follow `old`, or takes over an epoch number with other custodians;
 *   whatever `verify` throws.
 *
 * Requests under way are not touched: they stay with the version they were submitted under.
 */
export function judgeAmendment(
  old: { readonly agreement: Agreement; readonly digest: string },
  change: { readonly next: Agreement; readonly nextDigest: string; readonly statements: readonly string[] },
  turn: { readonly now: Date; readonly verify: VerifyStatement },
): AmendmentVerdict {
  const { next } = change
  if (next.agreement !== old.agreement.agreement || next.previous !== old.digest || next.version !== old.agreement.version + 1) {
    throw new EscrowError('AGREEMENT_INVALID', `expected version ${old.agreement.version + 1} of the same agreement, resting on its digest`)
  }
  const touched = touchedParts(old.agreement, next)
  const seats = (agreement: Agreement): readonly string[] => agreement.vault.custodians.map(({ party }) => party)
  const newCustodians = seats(next).filter((party) => !seats(old.agreement).includes(party))
  const leavingCustodians = seats(old.agreement).filter((party) => !seats(next).includes(party))
  requireNewEpoch(old.agreement, next)
  const statements = change.statements.map((digest) => turn.verify(digest))
  const signers = signersOf(old, { nextDigest: change.nextDigest, statements }, turn.now)
  const missing = [...missingRoles(old.agreement, signers), ...(touched.length > 0 ? missingBodies(old.agreement, signers) : [])]
  const { changed: changedKeys, unasked: unaskedKeys } = compareKeys(old, next, { statements, now: turn.now })
  return { touched, newCustodians, leavingCustodians, missing, changedKeys, unaskedKeys }
}

/** What of an agreement decides a release and is not the same in another version; empty when it is all as it was. */
export function touchedParts(old: Agreement, next: Agreement): readonly AmendedPart[] {
  return decisive.filter((part) => !equal(old[part], next[part]))
}

/** Shares of an epoch belong to the people who hold them: other custodians, or another threshold, mean another epoch. */
function requireNewEpoch(old: Agreement, next: Agreement): void {
  const same = equal(old.vault.custodians, next.vault.custodians) && old.vault.threshold === next.vault.threshold
  const known = new Map(old.vault.epochs.map((epoch) => [epoch.epoch, epoch]))
  const highest = Math.max(...known.keys())
  for (const epoch of next.vault.epochs) {
    const before = known.get(epoch.epoch)
    const carried = before !== undefined && same && equal(before, epoch)
    if (!carried && epoch.epoch <= highest) {
      throw new EscrowError('AGREEMENT_INVALID', `expected a new number above ${highest} for an epoch dealt anew, got ${epoch.epoch}`)
    }
  }
}

function signersOf(
  old: { readonly digest: string },
  change: { readonly nextDigest: string; readonly statements: readonly VerifiedStatement[] },
  now: Date,
): ReadonlySet<string> {
  const signed = change.statements.filter(({ statement, signer }) => {
    if (statement.type !== 'escrow/statement/agreement-amendment/v1' || statement.next !== change.nextDigest) return false
    return statement.agreement === old.digest && statement.party === signer && now.getTime() < Date.parse(statement.expiresAt)
  })
  return new Set(signed.map(({ signer }) => signer))
}

function missingRoles(old: Agreement, signers: ReadonlySet<string>): readonly string[] {
  const roles = ['depositor', 'beneficiary'] as const
  return roles.filter((role) => !old.parties.some((party) => party.role === role && signers.has(party.party)))
}

/** The same bodies that would decide a release, with nobody excluded: here nobody asks for anything. */
function missingBodies(old: Agreement, signers: ReadonlySet<string>): readonly string[] {
  const { parties, vault, jurisdiction } = old
  const groups = new Map<string, ApprovalGroup>()
  const conditions = Object.keys(old.release).length === 0 ? [] : parseReleasePolicy(old.release).conditions
  for (const { condition, approvalGroups } of conditions) {
    for (const group of approvalGroups) groups.set(`${condition}/${group.name}`, group)
  }
  const bodiesOf = (approvalGroups: readonly ApprovalGroup[]): readonly Body[] =>
    electorateOf({ parties, vault, jurisdiction, approvalGroups }, { requesters: [] })
  const custodians = bodiesOf([])
  const bodies = [...groups].flatMap(([name, group]) =>
    bodiesOf([group])
      .slice(1)
      .map((body) => ({ ...body, name })),
  )
  return [...custodians, ...bodies]
    .filter((body) => {
      const agreeing = eligible(body).filter((voter) => voter.parties.some((party) => signers.has(party)))
      return !suffices(body, agreeing)
    })
    .map((body) => body.name)
}

function equal(left: unknown, right: unknown): boolean {
  return Buffer.compare(canonicalize(left), canonicalize(right)) === 0
}
