import { isEscrowError } from '../../core/errors.js'
import { rowsMax, siblingSourcesMax } from '../../core/limits.js'
import type { Database } from '../../db/database.js'
import type { Sibling, Siblings } from '../../deposit/match-submodules.js'
import type { SourceKey } from '../archive/lease.table.js'
import type { ReadPreviousDeposit } from './previous-deposit.js'
import { listSources } from '../archive/source.table.js'

/** What the agent knows of all sources of an agreement, for matching submodules. Nothing is read before it is asked for. */
export function siblingSources(
  { database, deposits }: { readonly database: Database; readonly deposits: ReadPreviousDeposit },
  agreementId: SourceKey['agreementId'],
  signal?: AbortSignal,
): Siblings {
  return {
    list: () => listSiblings(database, agreementId),
    holds: async (source, commits) => {
      // A question about completeness stops no deposit: what the store cannot answer now, or another's key would, is not known.
      try {
        return await deposits.held({ agreementId, source }, commits, signal)
      } catch (error) {
        signal?.throwIfAborted()
        if (isEscrowError(error)) return null
        throw error
      }
    },
  }
}

async function listSiblings(database: Database, agreementId: string): Promise<readonly Sibling[]> {
  const found: Sibling[] = []
  for (let after = ''; found.length < siblingSourcesMax;) {
    const rows = await database.query((db) => listSources(db, agreementId, after, rowsMax))
    found.push(...rows.map(({ source, url }) => ({ source, url })))
    const last = rows.at(-1)
    if (last === undefined || rows.length < rowsMax) break
    after = last.source
  }
  return found
}
