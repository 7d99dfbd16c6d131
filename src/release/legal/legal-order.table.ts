import { and, asc, eq, lte, sql } from 'drizzle-orm'
import { index, integer, jsonb, pgTable, text } from 'drizzle-orm/pg-core'
import { EscrowError } from '../../core/errors.js'
import { digest, instant } from '../../db/columns.js'
import type { Db, Tx } from '../../db/database.js'
import { first, page } from '../../db/rows.js'
import { agreementTable } from '../../escrow/archive/agreement.table.js'
import { storedObjectTable } from '../../escrow/archive/object.table.js'
import type { AgreementId } from '../../format/ids.js'
import { objectKeys } from '../../store/object-key.js'
import type { LegalProgress } from './legal-order.js'
import { releaseStatementTable } from '../release.table.js'

/** Orders against the agent, each registered under one agreement. What they rest on are the agent's signed statements. */
export const legalOrderTable = pgTable(
  'legal_order',
  {
    /** Digest of the registration. */
    orderDigest: digest('order_digest').primaryKey(),
    agreementId: text('agreement_id')
      .notNull()
      .references(() => agreementTable.agreementId),
    agreementDigest: digest('agreement_digest').notNull(),
    state: text('state').notNull(),
    progress: jsonb('progress').$type<LegalProgress>().notNull(),
    revision: integer('revision').notNull(),
    dueAt: instant('due_at'),
  },
  (t) => [index('legal_order_agreement').on(t.agreementId), index('legal_order_due').on(t.dueAt)],
)

export type LegalOrderRow = typeof legalOrderTable.$inferSelect

/** One order, or null. */
export async function findLegalOrder(db: Db, orderDigest: string): Promise<LegalOrderRow | null> {
  return first(await db.select().from(legalOrderTable).where(eq(legalOrderTable.orderDigest, orderDigest)))
}

/** Orders of all agreements, by agreement. */
export async function listLegalOrders(db: Db, limit: number): Promise<readonly LegalOrderRow[]> {
  return db.select().from(legalOrderTable).orderBy(asc(legalOrderTable.agreementId), asc(legalOrderTable.orderDigest)).limit(page(limit))
}

/** Orders whose clock has run out, most overdue first. */
export async function listDueLegalOrders(db: Db, now: Date, limit: number): Promise<readonly LegalOrderRow[]> {
  return db
    .select()
    .from(legalOrderTable)
    .where(lte(legalOrderTable.dueAt, now))
    .orderBy(asc(legalOrderTable.dueAt), asc(legalOrderTable.orderDigest))
    .limit(page(limit))
}

/** Write how an order stands. @param before - null for a new one. @throws EscrowError `DATABASE_CONFLICT` when somebody else moved it */
export async function saveLegalOrder(tx: Tx, before: LegalOrderRow | null, next: Omit<LegalOrderRow, 'revision'>): Promise<void> {
  if (before === null) {
    await tx.insert(legalOrderTable).values({ ...next, revision: 1 })
    return
  }
  const saved = await tx
    .update(legalOrderTable)
    .set({ state: next.state, progress: next.progress, dueAt: next.dueAt, revision: before.revision + 1 })
    .where(and(eq(legalOrderTable.orderDigest, before.orderDigest), eq(legalOrderTable.revision, before.revision)))
    .returning({ orderDigest: legalOrderTable.orderDigest })
  if (saved.length === 0) throw new EscrowError('DATABASE_CONFLICT', `legal order ${before.orderDigest} was changed by somebody else`)
}

/** Keys under which statements of an agreement lie sealed to the agent, in order. */
export async function listSealedRecords(db: Db, agreementId: AgreementId): Promise<readonly string[]> {
  const below = sql`starts_with(${storedObjectTable.key}, ${objectKeys.sealedRecords(agreementId)})`
  const rule = and(eq(storedObjectTable.agreementId, agreementId), below)
  const rows = await db.select({ key: storedObjectTable.key }).from(storedObjectTable).where(rule).orderBy(asc(storedObjectTable.key))
  return rows.map(({ key }) => key)
}

/** A statement lies in the open from now on. */
export async function moveStatement(tx: Tx, statement: { readonly digest: string; readonly subject: string }, key: string): Promise<void> {
  const rule = and(eq(releaseStatementTable.digest, statement.digest), eq(releaseStatementTable.subject, statement.subject))
  await tx.update(releaseStatementTable).set({ key }).where(rule)
}
