import { and, asc, desc, eq, gt, inArray, isNull, lte, ne, sql, type SQL } from 'drizzle-orm'
import { index, pgTable, text } from 'drizzle-orm/pg-core'
import { EscrowError } from '../core/errors.js'
import { rowsMax } from '../core/limits.js'
import { count, digest, instant, oneOf } from '../db/columns.js'
import type { Db, Tx } from '../db/database.js'
import { page } from '../db/rows.js'
import { replicaCopyTable, replicaTable, type ReplicaCopyRow } from '../escrow/archive/copy.table.js'
import { storedObjectTable, type StoredObjectRow } from '../escrow/archive/object.table.js'

const outcomes = ['match', 'mismatch', 'missing', 'unreadable'] as const
/** What reading all bytes of a copy gave. `unreadable`: the store answered with a fault, so it is no claim about the bytes. */
export type FixityOutcome = (typeof outcomes)[number]

/** Every check there was. Only what did not match is an event of the log; matches are not rebuilt from the store. */
export const fixityCheckTable = pgTable(
  'fixity_check',
  {
    checkId: count('check_id').primaryKey().generatedAlwaysAsIdentity(),
    copyId: count('copy_id')
      .notNull()
      .references(() => replicaCopyTable.copyId),
    checkedAt: instant('checked_at').notNull(),
    outcome: text('outcome', { enum: outcomes }).notNull(),
    /** What the bytes had instead; null when they matched or could not be read. */
    foundDigest: digest('found_digest'),
  },
  (t) => [index('fixity_check_copy').on(t.copyId, t.checkedAt), oneOf('fixity_check_outcome_known', t.outcome, outcomes)],
)

export type FixityCheckRow = typeof fixityCheckTable.$inferSelect
/** A copy and what its bytes must be. */
export interface CopyOfObject {
  readonly copy: ReplicaCopyRow
  readonly object: StoredObjectRow
}

const copyWithObject = { copy: replicaCopyTable, object: storedObjectTable }
const isBad = sql`${replicaCopyTable.state} in ('missing', 'mismatch', 'unreadable')`

/** Copies that no newer version has replaced, with their objects. @param replica - only of this one; null for all. */
function currentCopies(db: Db, replica: string | null, ...rules: readonly SQL[]) {
  const ofReplica = replica === null ? undefined : eq(replicaCopyTable.replica, replica)
  return db
    .select(copyWithObject)
    .from(replicaCopyTable)
    .innerJoin(storedObjectTable, eq(storedObjectTable.objectId, replicaCopyTable.objectId))
    .where(and(ne(replicaCopyTable.state, 'superseded'), ofReplica, ...rules))
}

/** Copies that are to be read again, most overdue first. @param replica - only of this one; null for all. */
export async function listOverdueCopies(
  db: Db,
  asked: { readonly now: Date; readonly replica: string | null; readonly limit: number },
): Promise<readonly CopyOfObject[]> {
  return currentCopies(db, asked.replica, lte(replicaCopyTable.nextCheckAt, asked.now))
    .orderBy(asc(replicaCopyTable.nextCheckAt), asc(replicaCopyTable.copyId))
    .limit(page(asked.limit))
}

/** All current copies of published objects in a fixed order, for a check of everything. @param afterCopy - 0 for the first page. */
export async function listCopiesInOrder(
  db: Db,
  asked: { readonly afterCopy: number; readonly replica: string | null; readonly limit: number },
): Promise<readonly CopyOfObject[]> {
  return currentCopies(db, asked.replica, gt(replicaCopyTable.copyId, asked.afterCopy), sql`${replicaCopyTable.nextCheckAt} is not null`)
    .orderBy(asc(replicaCopyTable.copyId))
    .limit(page(asked.limit))
}

/** The current copies of certain objects in a fixed order. @param objects - 1 to `rowsMax`; `afterCopy` is 0 for the first page. */
export async function listCopiesOf(
  db: Db,
  asked: { readonly objects: readonly number[]; readonly afterCopy: number; readonly replica: string | null; readonly limit: number },
): Promise<readonly CopyOfObject[]> {
  return currentCopies(
    db,
    asked.replica,
    inArray(replicaCopyTable.objectId, [...asked.objects]),
    gt(replicaCopyTable.copyId, asked.afterCopy),
  )
    .orderBy(asc(replicaCopyTable.copyId))
    .limit(page(asked.limit))
}

/** Those of certain objects of which no replica has a good copy as far as the last checks found. @param objects - 1 to `rowsMax`. */
export async function listWithoutGoodCopy(db: Db, objects: readonly number[]): Promise<readonly StoredObjectRow[]> {
  const good = sql`exists (select 1 from ${replicaCopyTable} where ${replicaCopyTable.objectId} = ${storedObjectTable.objectId} and ${replicaCopyTable.state} = 'present')`
  return db
    .select()
    .from(storedObjectTable)
    .where(and(inArray(storedObjectTable.objectId, [...objects]), sql`not ${good}`))
    .orderBy(asc(storedObjectTable.objectId))
}

/** Add a check to the history. */
export async function insertCheck(tx: Tx, check: Omit<FixityCheckRow, 'checkId'>): Promise<void> {
  await tx.insert(fixityCheckTable).values(check)
}

/** Mark a copy with the outcome of a check. A superseded one stays superseded: it was repaired while it was read. */
export async function markCopy(
  tx: Tx,
  check: Pick<FixityCheckRow, 'copyId' | 'checkedAt' | 'outcome'> & { readonly nextCheckAt: Date },
): Promise<void> {
  const verified = check.outcome === 'match' ? { verifiedAt: check.checkedAt } : {}
  await tx
    .update(replicaCopyTable)
    .set({ state: check.outcome === 'match' ? 'present' : check.outcome, nextCheckAt: check.nextCheckAt, ...verified })
    .where(and(eq(replicaCopyTable.copyId, check.copyId), ne(replicaCopyTable.state, 'superseded')))
}

/** A read of a copy that found what must be there. */
export interface Match {
  readonly copyId: number
  readonly checkedAt: Date
  readonly nextCheckAt: Date
}

/**
 * Record many matches in two statements: one for each would cost more than reading a small object. A superseded copy stays superseded.
 *
 * @param matches - at most `rowsMax`, each copy once; none changes nothing.
 */
export async function recordMatches(tx: Tx, matches: readonly Match[]): Promise<void> {
  if (matches.length === 0) return
  await tx.insert(fixityCheckTable).values(matches.map(({ copyId, checkedAt }) => ({ copyId, checkedAt, outcome: 'match' as const })))
  const rows = matches.map(
    ({ copyId, checkedAt, nextCheckAt }) =>
      sql`(${copyId}::bigint, ${checkedAt.toISOString()}::timestamptz, ${nextCheckAt.toISOString()}::timestamptz)`,
  )
  await tx.execute(sql`update ${replicaCopyTable} set state = 'present', verified_at = match.checked_at, next_check_at = match.next_check_at
    from (values ${sql.join(rows, sql`, `)}) as match (copy_id, checked_at, next_check_at)
    where ${replicaCopyTable.copyId} = match.copy_id and ${replicaCopyTable.state} <> 'superseded'`)
}

/** The number of the newest copy; 0 when there is none. */
export async function findLastCopy(db: Db): Promise<number> {
  const [last] = await db.select({ copyId: replicaCopyTable.copyId }).from(replicaCopyTable).orderBy(desc(replicaCopyTable.copyId)).limit(1)
  return last?.copyId ?? 0
}

/**
 * Good copies of published objects with more than one part, among so many numbers from a place on.
 *
 * @param place.window - of numbers, so that an archive of small objects is not searched to its end.
 */
export async function listLargeCopies(db: Db, place: { readonly from: number; readonly window: number }): Promise<readonly CopyOfObject[]> {
  const { copyId, objectId, state, nextCheckAt } = replicaCopyTable
  return db
    .select(copyWithObject)
    .from(replicaCopyTable)
    .innerJoin(storedObjectTable, eq(storedObjectTable.objectId, objectId))
    .where(
      and(
        gt(copyId, place.from),
        lte(copyId, place.from + place.window),
        eq(state, 'present'),
        sql`${nextCheckAt} is not null`,
        gt(storedObjectTable.sizeBytes, storedObjectTable.partBytes),
      ),
    )
    .orderBy(asc(copyId))
    .limit(page(rowsMax))
}

/** Let a copy be read as a whole at the next check. */
export async function makeDue(tx: Tx, copyId: number, now: Date): Promise<void> {
  const { nextCheckAt, state } = replicaCopyTable
  await tx
    .update(replicaCopyTable)
    .set({ nextCheckAt: now })
    .where(and(eq(replicaCopyTable.copyId, copyId), ne(state, 'superseded'), gt(nextCheckAt, now)))
}

/** Note that a copy could not be read, once: its state stays, and it is read again soon. */
export async function postponeCopy(
  tx: Tx,
  check: Pick<FixityCheckRow, 'copyId' | 'checkedAt'> & { readonly nextCheckAt: Date },
): Promise<void> {
  const { copyId, checkedAt, nextCheckAt } = check
  await insertCheck(tx, { copyId, checkedAt, outcome: 'unreadable', foundDigest: null })
  await tx
    .update(replicaCopyTable)
    .set({ nextCheckAt })
    .where(and(eq(replicaCopyTable.copyId, copyId), ne(replicaCopyTable.state, 'superseded')))
}

/** The checks of a copy, newest first; empty when there was none. */
export async function listChecks(db: Db, copyId: number, limit: number): Promise<readonly FixityCheckRow[]> {
  return db
    .select()
    .from(fixityCheckTable)
    .where(eq(fixityCheckTable.copyId, copyId))
    .orderBy(desc(fixityCheckTable.checkedAt), desc(fixityCheckTable.checkId))
    .limit(page(limit))
}

/** Copies that the last check found bad, in a fixed order. @param afterCopy - 0 for the first page. */
export async function listBadCopies(db: Db, afterCopy: number, limit: number): Promise<readonly CopyOfObject[]> {
  return db
    .select(copyWithObject)
    .from(replicaCopyTable)
    .innerJoin(storedObjectTable, eq(storedObjectTable.objectId, replicaCopyTable.objectId))
    .where(and(isBad, gt(replicaCopyTable.copyId, afterCopy)))
    .orderBy(asc(replicaCopyTable.copyId))
    .limit(page(limit))
}

/**
 * Objects that an active replica has no copy of at all: it was added later, or failed when they were written.
 *
 * @param afterObject - 0 for the first page.
 */
export async function listAbsentCopies(
  db: Db,
  afterObject: number,
  limit: number,
): Promise<readonly { readonly object: StoredObjectRow; readonly replica: string }[]> {
  return db
    .select({ object: storedObjectTable, replica: replicaTable.replica })
    .from(storedObjectTable)
    .innerJoin(replicaTable, eq(replicaTable.state, 'active'))
    .leftJoin(
      replicaCopyTable,
      and(
        eq(replicaCopyTable.objectId, storedObjectTable.objectId),
        eq(replicaCopyTable.replica, replicaTable.replica),
        ne(replicaCopyTable.state, 'superseded'),
      ),
    )
    .where(
      and(
        gt(storedObjectTable.objectId, afterObject),
        isNull(replicaCopyTable.copyId),
        sql`(${storedObjectTable.depositId} is not null or ${storedObjectTable.attemptId} is null)`,
      ),
    )
    .orderBy(asc(storedObjectTable.objectId), asc(replicaTable.replica))
    .limit(page(limit))
}

/**
 * Mark a bad copy as replaced; record the new version in the same transaction. The locked bad version stays where it is, and
 * without this the next check would find and repair it again.
 *
 * @throws EscrowError `DATABASE_CONFLICT` when it was superseded already.
 */
export async function supersedeCopy(tx: Tx, copyId: number): Promise<void> {
  const superseded = await tx
    .update(replicaCopyTable)
    .set({ state: 'superseded', nextCheckAt: null })
    .where(and(eq(replicaCopyTable.copyId, copyId), ne(replicaCopyTable.state, 'superseded')))
    .returning({ copyId: replicaCopyTable.copyId })
  if (superseded.length === 0) throw new EscrowError('DATABASE_CONFLICT', `copy ${copyId} was repaired by somebody else`)
}

/** How many copies of published objects there are in each state, superseded ones left out. */
export async function countCopies(
  db: Db,
): Promise<readonly { readonly replica: string; readonly state: string; readonly copies: number }[]> {
  return db
    .select({ replica: replicaCopyTable.replica, state: replicaCopyTable.state, copies: sql<number>`count(*)`.mapWith(Number) })
    .from(replicaCopyTable)
    .where(and(ne(replicaCopyTable.state, 'superseded'), sql`${replicaCopyTable.nextCheckAt} is not null`))
    .groupBy(replicaCopyTable.replica, replicaCopyTable.state)
    .orderBy(asc(replicaCopyTable.replica), asc(replicaCopyTable.state))
}
