import { and, asc, desc, eq, inArray, isNull, lte, max } from 'drizzle-orm'
import { index, jsonb, pgTable, text } from 'drizzle-orm/pg-core'
import { EscrowError } from '../../core/errors.js'
import { digest, instant } from '../../db/columns.js'
import type { Db, Tx } from '../../db/database.js'
import { first, page } from '../../db/rows.js'
import { agreementTable } from '../../escrow/archive/agreement.table.js'
import type { ApprovalDrillReport, RestoreDrillReport } from './drill.js'

/** Rehearsals under way and over. What they rest on, summons and answers, are signed documents in the store. */
export const drillTable = pgTable(
  'drill',
  {
    /** Digest of the summons. */
    drillDigest: digest('drill_digest').primaryKey(),
    agreementId: text('agreement_id')
      .notNull()
      .references(() => agreementTable.agreementId),
    agreementDigest: digest('agreement_digest').notNull(),
    kind: text('kind').$type<'approval' | 'restore'>().notNull(),
    summonsKey: text('summons_key').notNull(),
    startedAt: instant('started_at').notNull(),
    endsAt: instant('ends_at').notNull(),
    /** Null while it is under way. */
    outcome: text('outcome').$type<'pass' | 'fail' | 'error'>(),
    report: jsonb('report').$type<ApprovalDrillReport | RestoreDrillReport>(),
    closedAt: instant('closed_at'),
  },
  (t) => [index('drill_agreement').on(t.agreementId, t.kind), index('drill_end').on(t.endsAt)],
)

export type DrillRow = typeof drillTable.$inferSelect

/** Add a drill. @throws EscrowError `DATABASE_CONFLICT` when it is known. */
export async function insertDrill(tx: Tx, row: Omit<DrillRow, 'outcome' | 'report' | 'closedAt'>): Promise<void> {
  await tx.insert(drillTable).values(row)
}

/** One drill, or null. */
export async function findDrill(db: Db, drillDigest: string): Promise<DrillRow | null> {
  return first(await db.select().from(drillTable).where(eq(drillTable.drillDigest, drillDigest)))
}

/** The drill that one of these digests names, or null. @param drillDigests - at most `coversMax`; may be empty. */
export async function findDrillAmong(db: Db, drillDigests: readonly string[]): Promise<DrillRow | null> {
  if (drillDigests.length === 0) return null
  const rule = inArray(drillTable.drillDigest, [...drillDigests])
  return first(await db.select().from(drillTable).where(rule).orderBy(asc(drillTable.drillDigest)).limit(1))
}

/** Drills of one agreement, or of all with null; the newest first. */
export async function listDrills(db: Db, agreementId: string | null, limit: number): Promise<readonly DrillRow[]> {
  return db
    .select()
    .from(drillTable)
    .where(agreementId === null ? undefined : eq(drillTable.agreementId, agreementId))
    .orderBy(desc(drillTable.startedAt), asc(drillTable.drillDigest))
    .limit(page(limit))
}

/** Drills under way whose time is over, by their end. */
export async function listEndedDrills(db: Db, now: Date, limit: number): Promise<readonly DrillRow[]> {
  return db
    .select()
    .from(drillTable)
    .where(and(isOpen, lte(drillTable.endsAt, now)))
    .orderBy(asc(drillTable.endsAt), asc(drillTable.drillDigest))
    .limit(page(limit))
}

/** Close a drill with what it came to. @throws EscrowError `DATABASE_CONFLICT` when somebody else has closed it */
export async function closeDrill(tx: Tx, drillDigest: string, closing: Pick<DrillRow, 'outcome' | 'report' | 'closedAt'>): Promise<void> {
  const closed = await tx
    .update(drillTable)
    .set(closing)
    .where(and(eq(drillTable.drillDigest, drillDigest), isOpen))
    .returning({ drillDigest: drillTable.drillDigest })
  if (closed.length === 0) throw new EscrowError('DATABASE_CONFLICT', `somebody else has closed drill ${drillDigest}`)
}

/** When drills of each kind last passed; a kind that never did is not among them. */
export async function listLastPasses(db: Db, agreementId: string): Promise<readonly { kind: DrillRow['kind']; passedAt: Date | null }[]> {
  return db
    .select({ kind: drillTable.kind, passedAt: max(drillTable.closedAt) })
    .from(drillTable)
    .where(and(eq(drillTable.agreementId, agreementId), eq(drillTable.outcome, 'pass')))
    .groupBy(drillTable.kind)
}

const isOpen = isNull(drillTable.closedAt)
