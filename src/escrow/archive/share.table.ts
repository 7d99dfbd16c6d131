import { and, asc, eq, sql } from 'drizzle-orm'
import { foreignKey, integer, pgTable, primaryKey, text } from 'drizzle-orm/pg-core'
import { digest, instant } from '../../db/columns.js'
import type { Db, Tx } from '../../db/database.js'
import { agreementVersionTable, vaultEpochTable } from './agreement.table.js'

/** Custodians' signed statements that their shares of an agreement version open its vault. */
export const shareAcceptanceTable = pgTable(
  'share_acceptance',
  {
    agreementId: text('agreement_id').notNull(),
    version: integer('version').notNull(),
    custodianIndex: integer('custodian_index').notNull(),
    statementDigest: digest('statement_digest').notNull(),
    /** When it signed. */
    acceptedAt: instant('accepted_at').notNull(),
  },
  (t) => [
    primaryKey({ columns: [t.agreementId, t.version, t.custodianIndex] }),
    foreignKey({ columns: [t.agreementId, t.version], foreignColumns: [agreementVersionTable.agreementId, agreementVersionTable.version] }),
  ],
)

/** The newest proof of each custodian that it still holds its share of an epoch. */
export const shareHealthTable = pgTable(
  'share_health',
  {
    agreementId: text('agreement_id').notNull(),
    epoch: integer('epoch').notNull(),
    custodianIndex: integer('custodian_index').notNull(),
    statementDigest: digest('statement_digest').notNull(),
    provedAt: instant('proved_at').notNull(),
  },
  (t) => [
    primaryKey({ columns: [t.agreementId, t.epoch, t.custodianIndex] }),
    foreignKey({ columns: [t.agreementId, t.epoch], foreignColumns: [vaultEpochTable.agreementId, vaultEpochTable.epoch] }),
  ],
)

export type ShareAcceptanceRow = typeof shareAcceptanceTable.$inferSelect
export type ShareHealthRow = typeof shareHealthTable.$inferSelect

/** Record that a custodian has accepted. @throws EscrowError `DATABASE_CONFLICT` when it had done so before. */
export async function insertAcceptance(tx: Tx, row: ShareAcceptanceRow): Promise<void> {
  await tx.insert(shareAcceptanceTable).values(row)
}

/** Who has accepted its share of a version, by index; empty when nobody has. */
export async function listAcceptances(db: Db, agreementId: string, version: number): Promise<readonly ShareAcceptanceRow[]> {
  return db
    .select()
    .from(shareAcceptanceTable)
    .where(and(eq(shareAcceptanceTable.agreementId, agreementId), eq(shareAcceptanceTable.version, version)))
    .orderBy(asc(shareAcceptanceTable.custodianIndex))
}

/** Record a custodian's proof that it holds its share; an older one than the newest known changes nothing. */
export async function recordShareHealth(tx: Tx, row: ShareHealthRow): Promise<void> {
  await tx
    .insert(shareHealthTable)
    .values(row)
    .onConflictDoUpdate({
      target: [shareHealthTable.agreementId, shareHealthTable.epoch, shareHealthTable.custodianIndex],
      set: { statementDigest: row.statementDigest, provedAt: row.provedAt },
      setWhere: sql`${shareHealthTable.provedAt} < excluded.proved_at`,
    })
}
