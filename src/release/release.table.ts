import { and, asc, eq, inArray, isNull, lte, sql } from 'drizzle-orm'
import { index, integer, jsonb, pgTable, primaryKey, text, uniqueIndex } from 'drizzle-orm/pg-core'
import { EscrowError } from '../core/errors.js'
import { byteString, count, digest, instant } from '../db/columns.js'
import type { Db, Tx } from '../db/database.js'
import { first, page } from '../db/rows.js'
import { agreementTable } from '../escrow/archive/agreement.table.js'
import type { StatementType } from '../format/statement.js'
import type { OrderProgress } from './rules/order-state.js'
import type { ReleaseProgress } from './rules/release-state.js'

/** Release requests and how far they are. What they rest on are signed statements in the store; this is an index of them. */
export const releaseRequestTable = pgTable(
  'release_request',
  {
    requestId: text('request_id').primaryKey(),
    agreementId: text('agreement_id')
      .notNull()
      .references(() => agreementTable.agreementId),
    requestDigest: digest('request_digest').notNull(),
    /** The version in force at submission: no other governs this request. */
    agreementDigest: digest('agreement_digest').notNull(),
    epoch: integer('epoch').notNull(),
    /** The shutdown order behind it; null for every other condition. */
    orderDigest: digest('order_digest'),
    state: text('state').notNull(),
    progress: jsonb('progress').$type<ReleaseProgress>().notNull(),
    /** Counts changes: who decided on an older one decides again. */
    revision: integer('revision').notNull(),
    submittedAt: instant('submitted_at').notNull(),
    /** When the clock or unfinished work needs this request next; null when nothing can follow. */
    dueAt: instant('due_at'),
  },
  (t) => [
    uniqueIndex('release_request_digest').on(t.requestDigest),
    index('release_request_agreement').on(t.agreementId),
    index('release_request_due').on(t.dueAt),
  ],
)

/** A shutdown order in one agreement that it reaches. */
export const shutdownOrderTable = pgTable(
  'shutdown_order',
  {
    /** Digest of the first registration. */
    orderDigest: digest('order_digest').notNull(),
    agreementId: text('agreement_id')
      .notNull()
      .references(() => agreementTable.agreementId),
    agreementDigest: digest('agreement_digest').notNull(),
    state: text('state').notNull(),
    progress: jsonb('progress').$type<OrderProgress>().notNull(),
    revision: integer('revision').notNull(),
    /** The request that it submitted when it became effective. */
    requestId: text('request_id').references(() => releaseRequestTable.requestId),
    dueAt: instant('due_at'),
  },
  (t) => [
    primaryKey({ columns: [t.orderDigest, t.agreementId] }),
    index('shutdown_order_agreement').on(t.agreementId),
    index('shutdown_order_due').on(t.dueAt),
  ],
)

/** Which signed statement was recorded about what, and where it lies. Who signed and what it says is read from the document. */
export const releaseStatementTable = pgTable(
  'release_statement',
  {
    digest: digest('digest').notNull(),
    agreementId: text('agreement_id')
      .notNull()
      .references(() => agreementTable.agreementId),
    /** A request's id, or the digest of an order in hex. */
    subject: text('subject').notNull(),
    key: text('key').notNull(),
    type: text('type').$type<StatementType>().notNull(),
    party: text('party').notNull(),
    recordedAt: instant('recorded_at').notNull(),
  },
  (t) => [primaryKey({ columns: [t.digest, t.agreementId, t.subject] }), index('release_statement_subject').on(t.subject, t.agreementId)],
)

/** Share releases that wait. Their bytes lie here, where nothing is locked, so that a withdrawal leaves none behind. */
export const heldShareTable = pgTable(
  'held_share',
  {
    requestId: text('request_id')
      .notNull()
      .references(() => releaseRequestTable.requestId),
    digest: digest('digest').notNull(),
    party: text('party').notNull(),
    document: byteString('document').notNull(),
    /** The order in which they came: the later of one holder counts. */
    place: count('place').notNull().generatedAlwaysAsIdentity(),
    receivedAt: instant('received_at').notNull(),
    /** When it may be passed on, decided together with the state; null while it is held back. */
    releasedAt: instant('released_at'),
    /** When it was in the store; null until then. */
    storedAt: instant('stored_at'),
  },
  (t) => [primaryKey({ columns: [t.requestId, t.digest] })],
)

export type RequestRow = typeof releaseRequestTable.$inferSelect
export type OrderRow = typeof shutdownOrderTable.$inferSelect
export type StatementRow = typeof releaseStatementTable.$inferSelect
export type HeldShareRow = typeof heldShareTable.$inferSelect
export type NewHeldShare = typeof heldShareTable.$inferInsert

/** Add a request. @throws EscrowError `DATABASE_CONFLICT` when its id or document is known. */
export async function insertRequest(tx: Tx, row: Omit<RequestRow, 'revision'>): Promise<void> {
  await tx.insert(releaseRequestTable).values({ ...row, revision: 1 })
}

/** One request, or null. */
export async function findRequest(db: Db, requestId: string): Promise<RequestRow | null> {
  return first(await db.select().from(releaseRequestTable).where(eq(releaseRequestTable.requestId, requestId)))
}

/** The request of a signed document, or null. */
export async function findRequestByDigest(db: Db, digestHex: string): Promise<RequestRow | null> {
  return first(await db.select().from(releaseRequestTable).where(eq(releaseRequestTable.requestDigest, digestHex)))
}

/** The requests of signed documents, oldest first; those that are not here are left out. @param digestsHex - at most `coversMax`; may be empty. */
export async function listRequestsOf(db: Db, digestsHex: readonly string[]): Promise<readonly RequestRow[]> {
  if (digestsHex.length === 0) return []
  return db
    .select()
    .from(releaseRequestTable)
    .where(inArray(releaseRequestTable.requestDigest, [...digestsHex]))
    .orderBy(asc(releaseRequestTable.submittedAt), asc(releaseRequestTable.requestId))
}

/** Requests, oldest first; of one agreement, or of all with null. */
export async function listRequests(db: Db, agreementId: string | null, limit: number): Promise<readonly RequestRow[]> {
  return db
    .select()
    .from(releaseRequestTable)
    .where(agreementId === null ? undefined : eq(releaseRequestTable.agreementId, agreementId))
    .orderBy(asc(releaseRequestTable.submittedAt), asc(releaseRequestTable.requestId))
    .limit(page(limit))
}

/** Requests whose clock has run out, most overdue first. */
export async function listDueRequests(db: Db, now: Date, limit: number): Promise<readonly RequestRow[]> {
  return db
    .select()
    .from(releaseRequestTable)
    .where(lte(releaseRequestTable.dueAt, now))
    .orderBy(asc(releaseRequestTable.dueAt), asc(releaseRequestTable.requestId))
    .limit(page(limit))
}

/** Replace a request's progress. @throws EscrowError `DATABASE_CONFLICT` when somebody else changed it since it was read. */
export async function updateRequest(tx: Tx, row: RequestRow, next: Pick<RequestRow, 'state' | 'progress' | 'dueAt'>): Promise<void> {
  const updated = await tx
    .update(releaseRequestTable)
    .set({ ...next, revision: row.revision + 1 })
    .where(and(eq(releaseRequestTable.requestId, row.requestId), eq(releaseRequestTable.revision, row.revision)))
    .returning({ requestId: releaseRequestTable.requestId })
  if (updated.length === 0) throw new EscrowError('DATABASE_CONFLICT', `request ${row.requestId} was changed by somebody else`)
}

/** Add an order in one agreement. @throws EscrowError `DATABASE_CONFLICT` when it is registered there. */
export async function insertOrder(tx: Tx, row: Omit<OrderRow, 'revision'>): Promise<void> {
  await tx.insert(shutdownOrderTable).values({ ...row, revision: 1 })
}

/** An order in one agreement, or null. @param digestHex - of its first registration. */
export async function findOrder(db: Db, digestHex: string, agreementId: string): Promise<OrderRow | null> {
  const rule = and(eq(shutdownOrderTable.orderDigest, digestHex), eq(shutdownOrderTable.agreementId, agreementId))
  return first(await db.select().from(shutdownOrderTable).where(rule))
}

/** The orders of an agreement, or of all with null. */
export async function listOrders(db: Db, agreementId: string | null, limit: number): Promise<readonly OrderRow[]> {
  return db
    .select()
    .from(shutdownOrderTable)
    .where(agreementId === null ? undefined : eq(shutdownOrderTable.agreementId, agreementId))
    .orderBy(asc(shutdownOrderTable.orderDigest), asc(shutdownOrderTable.agreementId))
    .limit(page(limit))
}

/** Orders whose clock has run out or that have work to finish, most overdue first. */
export async function listDueOrders(db: Db, now: Date, limit: number): Promise<readonly OrderRow[]> {
  return db
    .select()
    .from(shutdownOrderTable)
    .where(lte(shutdownOrderTable.dueAt, now))
    .orderBy(asc(shutdownOrderTable.dueAt), asc(shutdownOrderTable.orderDigest), asc(shutdownOrderTable.agreementId))
    .limit(page(limit))
}

/** Replace an order's progress. @throws EscrowError `DATABASE_CONFLICT` when somebody else changed it since it was read. */
export async function updateOrder(
  tx: Tx,
  row: OrderRow,
  next: Pick<OrderRow, 'state' | 'progress' | 'dueAt' | 'requestId'>,
): Promise<void> {
  const updated = await tx
    .update(shutdownOrderTable)
    .set({ ...next, revision: row.revision + 1 })
    .where(
      and(
        eq(shutdownOrderTable.orderDigest, row.orderDigest),
        eq(shutdownOrderTable.agreementId, row.agreementId),
        eq(shutdownOrderTable.revision, row.revision),
      ),
    )
    .returning({ orderDigest: shutdownOrderTable.orderDigest })
  if (updated.length === 0) throw new EscrowError('DATABASE_CONFLICT', `order ${row.orderDigest} was changed by somebody else`)
}

/** Record where a statement lies. Idempotent. */
export async function insertStatement(tx: Tx, row: StatementRow): Promise<void> {
  await tx.insert(releaseStatementTable).values(row).onConflictDoNothing()
}

/** Record a statement of which nothing is recorded yet. @throws EscrowError `DATABASE_CONFLICT` when it was recorded meanwhile */
export async function insertNewStatement(tx: Tx, row: StatementRow): Promise<void> {
  await tx.insert(releaseStatementTable).values(row)
}

/** Every statement about a request, an order or an agreement, or several of them, in the order in which they were recorded. @param types - only these. */
export async function listStatements(
  db: Db,
  subject: string | readonly string[],
  agreementId: string,
  types?: readonly StatementType[],
): Promise<readonly StatementRow[]> {
  const { type } = releaseStatementTable
  const subjects = typeof subject === 'string' ? [subject] : [...subject]
  const about = and(inArray(releaseStatementTable.subject, subjects), eq(releaseStatementTable.agreementId, agreementId))
  return db
    .select()
    .from(releaseStatementTable)
    .where(types === undefined ? about : and(about, inArray(type, [...types])))
    .orderBy(asc(releaseStatementTable.recordedAt), asc(releaseStatementTable.digest))
}

/** About what a statement was recorded; empty when it never was. */
export async function listSubjects(db: Db, digestHex: string): Promise<readonly StatementRow[]> {
  return db
    .select()
    .from(releaseStatementTable)
    .where(eq(releaseStatementTable.digest, digestHex))
    .orderBy(asc(releaseStatementTable.agreementId), asc(releaseStatementTable.subject))
}

/** Keep a share release; the same again changes nothing. */
export async function insertHeldShare(tx: Tx, row: NewHeldShare): Promise<void> {
  await tx.insert(heldShareTable).values(row).onConflictDoNothing()
}

/** The share releases of a request in the order in which they came. */
export async function listHeldShares(db: Db, requestId: string): Promise<readonly HeldShareRow[]> {
  return db.select().from(heldShareTable).where(eq(heldShareTable.requestId, requestId)).orderBy(asc(heldShareTable.place))
}

/** Decide that shares may be passed on. @param digests - 1 or more. */
export async function releaseShares(tx: Tx, requestId: string, digests: readonly string[], at: Date): Promise<void> {
  await tx
    .update(heldShareTable)
    .set({ releasedAt: at })
    .where(and(eq(heldShareTable.requestId, requestId), inArray(heldShareTable.digest, [...digests]), isNull(heldShareTable.releasedAt)))
}

/** Record that a released share is in the store. */
export async function markShareStored(tx: Tx, requestId: string, digestHex: string, at: Date): Promise<void> {
  await tx
    .update(heldShareTable)
    .set({ storedAt: at })
    .where(and(eq(heldShareTable.requestId, requestId), eq(heldShareTable.digest, digestHex)))
}

/** Forget every share of a request that was never passed on. */
export async function deleteHeldShares(tx: Tx, requestId: string): Promise<void> {
  await tx.delete(heldShareTable).where(and(eq(heldShareTable.requestId, requestId), isNull(heldShareTable.releasedAt)))
}

/** Shares that may be passed on and are not in the store yet, of one request, or of all with null: those where a run has stopped. */
export async function listUnstoredShares(db: Db, requestId: string | null, limit: number): Promise<readonly HeldShareRow[]> {
  const unstored = and(sql`${heldShareTable.releasedAt} is not null`, isNull(heldShareTable.storedAt))
  return db
    .select()
    .from(heldShareTable)
    .where(requestId === null ? unstored : and(unstored, eq(heldShareTable.requestId, requestId)))
    .orderBy(asc(heldShareTable.place))
    .limit(page(limit))
}
