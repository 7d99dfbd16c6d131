import { and, asc, count as countRows, eq, gte, isNull, lte, sql } from 'drizzle-orm'
import { index, jsonb, pgTable, primaryKey, text } from 'drizzle-orm/pg-core'
import { count, instant } from '../../db/columns.js'
import type { Db, Tx } from '../../db/database.js'
import { first, only, page } from '../../db/rows.js'
import { releaseRequestTable, type RequestRow } from '../release.table.js'

/** What a beneficiary may fetch, and until when. */
export const releaseGrantTable = pgTable(
  'release_grant',
  {
    requestId: text('request_id')
      .notNull()
      .references(() => releaseRequestTable.requestId),
    beneficiary: text('beneficiary').notNull(),
    deposits: jsonb('deposits').$type<readonly GrantedDeposit[]>().notNull(),
    grantedAt: instant('granted_at').notNull(),
    expiresAt: instant('expires_at').notNull(),
    revokedAt: instant('revoked_at'),
    /** When copies must be returned or destroyed; null when they may be kept. */
    returnByAt: instant('return_by_at'),
    /** When the log was told that this day has come; null until then. */
    returnDueAt: instant('return_due_at'),
    /** When the beneficiary confirmed with its signature; null until then. */
    returnedAt: instant('returned_at'),
  },
  (t) => [
    primaryKey({ columns: [t.requestId, t.beneficiary] }),
    index('release_grant_return')
      .on(t.returnByAt)
      .where(sql`${t.returnedAt} is null and ${t.returnDueAt} is null`),
  ],
)

/** Every access to what was granted, and every refused one. */
export const grantAccessTable = pgTable(
  'grant_access',
  {
    accessId: count('access_id').primaryKey().generatedAlwaysAsIdentity(),
    requestId: text('request_id')
      .notNull()
      .references(() => releaseRequestTable.requestId),
    /** Who had authenticated; not always a beneficiary. */
    party: text('party').notNull(),
    /** As the connection showed it. Personal: it stays in this row and is in no event. */
    address: text('address').notNull(),
    key: text('key').notNull(),
    offsetBytes: count('offset_bytes').notNull(),
    sizeBytes: count('size_bytes').notNull(),
    /** By which network rule it was allowed or refused. */
    networkRule: text('network_rule').notNull(),
    /** The code of the refusal; null when it was allowed. */
    refusalCode: text('refusal_code'),
    accessedAt: instant('accessed_at').notNull(),
    /** How many bytes went out when it ended; null while it runs, and for ever when we died in the middle. */
    sentBytes: count('sent_bytes'),
    endedAt: instant('ended_at'),
  },
  (t) => [index('grant_access_party').on(t.requestId, t.party, t.accessedAt)],
)

/** One deposit of a grant, pinned when access was granted. */
export interface GrantedDeposit {
  readonly source: string
  readonly sequence: number
}

export type GrantRow = typeof releaseGrantTable.$inferSelect
export type AccessRow = typeof grantAccessTable.$inferSelect
/** An access that has just been judged. */
export type NewAccess = Omit<AccessRow, 'accessId' | 'sentBytes' | 'endedAt'>

const ofGrant = (requestId: string, beneficiary: string) =>
  and(eq(releaseGrantTable.requestId, requestId), eq(releaseGrantTable.beneficiary, beneficiary))

/** Released requests that nobody has been granted yet, oldest first. */
export async function listUngranted(db: Db, limit: number): Promise<readonly RequestRow[]> {
  const granted = sql`exists (select 1 from ${releaseGrantTable} where ${releaseGrantTable.requestId} = ${releaseRequestTable.requestId})`
  return db
    .select()
    .from(releaseRequestTable)
    .where(and(eq(releaseRequestTable.state, 'released'), sql`not ${granted}`))
    .orderBy(asc(releaseRequestTable.submittedAt), asc(releaseRequestTable.requestId))
    .limit(page(limit))
}

/** Add a grant. @throws EscrowError `DATABASE_CONFLICT` when the beneficiary has one for this request. */
export async function insertGrant(tx: Tx, row: GrantRow): Promise<void> {
  await tx.insert(releaseGrantTable).values(row)
}

/** The grants of a request, by beneficiary; empty when there are none. */
export async function listGrants(db: Db, requestId: string): Promise<readonly GrantRow[]> {
  return db.select().from(releaseGrantTable).where(eq(releaseGrantTable.requestId, requestId)).orderBy(asc(releaseGrantTable.beneficiary))
}

/** A beneficiary's grant under a request, or null. */
export async function findGrant(db: Db, requestId: string, beneficiary: string): Promise<GrantRow | null> {
  return first(await db.select().from(releaseGrantTable).where(ofGrant(requestId, beneficiary)))
}

/** End a grant before its time. A grant that was revoked before keeps its first moment. */
export async function revokeGrant(tx: Tx, grant: GrantRow, at: Date): Promise<void> {
  await tx
    .update(releaseGrantTable)
    .set({ revokedAt: at })
    .where(and(ofGrant(grant.requestId, grant.beneficiary), isNull(releaseGrantTable.revokedAt)))
}

/** Record that a beneficiary has returned or destroyed its copies. */
export async function markReturned(tx: Tx, grant: GrantRow, at: Date): Promise<void> {
  await tx
    .update(releaseGrantTable)
    .set({ returnedAt: at })
    .where(and(ofGrant(grant.requestId, grant.beneficiary), isNull(releaseGrantTable.returnedAt)))
}

/** Record that the log knows that a grant's copies are due. */
export async function markReturnDue(tx: Tx, grant: GrantRow, at: Date): Promise<void> {
  await tx.update(releaseGrantTable).set({ returnDueAt: at }).where(ofGrant(grant.requestId, grant.beneficiary))
}

/** Grants whose copies should have been returned or destroyed by now, and of which the log has not been told. */
export async function listReturnsDue(db: Db, now: Date, limit: number): Promise<readonly GrantRow[]> {
  const open = and(isNull(releaseGrantTable.returnedAt), isNull(releaseGrantTable.returnDueAt))
  return db
    .select()
    .from(releaseGrantTable)
    .where(and(open, lte(releaseGrantTable.returnByAt, now)))
    .orderBy(asc(releaseGrantTable.returnByAt), asc(releaseGrantTable.requestId), asc(releaseGrantTable.beneficiary))
    .limit(page(limit))
}

/** Add an access. @returns its number. */
export async function insertAccess(db: Db, row: NewAccess): Promise<number> {
  return only(await db.insert(grantAccessTable).values(row).returning({ accessId: grantAccessTable.accessId })).accessId
}

/** Record how an access ended. */
export async function endAccess(db: Db, accessId: number, ended: { readonly sentBytes: number; readonly at: Date }): Promise<void> {
  await db.update(grantAccessTable).set({ sentBytes: ended.sentBytes, endedAt: ended.at }).where(eq(grantAccessTable.accessId, accessId))
}

/** Every access to what a request released, in order. @param after - the last number of the page before; 0 for the first. */
export async function listAccesses(db: Db, requestId: string, after: number, limit: number): Promise<readonly AccessRow[]> {
  return db
    .select()
    .from(grantAccessTable)
    .where(and(eq(grantAccessTable.requestId, requestId), sql`${grantAccessTable.accessId} > ${after}`))
    .orderBy(asc(grantAccessTable.accessId))
    .limit(page(limit))
}

/** How often a party was refused since a moment. */
export async function countRefusals(db: Db, requestId: string, party: string, since: Date): Promise<number> {
  const rule = and(
    eq(grantAccessTable.requestId, requestId),
    eq(grantAccessTable.party, party),
    gte(grantAccessTable.accessedAt, since),
    sql`${grantAccessTable.refusalCode} is not null`,
  )
  return only(await db.select({ refusals: countRows() }).from(grantAccessTable).where(rule)).refusals
}
