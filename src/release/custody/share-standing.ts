/**
 * How many shares are still in good hands, from the custodians' signed share-health statements. The proof inside each is verified by
 * whoever records it (src/crypto); here statements are only counted, per epoch that still has retained deposits.
 */
import type { Agreement } from '../../format/agreement.js'
import { personsOf } from '../rules/electorate.js'
import type { VerifyStatement } from '../rules/quorum.js'

const dayMs = 86_400_000

export interface ShareStanding {
  readonly epoch: number
  /** Parties whose newest proof is not older than the interval. */
  readonly healthy: readonly string[]
  readonly unproven: readonly string[]
  /** Fewer than t + 1 people: one more loss and nobody can release. */
  readonly alarm: boolean
}

/**
 * Count healthy shares of one epoch.
 *
 * @param statements - digests of recorded share-health statements; verified again here.
 * @param rules.intervalDays - how long one proof counts, 1 to 366.
 * @returns who has proven its share; everybody else is unproven. A proof from the future counts for nothing.
 * @throws EscrowError whatever `verify` throws.
 */
export function shareStanding(
  agreement: Pick<Agreement, 'parties' | 'vault'>,
  statements: readonly string[],
  rules: { readonly epoch: number; readonly intervalDays: number; readonly now: Date; readonly verify: VerifyStatement },
): ShareStanding {
  const oldest = new Date(rules.now.getTime() - rules.intervalDays * dayMs).toISOString()
  const newest = rules.now.toISOString()
  const proven = new Set(
    statements
      .map((digest) => rules.verify(digest))
      .filter(({ statement, signer }) => {
        if (statement.type !== 'escrow/statement/share-health/v1' || statement.epoch !== rules.epoch) return false
        const holder = agreement.vault.custodians.find((custodian) => custodian.index === statement.index)
        return holder?.party === signer && statement.issuedAt >= oldest && statement.issuedAt <= newest
      })
      .map(({ signer }) => signer),
  )
  const custodians = agreement.vault.custodians.map(({ party }) => party)
  const healthy = custodians.filter((party) => proven.has(party))
  const persons = personsOf(agreement.parties)
  const people = new Set(healthy.map((party) => persons.get(party)))
  return {
    epoch: rules.epoch,
    healthy,
    unproven: custodians.filter((party) => !proven.has(party)),
    alarm: people.size < agreement.vault.threshold + 1,
  }
}
