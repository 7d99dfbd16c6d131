import { and, asc, eq, gt, inArray, isNull, lt, ne, or, sql } from 'drizzle-orm'
import { index, integer, pgTable, text, uniqueIndex } from 'drizzle-orm/pg-core'
import { BugError } from '../core/errors.js'
import { count, digest, digests, instant, oneOf } from '../db/columns.js'
import type { Db, Tx } from '../db/database.js'
import { first, page } from '../db/rows.js'
import { agreementTable } from './agreement.table.js'
import { depositTable } from './deposit.table.js'

const purposes = [
  'agreement',
  'annex',
  'statement',
  'envelope',
  'inventory',
  'known-objects',
  'attachment',
  'manifest',
  'receipt',
  'event',
  'tile',
  'readme',
] as const
/** What an object is for. */
export type Purpose = (typeof purposes)[number]

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

/** Objects that we wrote or are about to write: recorded before the first replica completes, so that no copy is unknown. */
export const storedObjectTable = pgTable(
  'stored_object',
  {
    objectId: count('object_id').primaryKey().generatedAlwaysAsIdentity(),
    key: text('key').notNull(),
    purpose: text('purpose', { enum: purposes }).notNull(),
    /** Null for what belongs to the service: tiles, README. No foreign key: an agreement's document is recorded before its row. */
    agreementId: text('agreement_id'),
    /** Null until published, and for what belongs to no deposit. */
    depositId: text('deposit_id').references(() => depositTable.depositId),
    /** Who wrote it; null for what no attempt wrote. Not rebuilt from the store. */
    attemptId: text('attempt_id'),
    digest: digest('digest').notNull(),
    sizeBytes: count('size_bytes').notNull(),
    partBytes: integer('part_bytes').notNull(),
    partDigests: digests('part_digests').notNull(),
  },
  (t) => [
    uniqueIndex('stored_object_key').on(t.key),
    index('stored_object_deposit').on(t.depositId),
    index('stored_object_agreement').on(t.agreementId),
    index('stored_object_attempt').on(t.attemptId),
    oneOf('stored_object_purpose_known', t.purpose, purposes),
  ],
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
export type StoredObjectRow = typeof storedObjectTable.$inferSelect
export type ReplicaCopyRow = typeof replicaCopyTable.$inferSelect
/** What is known of an object before it is written. */
export type NewObject = Omit<StoredObjectRow, 'objectId' | 'depositId'>
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
 * Record an object before it is written.
 *
 * @returns its number. Recording the same object again (key, digest and size) gives the same number, so a resumed step may repeat it.
 * @throws BugError when the key is taken by other bytes: keys are unique for each attempt.
 */
export async function recordObject(tx: Db, object: NewObject): Promise<number> {
  const [objectId] = await recordObjects(tx, [object])
  if (objectId === undefined) throw new BugError(`object ${object.key} was not recorded`)
  return objectId
}

/** As `recordObject`, several at once. @param objects - 1 or more, with distinct keys. @returns their numbers in the same order. */
export async function recordObjects(tx: Db, objects: readonly NewObject[]): Promise<readonly number[]> {
  const { objectId, key, digest: sha256, sizeBytes } = storedObjectTable
  const inserted = await tx
    .insert(storedObjectTable)
    .values([...objects])
    .onConflictDoNothing({ target: storedObjectTable.key })
    .returning({ objectId, key, digest: sha256, sizeBytes })
  const fresh = new Set(inserted.map((row) => row.key))
  const others = objects.map((object) => object.key).filter((name) => !fresh.has(name))
  const known = new Map([...inserted, ...(await listObjectsUnder(tx, others))].map((row) => [row.key, row]))
  return objects.map((object) => {
    const row = known.get(object.key)
    if (row?.digest === object.digest && row.sizeBytes === object.sizeBytes) return row.objectId
    throw new BugError(`object ${object.key} was recorded with other bytes`)
  })
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

/** What is recorded under a key, or null. */
export async function findObject(db: Db, key: string): Promise<StoredObjectRow | null> {
  return first(await db.select().from(storedObjectTable).where(eq(storedObjectTable.key, key)))
}

/** What is recorded under some keys, by key; those of which nothing is recorded are left out. @param keys - may be empty. */
export async function listObjectsUnder(db: Db, keys: readonly string[]): Promise<readonly StoredObjectRow[]> {
  if (keys.length === 0) return []
  return db
    .select()
    .from(storedObjectTable)
    .where(inArray(storedObjectTable.key, [...keys]))
    .orderBy(asc(storedObjectTable.key))
}

/** Custodians' acceptances of every version of an agreement, by key: without them nobody else can see that its vault was armed. */
export async function listVaultStatements(db: Db, agreementId: string): Promise<readonly StoredObjectRow[]> {
  const below = sql`starts_with(${storedObjectTable.key}, ${`agreements/${agreementId}/vault-`})`
  return db
    .select()
    .from(storedObjectTable)
    .where(and(eq(storedObjectTable.agreementId, agreementId), eq(storedObjectTable.purpose, 'statement'), below))
    .orderBy(asc(storedObjectTable.key))
}

/** The objects of deposits, by key. @param depositIds - may be empty. */
export async function listObjectsOfDeposits(db: Db, depositIds: readonly string[]): Promise<readonly StoredObjectRow[]> {
  if (depositIds.length === 0) return []
  return db
    .select()
    .from(storedObjectTable)
    .where(inArray(storedObjectTable.depositId, [...depositIds]))
    .orderBy(asc(storedObjectTable.key))
}

/** The objects that an attempt recorded, by key; empty when it never got so far. */
export async function listObjectsOfAttempt(db: Db, attemptId: string): Promise<readonly StoredObjectRow[]> {
  return db.select().from(storedObjectTable).where(eq(storedObjectTable.attemptId, attemptId)).orderBy(asc(storedObjectTable.key))
}

/**
 * Objects that belong to deposits, and those that no attempt wrote, by number: everything but orphans.
 *
 * @param from.agreementId - only its objects and those of no agreement; null for all.
 * @param from.after - the last number of the page before; 0 for the first.
 */
export async function listPublishedObjects(
  db: Db,
  from: { readonly agreementId: string | null; readonly after: number },
  limit: number,
): Promise<readonly StoredObjectRow[]> {
  const { agreementId, after } = from
  const published = or(isNull(storedObjectTable.attemptId), sql`${storedObjectTable.depositId} is not null`)
  const wanted =
    agreementId === null ? undefined : or(isNull(storedObjectTable.agreementId), eq(storedObjectTable.agreementId, agreementId))
  return db
    .select()
    .from(storedObjectTable)
    .where(and(gt(storedObjectTable.objectId, after), published, wanted))
    .orderBy(asc(storedObjectTable.objectId))
    .limit(page(limit))
}

/** Give the objects of an attempt to its deposit. Those that an earlier deposit brought (attachments) stay with that one. */
export async function adoptObjects(tx: Tx, attemptId: string, depositId: string): Promise<void> {
  await tx
    .update(storedObjectTable)
    .set({ depositId })
    .where(and(eq(storedObjectTable.attemptId, attemptId), isNull(storedObjectTable.depositId)))
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
