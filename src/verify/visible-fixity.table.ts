import { and, desc, eq, exists, lt } from 'drizzle-orm'
import type { Db } from '../db/database.js'
import { page } from '../db/rows.js'
import { depositTable } from '../escrow/archive/deposit.table.js'
import { replicaCopyTable } from '../escrow/archive/copy.table.js'
import { storedObjectTable } from '../escrow/archive/object.table.js'
import { pinsViewer } from '../escrow/visible/visible.table.js'
import type { Viewer } from '../http/viewer.js'
import { fixityCheckTable, type FixityCheckRow } from './verify.table.js'

/** A check, and of which copy. */
export interface CheckOfDeposit {
  readonly key: string
  readonly replica: string
  readonly check: FixityCheckRow
}

/**
 * The checks of all copies of a deposit's objects, newest first; empty when it is not visible.
 *
 * @param asked.before - the last number of the page before; null for the first.
 */
export async function listChecksOfDeposit(
  db: Db,
  viewer: Viewer,
  asked: { readonly depositId: string; readonly before: number | null; readonly limit: number },
): Promise<readonly CheckOfDeposit[]> {
  const deposit = and(eq(depositTable.depositId, storedObjectTable.depositId), pinsViewer(db, viewer, depositTable.agreementId))
  const visible = exists(db.select({ depositId: depositTable.depositId }).from(depositTable).where(deposit))
  const earlier = asked.before === null ? undefined : lt(fixityCheckTable.checkId, asked.before)
  return db
    .select({ key: storedObjectTable.key, replica: replicaCopyTable.replica, check: fixityCheckTable })
    .from(fixityCheckTable)
    .innerJoin(replicaCopyTable, eq(replicaCopyTable.copyId, fixityCheckTable.copyId))
    .innerJoin(storedObjectTable, eq(storedObjectTable.objectId, replicaCopyTable.objectId))
    .where(and(eq(storedObjectTable.depositId, asked.depositId), earlier, visible))
    .orderBy(desc(fixityCheckTable.checkId))
    .limit(page(asked.limit))
}
