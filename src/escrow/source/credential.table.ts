// Which sources' credentials are to be tried before they are needed, and what came of it.
import { and, asc, eq, gt, isNotNull, lte, or, sql } from 'drizzle-orm'
import type { ErrorCode } from '../../core/errors.js'
import type { Db, Tx } from '../../db/database.js'
import { page } from '../../db/rows.js'
import { sourceTable, type SourceRow } from '../archive/source.table.js'

/**
 * Sources with a credential whose next period begins soon and for which it has not been tried yet, in order of agreement and name.
 *
 * @param asked.aheadMs - how long before the period. @param asked.restMs - what was fresh so recently has just used its credential.
 * @param asked.after - where the page before ended; null for the first.
 */
export async function listUntriedCredentials(
  db: Db,
  asked: {
    readonly now: Date
    readonly aheadMs: number
    readonly restMs: number
    readonly after: Pick<SourceRow, 'agreementId' | 'source'> | null
    readonly limit: number
  },
): Promise<readonly SourceRow[]> {
  const { now, after } = asked
  const { agreementId, source, state, mode, periodAt, freshAt, credentialFile, credentialPeriodAt } = sourceTable
  const soon = new Date(now.getTime() + asked.aheadMs)
  const rested = new Date(now.getTime() - asked.restMs)
  return db
    .select()
    .from(sourceTable)
    .where(
      and(
        eq(state, 'active'),
        eq(mode, 'pull'),
        isNotNull(credentialFile),
        gt(periodAt, now),
        lte(periodAt, soon),
        or(sql`${freshAt} is null`, lte(freshAt, rested)),
        sql`${credentialPeriodAt} is distinct from ${periodAt}`,
        after === null ? undefined : sql`(${agreementId}, ${source}) > (${after.agreementId}, ${after.source})`,
      ),
    )
    .orderBy(asc(agreementId), asc(source))
    .limit(page(asked.limit))
}

/**
 * Note that a credential was tried for a period.
 *
 * @param tried.code - why the remote did not take it; null when it did.
 * @returns false when it was tried for this period already, or the source is past it.
 */
export async function markCredential(
  tx: Tx,
  key: Pick<SourceRow, 'agreementId' | 'source'>,
  tried: { readonly periodAt: Date; readonly code: ErrorCode | null },
): Promise<boolean> {
  const { agreementId, source, periodAt, credentialPeriodAt } = sourceTable
  const marked = await tx
    .update(sourceTable)
    .set({ credentialPeriodAt: tried.periodAt, credentialCode: tried.code })
    .where(
      and(
        eq(agreementId, key.agreementId),
        eq(source, key.source),
        eq(periodAt, tried.periodAt),
        sql`${credentialPeriodAt} is distinct from ${periodAt}`,
      ),
    )
    .returning({ source })
  return marked.length === 1
}
