// Which sources are due, late or missed, and what moves their schedules.
import { and, asc, eq, getTableColumns, gt, lt, lte, sql } from 'drizzle-orm'
import { EscrowError } from '../../core/errors.js'
import type { Db, Tx } from '../../db/database.js'
import { page } from '../../db/rows.js'
import { agreementTable } from '../archive/agreement.table.js'
import type { SourceKey } from '../archive/lease.table.js'
import { isSource, planned, sourceTable, type PlannedTiming, type SourceRow, type Timing } from '../archive/source.table.js'

/**
 * Take the sources whose deposit is due, most overdue first, and look at them again only at `lookAgainAt`. Two tickers at once
 * get different ones.
 */
export async function sweepDueSources(
  tx: Tx,
  sweep: { readonly now: Date; readonly lookAgainAt: Date; readonly limit: number },
): Promise<readonly SourceKey[]> {
  const due = tx
    .select({ place: sql`ctid` })
    .from(sourceTable)
    .where(and(eq(sourceTable.state, 'active'), eq(sourceTable.mode, 'pull'), lte(sourceTable.lookAt, sweep.now)))
    .orderBy(asc(sourceTable.lookAt))
    .limit(page(sweep.limit))
    .for('update', { skipLocked: true })
  return (
    tx
      .update(sourceTable)
      .set({ lookAt: sweep.lookAgainAt })
      // By physical place, which cannot change while the rows are locked: by key PostgreSQL would read all sources for each sweep.
      .where(sql`ctid = any(array${due})`)
      .returning({ agreementId: sourceTable.agreementId, source: sourceTable.source })
  )
}

/** Sources that have missed their deadline while their agreement ran, longest first; empty when all is well. */
export async function listMissed(db: Db, now: Date, limit: number): Promise<readonly SourceRow[]> {
  return db
    .select(getTableColumns(sourceTable))
    .from(sourceTable)
    .innerJoin(agreementTable, eq(agreementTable.agreementId, sourceTable.agreementId))
    .where(and(eq(sourceTable.state, 'active'), lte(sourceTable.deadlineAt, now), lt(sourceTable.periodAt, agreementTable.endsAt)))
    .orderBy(asc(sourceTable.deadlineAt), asc(sourceTable.agreementId), asc(sourceTable.source))
    .limit(page(limit))
}

/**
 * Sources whose period has used up a part of its allowed time without a deposit, of which the parties were not told yet, longest due first.
 *
 * @param asked.percent - of the time between the period and its deadline, 1 to 99.
 */
export async function listLate(
  db: Db,
  asked: { readonly now: Date; readonly percent: number; readonly limit: number },
): Promise<readonly SourceRow[]> {
  const { periodAt, deadlineAt, warnedPeriodAt, warnedPercent, state } = sourceTable
  const now = asked.now.toISOString()
  const untold = sql`(${warnedPeriodAt} is distinct from ${periodAt} or ${warnedPercent} < ${asked.percent})`
  const used = sql`${periodAt} + (${deadlineAt} - ${periodAt}) * ${asked.percent / 100}::double precision <= ${now}`
  return db
    .select(getTableColumns(sourceTable))
    .from(sourceTable)
    .innerJoin(agreementTable, eq(agreementTable.agreementId, sourceTable.agreementId))
    .where(and(eq(state, 'active'), lte(periodAt, asked.now), gt(deadlineAt, asked.now), lt(periodAt, agreementTable.endsAt), used, untold))
    .orderBy(asc(periodAt), asc(sourceTable.agreementId), asc(sourceTable.source))
    .limit(page(asked.limit))
}

/** Note that the parties were told of a late period. @returns false when it was told, or met, meanwhile. */
export async function markWarned(tx: Tx, key: SourceKey, told: { readonly periodAt: Date; readonly percent: number }): Promise<boolean> {
  const { periodAt, warnedPeriodAt, warnedPercent } = sourceTable
  const untold = sql`(${warnedPeriodAt} is distinct from ${periodAt} or ${warnedPercent} < ${told.percent})`
  const marked = await tx
    .update(sourceTable)
    .set({ warnedPeriodAt: told.periodAt, warnedPercent: told.percent })
    .where(and(isSource(key), eq(periodAt, told.periodAt), untold))
    .returning({ source: sourceTable.source })
  return marked.length === 1
}

/**
 * Let a source go on to a later period after others were missed. It stays due: what is late is still wanted.
 *
 * @param missed.periodAt - the first that was missed.
 * @throws EscrowError `DATABASE_CONFLICT` when the source is past that period: somebody else was quicker.
 */
export async function missPeriod(
  tx: Tx,
  key: SourceKey,
  missed: { readonly periodAt: Date; readonly next: Pick<Timing, 'periodAt' | 'deadlineAt'> },
): Promise<void> {
  const { periodAt, deadlineAt } = missed.next
  const moved = await tx
    .update(sourceTable)
    .set({ periodAt, deadlineAt })
    .where(and(isSource(key), eq(sourceTable.periodAt, missed.periodAt)))
    .returning({ source: sourceTable.source })
  if (moved.length === 0)
    throw new EscrowError('DATABASE_CONFLICT', `source ${key.source} is past the period of ${missed.periodAt.toISOString()}`)
}

/** Sources that were fresh later than a moment that has not come yet: a clock had run ahead. */
export async function listFreshLater(db: Db, than: Date, limit: number): Promise<readonly SourceRow[]> {
  return db
    .select()
    .from(sourceTable)
    .where(and(eq(sourceTable.state, 'active'), gt(sourceTable.freshAt, than)))
    .orderBy(asc(sourceTable.agreementId), asc(sourceTable.source))
    .limit(page(limit))
}

/** Give a source another place in its schedule. @param freshAt - when it was really fresh at the latest. */
export async function moveSchedule(tx: Tx, key: SourceKey, timing: PlannedTiming, freshAt: Date): Promise<void> {
  await tx
    .update(sourceTable)
    .set({ ...planned(timing), freshAt })
    .where(isSource(key))
}

/**
 * Look at a source later, without a word about it: somebody else needs its host, or works on it, at the moment.
 *
 * @param row - as it was read; left as it is when it has been put off or worked on since.
 */
export async function postponeSource(db: Db, row: SourceRow, lookAt: Date): Promise<void> {
  await db
    .update(sourceTable)
    .set({ lookAt })
    .where(and(isSource(row), eq(sourceTable.lookAt, row.lookAt)))
}
