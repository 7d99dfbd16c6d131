import { and, asc, eq, gt, inArray, isNull, or, sql } from 'drizzle-orm'
import { index, integer, pgTable, text, uniqueIndex } from 'drizzle-orm/pg-core'
import { BugError } from '../../core/errors.js'
import { count, digest, digests, oneOf } from '../../db/columns.js'
import type { Db, Tx } from '../../db/database.js'
import { prepared, type Prepared } from '../../db/prepared.js'
import { first, page } from '../../db/rows.js'
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

export type StoredObjectRow = typeof storedObjectTable.$inferSelect
/** What is known of an object before it is written. */
export type NewObject = Omit<StoredObjectRow, 'objectId' | 'depositId'>
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

const objectFound: Prepared<{ readonly key: string }, StoredObjectRow> = prepared('object_found', (db, given) =>
  db
    .select()
    .from(storedObjectTable)
    .where(eq(storedObjectTable.key, given('key'))),
)

/** What is recorded under a key, or null. */
export async function findObject(db: Db, key: string): Promise<StoredObjectRow | null> {
  return first(await objectFound(db, { key }))
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
