import { and, asc, eq, gt, isNull, lt, or } from 'drizzle-orm'
import { index, pgTable, text } from 'drizzle-orm/pg-core'
import { digest, instant } from '../../db/columns.js'
import type { Db } from '../../db/database.js'
import { first, page } from '../../db/rows.js'
import type { Role } from '../../format/agreement.js'

/** API tokens: who may read and send over HTTP. The secret itself is nowhere. Not rebuilt from the store. */
export const apiTokenTable = pgTable(
  'api_token',
  {
    tokenId: text('token_id').primaryKey(),
    /** SHA-256 of the secret. */
    secretDigest: digest('secret_digest').notNull(),
    /** SHA-256 of the keyid of the party's key, as in `party`. */
    fingerprint: digest('fingerprint').notNull(),
    role: text('role').$type<Role>().notNull(),
    /** What the operator calls it. */
    label: text('label').notNull(),
    createdAt: instant('created_at').notNull(),
    expiresAt: instant('expires_at').notNull(),
    revokedAt: instant('revoked_at'),
    /** To the minute. */
    lastUsedAt: instant('last_used_at'),
  },
  (t) => [index('api_token_fingerprint').on(t.fingerprint)],
)

export type TokenRow = typeof apiTokenTable.$inferSelect

/** Add a token. */
export async function insertToken(db: Db, row: Omit<TokenRow, 'revokedAt' | 'lastUsedAt'>): Promise<void> {
  await db.insert(apiTokenTable).values(row)
}

/** One token, or null. */
export async function findToken(db: Db, tokenId: string): Promise<TokenRow | null> {
  return first(await db.select().from(apiTokenTable).where(eq(apiTokenTable.tokenId, tokenId)))
}

/** Tokens by id. @param after - the last id of the page before; '' for the first. */
export async function listTokens(db: Db, after: string, limit: number): Promise<readonly TokenRow[]> {
  return db.select().from(apiTokenTable).where(gt(apiTokenTable.tokenId, after)).orderBy(asc(apiTokenTable.tokenId)).limit(page(limit))
}

/** Revoke a token. @returns false when there is none of this id; true also when it was revoked before. */
export async function revokeToken(db: Db, tokenId: string, at: Date): Promise<boolean> {
  await db
    .update(apiTokenTable)
    .set({ revokedAt: at })
    .where(and(eq(apiTokenTable.tokenId, tokenId), isNull(apiTokenTable.revokedAt)))
  return (await findToken(db, tokenId)) !== null
}

/** Remember that a token was used, once a minute. */
export async function touchToken(db: Db, tokenId: string, used: { readonly at: Date; readonly unlessSince: Date }): Promise<void> {
  const stale = or(isNull(apiTokenTable.lastUsedAt), lt(apiTokenTable.lastUsedAt, used.unlessSince))
  await db
    .update(apiTokenTable)
    .set({ lastUsedAt: used.at })
    .where(and(eq(apiTokenTable.tokenId, tokenId), stale))
}
