import { and, asc, eq, inArray, isNull, lt, ne, or, sql } from 'drizzle-orm'
import { index, pgTable, text, uniqueIndex } from 'drizzle-orm/pg-core'
import { count, instant, oneOf } from '../../db/columns.js'
import type { Db, Tx } from '../../db/database.js'
import { page } from '../../db/rows.js'
import { agreementTable } from './agreement.table.js'
import { findObject, recordObject, storedObjectTable, type NewObject } from './object.table.js'

const replicaStates = ['active', 'retired'] as const
const copyStates = ['present', 'missing', 'mismatch', 'unreadable', 'superseded'] as const
/** `present`: as far as we know; `missing`, `mismatch`, `unreadable`: what the last check found; `superseded`: a repair has replaced it. */
export type CopyState = (typeof copyStates)[number]

/** Places where every object is kept. */
export const replicaTable = pgTable(
  'replica',
  {
    replica: text('replica').primaryKey(),
    country: text('country').notNull(),
    control: text('control').notNull(),
    state: text('state', { enum: replicaStates }).notNull(),
    addedAt: instant('added_at').notNull(),
  },
  (t) => [oneOf('replica_state_known', t.state, replicaStates)],
)

/** One version of an object on one replica. At most one version of each is not superseded. */
export const replicaCopyTable = pgTable(
  'replica_copy',
  {
    copyId: count('copy_id').primaryKey().generatedAlwaysAsIdentity(),
    objectId: count('object_id')
      .notNull()
      .references(() => storedObjectTable.objectId),
    replica: text('replica')
      .notNull()
      .references(() => replicaTable.replica),
    versionId: text('version_id').notNull(),
    retainUntil: instant('retain_until_at').notNull(),
    state: text('state', { enum: copyStates }).notNull(),
    storedAt: instant('stored_at').notNull(),
    /** When all its bytes last matched; null when never since it was written. */
    verifiedAt: instant('verified_at'),
    /** When they are to be read again; null while its object is not published. */
    nextCheckAt: instant('next_check_at'),
  },
  (t) => [
    uniqueIndex('replica_copy_version').on(t.objectId, t.replica, t.versionId),
    uniqueIndex('replica_copy_current')
      .on(t.objectId, t.replica)
      .where(sql`${t.state} <> 'superseded'`),
    index('replica_copy_next_check')
      .on(t.nextCheckAt)
      .where(sql`${t.state} <> 'superseded'`),
    index('replica_copy_bad')
      .on(t.copyId)
      .where(sql`${t.state} in ('missing', 'mismatch', 'unreadable')`),
    index('replica_copy_retention')
      .on(t.retainUntil)
      .where(sql`${t.state} = 'present'`),
    oneOf('replica_copy_state_known', t.state, copyStates),
  ],
)

export type ReplicaRow = typeof replicaTable.$inferSelect
export type ReplicaCopyRow = typeof replicaCopyTable.$inferSelect
/** A version that a replica holds. */
export type NewCopy = Pick<ReplicaCopyRow, 'objectId' | 'replica' | 'versionId' | 'retainUntil' | 'storedAt' | 'nextCheckAt'>

/** Add a replica, or record what the configuration now says of it; `addedAt` stays. */
export async function recordReplica(db: Db, row: Omit<ReplicaRow, 'state'>): Promise<void> {
  await db
    .insert(replicaTable)
    .values({ ...row, state: 'active' })
    .onConflictDoUpdate({ target: replicaTable.replica, set: { country: row.country, control: row.control, state: 'active' } })
}

/** Mark a replica that the configuration no longer names. Its copies stay on record. */
export async function retireReplica(db: Db, replica: string): Promise<void> {
  await db.update(replicaTable).set({ state: 'retired' }).where(eq(replicaTable.replica, replica))
}

/** All replicas by name. */
export async function listReplicas(db: Db): Promise<readonly ReplicaRow[]> {
  return db.select().from(replicaTable).orderBy(asc(replicaTable.replica))
}

/**
 * Record a version on a replica; the same one again changes nothing but its retention.
 *
 * @param copy.nextCheckAt - null while the object is not published.
 * @throws EscrowError `DATABASE_CONFLICT` when the replica has another current version: supersede that first.
 */
export async function recordCopy(tx: Db, copy: NewCopy): Promise<void> {
  await recordCopies(tx, [copy])
}

/** As `recordCopy`, several at once. @param copies - none: nothing is done; no two of the same version. */
export async function recordCopies(tx: Db, copies: readonly NewCopy[]): Promise<void> {
  if (copies.length === 0) return
  await tx
    .insert(replicaCopyTable)
    .values(copies.map((copy) => ({ ...copy, state: 'present' as const })))
    .onConflictDoUpdate({
      target: [replicaCopyTable.objectId, replicaCopyTable.replica, replicaCopyTable.versionId],
      set: { retainUntil: sql`greatest(${replicaCopyTable.retainUntil}, excluded.retain_until_at)` },
    })
}

/** Start the clock of fixity checks for the copies of a deposit that has just been published. */
export async function scheduleFirstChecks(tx: Tx, depositId: string, nextCheckAt: Date): Promise<void> {
  const objects = tx
    .select({ objectId: storedObjectTable.objectId })
    .from(storedObjectTable)
    .where(eq(storedObjectTable.depositId, depositId))
  await tx
    .update(replicaCopyTable)
    .set({ nextCheckAt })
    .where(and(inArray(replicaCopyTable.objectId, objects), isNull(replicaCopyTable.nextCheckAt)))
}

/** The current copies of an object, by replica: superseded ones are left out. */
export async function listCopies(db: Db, objectId: number): Promise<readonly ReplicaCopyRow[]> {
  return db
    .select()
    .from(replicaCopyTable)
    .where(and(eq(replicaCopyTable.objectId, objectId), ne(replicaCopyTable.state, 'superseded')))
    .orderBy(asc(replicaCopyTable.replica))
}

/**
 * Copies whose lock ends before a moment although their agreement goes on (or belongs to no agreement), soonest first.
 *
 * @param lockedUntil - everything is to be locked at least so long.
 */
export async function listShortRetention(
  db: Db,
  lockedUntil: Date,
  limit: number,
): Promise<readonly { readonly copy: ReplicaCopyRow; readonly key: string; readonly agreementId: string | null }[]> {
  return db
    .select({ copy: replicaCopyTable, key: storedObjectTable.key, agreementId: storedObjectTable.agreementId })
    .from(replicaCopyTable)
    .innerJoin(storedObjectTable, eq(storedObjectTable.objectId, replicaCopyTable.objectId))
    .leftJoin(agreementTable, eq(agreementTable.agreementId, storedObjectTable.agreementId))
    .where(
      and(
        eq(replicaCopyTable.state, 'present'),
        lt(replicaCopyTable.retainUntil, lockedUntil),
        // What an abandoned attempt left may expire.
        or(isNull(storedObjectTable.attemptId), sql`${storedObjectTable.depositId} is not null`),
        or(isNull(agreementTable.state), ne(agreementTable.state, 'ended')),
      ),
    )
    .orderBy(asc(replicaCopyTable.retainUntil))
    .limit(page(limit))
}

/** Record until when a copy is locked, as read back from the store. */
export async function recordRetention(db: Db, copyId: number, retainUntil: Date): Promise<void> {
  await db.update(replicaCopyTable).set({ retainUntil }).where(eq(replicaCopyTable.copyId, copyId))
}

/**
 * Record what a document is from now on, where an earlier one under its key may lie. Only for what may change: receipts.
 *
 * @returns its number. Copies of other bytes are superseded.
 */
export async function replaceObject(tx: Tx, object: NewObject): Promise<number> {
  const before = await findObject(tx, object.key)
  if (before === null || before.digest === object.digest) return recordObject(tx, object)
  const { digest: replaced, sizeBytes, partBytes, partDigests } = object
  const { objectId } = before
  await tx
    .update(storedObjectTable)
    .set({ digest: replaced, sizeBytes, partBytes, partDigests })
    .where(eq(storedObjectTable.objectId, objectId))
  await tx.update(replicaCopyTable).set({ state: 'superseded', nextCheckAt: null }).where(eq(replicaCopyTable.objectId, objectId))
  return objectId
}
