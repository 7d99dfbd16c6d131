import { and, eq, isNotNull, lt, or } from 'drizzle-orm'
import { index, integer, pgTable, primaryKey, text } from 'drizzle-orm/pg-core'
import { digest, instant } from '../db/columns.js'
import type { Db, Tx } from '../db/database.js'
import { first } from '../db/rows.js'

/** What was asked under an idempotency key, and the answer once there is one. Not rebuilt from the store. */
export const idempotencyTable = pgTable(
  'idempotency',
  {
    tokenId: text('token_id').notNull(),
    key: text('key').notNull(),
    /** Over method, path and body. */
    requestDigest: digest('request_digest').notNull(),
    /** Null while the request is at work. */
    status: integer('status'),
    answer: text('answer'),
    /** Who is at work has so long; then whoever asks again takes over. */
    leaseUntil: instant('lease_until_at').notNull(),
    expiresAt: instant('expires_at').notNull(),
  },
  (t) => [primaryKey({ columns: [t.tokenId, t.key] }), index('idempotency_expires').on(t.expiresAt)],
)

export type IdempotencyRow = typeof idempotencyTable.$inferSelect
/** A key as its token uses it. */
export type UsedKey = Pick<IdempotencyRow, 'tokenId' | 'key'>

const isKey = ({ tokenId, key }: UsedKey) => and(eq(idempotencyTable.tokenId, tokenId), eq(idempotencyTable.key, key))

/** Take a fresh key. @returns false when it was used before. */
export async function insertKey(tx: Tx, row: Omit<IdempotencyRow, 'status' | 'answer'>): Promise<boolean> {
  const inserted = await tx.insert(idempotencyTable).values(row).onConflictDoNothing().returning({ key: idempotencyTable.key })
  return inserted.length > 0
}

/** A key that was used, or null. */
export async function findKey(db: Db, used: UsedKey): Promise<IdempotencyRow | null> {
  return first(await db.select().from(idempotencyTable).where(isKey(used)))
}

/** Take over from somebody who died. @returns false when it lives, or somebody else was quicker. */
export async function takeOverKey(tx: Tx, used: UsedKey, lease: { readonly now: Date; readonly until: Date }): Promise<boolean> {
  const taken = await tx
    .update(idempotencyTable)
    .set({ leaseUntil: lease.until })
    .where(and(isKey(used), lt(idempotencyTable.leaseUntil, lease.now)))
    .returning({ key: idempotencyTable.key })
  return taken.length > 0
}

/** Keep the answer. */
export async function answerKey(db: Db, used: UsedKey, answer: { readonly status: number; readonly answer: string }): Promise<void> {
  await db.update(idempotencyTable).set(answer).where(isKey(used))
}

/** Give a key back whose request was refused or failed: the same may be tried again with it. */
export async function releaseKey(db: Db, used: UsedKey): Promise<void> {
  await db.delete(idempotencyTable).where(isKey(used))
}

/** Forget keys that nobody repeats any more. */
export async function sweepKeys(tx: Tx, now: Date): Promise<void> {
  const over = or(isNotNull(idempotencyTable.status), lt(idempotencyTable.leaseUntil, now))
  await tx.delete(idempotencyTable).where(and(lt(idempotencyTable.expiresAt, now), over))
}
