/**
 * Who can no longer vote or hand over a share: lost share, lost key, gone. Whoever is unavailable is left out of every count, so a quorum can
 * become impossible; therefore nobody can declare somebody else unavailable alone, and neither depositor nor agent can at all.
 */
import type { Party, Role } from '../../format/agreement.js'
import { personsOf, underOneControl } from '../rules/electorate.js'
import type { VerifiedStatement } from '../rules/quorum.js'

/** One party that is unavailable, and the statement that decided it. */
export interface Unavailable {
  readonly party: string
  readonly decidedBy: VerifiedStatement
}

/** One of two others must be of these: people whose office it is to be impartial. */
const impartial: ReadonlySet<Role> = new Set(['supervisor', 'arbiter'])

/**
 * Count who is unavailable.
 *
 * @param statements - verified, in any order: of each signer the one signed last about a party counts, so that nobody gains by recording late.
 * @param parties - of the agreement in force.
 * @returns by name. A party says so itself; or two others in different hands do, one of them supervisor or arbiter. What others say stands
 *   until they take it back: a stolen key must not vouch for itself.
 */
export function unavailableParties(statements: readonly VerifiedStatement[], parties: readonly Party[]): readonly Unavailable[] {
  const persons = personsOf(parties)
  return parties.flatMap(({ party }): readonly Unavailable[] => {
    const said = lastWords(statements, party)
    const own = said.find((one) => persons.get(one.signer) === persons.get(party))
    const others = said.filter((one) => one !== own)
    const decidedBy = own ?? jointWord(others, parties)
    return decidedBy === undefined ? [] : [{ party, decidedBy }]
  })
}

/** The last word of each signer about a party, where it says that the party is unavailable. */
function lastWords(statements: readonly VerifiedStatement[], party: string): readonly VerifiedStatement[] {
  const last = new Map<string, VerifiedStatement>()
  const inOrder = statements.toSorted((left, right) => left.statement.issuedAt.localeCompare(right.statement.issuedAt))
  for (const one of inOrder) {
    const { statement, signer } = one
    if (statement.type === 'escrow/statement/availability/v1' && statement.subject === party) last.set(signer, one)
  }
  return [...last.values()].filter(({ statement }) => statement.type === 'escrow/statement/availability/v1' && !statement.available)
}

/** The word that completed a pair in different hands. */
function jointWord(said: readonly VerifiedStatement[], parties: readonly Party[]): VerifiedStatement | undefined {
  const roleOf = (signer: string) => parties.find((party) => party.party === signer)?.role
  const weighty = said.filter(({ signer }) => impartial.has(roleOf(signer) ?? 'agent'))
  return said.findLast((one) => weighty.some((other) => other !== one && !underOneControl(parties, one.signer, other.signer)))
}
