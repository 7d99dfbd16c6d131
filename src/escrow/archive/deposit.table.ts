import { and, asc, desc, eq, gt, gte, inArray, isNull, lt, lte, or, sql } from 'drizzle-orm'
import { boolean, foreignKey, index, integer, pgTable, primaryKey, text, uniqueIndex } from 'drizzle-orm/pg-core'
import { EscrowError } from '../../core/errors.js'
import { count, digest, instant } from '../../db/columns.js'
import type { Db, Tx } from '../../db/database.js'
import { prepared, type Prepared } from '../../db/prepared.js'
import { first, page } from '../../db/rows.js'
import type { DepositKind, FindingCode, Outcome, Severity } from '../../format/manifest.js'
import type { HeldLease, SourceKey } from './lease.table.js'
import { sourceTable } from './source.table.js'

/** Accepted deliveries. A row exists exactly when its event is a leaf of the log, or pending to become one. */
export const depositTable = pgTable(
  'deposit',
  {
    /** `depositIdOf(manifest digest)`, so that a rebuilt index gives the same. */
    depositId: text('deposit_id').primaryKey(),
    agreementId: text('agreement_id').notNull(),
    source: text('source').notNull(),
    sequence: count('sequence').notNull(),
    kind: text('kind').$type<DepositKind>().notNull(),
    baseSequence: count('base_sequence').notNull(),
    epoch: integer('epoch').notNull(),
    /** SHA-256 of the agreement that the manifest names. */
    agreementDigest: digest('agreement_digest').notNull(),
    manifestDigest: digest('manifest_digest').notNull(),
    previousDigest: digest('previous_digest'),
    refsDigest: digest('refs_digest').notNull(),
    refCount: count('ref_count').notNull(),
    bundleDigest: digest('bundle_digest').notNull(),
    bundleBytes: count('bundle_bytes').notNull(),
    takenAt: instant('taken_at').notNull(),
    outcome: text('outcome').$type<Outcome>().notNull(),
    /** It has a finding that the depositor must explain before `open` takes it by default. */
    blocking: boolean('blocking').notNull(),
    /** When the last of its blocking findings was explained. */
    explainedAt: instant('explained_at'),
    /** The Merkle leaf of its event, also the name of its event object. */
    leafHash: digest('leaf_hash').notNull(),
    receiptDigest: digest('receipt_digest'),
  },
  (t) => [
    foreignKey({ columns: [t.agreementId, t.source], foreignColumns: [sourceTable.agreementId, sourceTable.source] }),
    uniqueIndex('deposit_sequence').on(t.agreementId, t.source, t.sequence),
    uniqueIndex('deposit_manifest').on(t.manifestDigest),
    uniqueIndex('deposit_leaf').on(t.leafHash),
    index('deposit_unreceipted')
      .on(t.takenAt)
      .where(sql`${t.receiptDigest} is null`),
  ],
)

/** What was noticed about a deposit, counted; in full it is in the sealed inventory. */
export const findingTable = pgTable(
  'finding',
  {
    depositId: text('deposit_id')
      .notNull()
      .references(() => depositTable.depositId),
    code: text('code').$type<FindingCode>().notNull(),
    severity: text('severity').$type<Severity>().notNull(),
    count: count('count').notNull(),
    /** SHA-256 of the depositor's signed explanation. */
    explanationDigest: digest('explanation_digest'),
    explainedAt: instant('explained_at'),
  },
  (t) => [primaryKey({ columns: [t.depositId, t.code, t.severity] })],
)

export type DepositRow = typeof depositTable.$inferSelect
export type FindingRow = typeof findingTable.$inferSelect
/** What a new deposit says of itself; its place comes from the lease. */
export type NewDeposit = Omit<DepositRow, 'agreementId' | 'source' | 'explainedAt' | 'receiptDigest'>

const ofSource = (key: SourceKey) => and(eq(depositTable.agreementId, key.agreementId), eq(depositTable.source, key.source))

/**
 * Add a deposit; together with its pending log entry in one transaction.
 *
 * @throws EscrowError `DATABASE_CONFLICT` when the source has one of this sequence, or its manifest or leaf is known.
 */
export async function insertDeposit(tx: Tx, held: HeldLease, deposit: NewDeposit): Promise<void> {
  await tx.insert(depositTable).values({ ...deposit, agreementId: held.agreementId, source: held.source })
}

/** Add the findings of a deposit. @param findings - may be empty. */
export async function insertFindings(
  tx: Tx,
  depositId: string,
  findings: readonly Pick<FindingRow, 'code' | 'severity' | 'count'>[],
): Promise<void> {
  if (findings.length === 0) return
  await tx.insert(findingTable).values(findings.map(({ code, severity, count: times }) => ({ depositId, code, severity, count: times })))
}

/** One deposit by its number, or null. */
export async function findDeposit(db: Db, key: SourceKey, sequence: number): Promise<DepositRow | null> {
  const rule = and(ofSource(key), eq(depositTable.sequence, sequence))
  return first(await db.select().from(depositTable).where(rule))
}

/** One deposit by its id, or null. */
export async function findDepositById(db: Db, depositId: string): Promise<DepositRow | null> {
  return first(await db.select().from(depositTable).where(eq(depositTable.depositId, depositId)))
}

const latestDeposit: Prepared<SourceKey, DepositRow> = prepared('latest_deposit', (db, given) =>
  db
    .select()
    .from(depositTable)
    .where(and(eq(depositTable.agreementId, given('agreementId')), eq(depositTable.source, given('source'))))
    .orderBy(desc(depositTable.sequence))
    .limit(1),
)

/** The newest deposit of a source, or null. */
export async function findLatestDeposit(db: Db, { agreementId, source }: SourceKey): Promise<DepositRow | null> {
  return first(await latestDeposit(db, { agreementId, source }))
}

/** Bytes of the bundles that an agreement has deposited since a moment; 0 for none. */
export async function bundleBytesSince(db: Db, agreementId: string, since: Date): Promise<number> {
  const total = sql<string>`coalesce(sum(${depositTable.bundleBytes}), 0)`
  const found = await db
    .select({ total })
    .from(depositTable)
    .where(and(eq(depositTable.agreementId, agreementId), gte(depositTable.takenAt, since)))
  return Number(found[0]?.total ?? 0)
}

/** The newest deposit without a blocking finding that nobody has explained, or null: what `open` takes by default. */
export async function findLatestOpenable(db: Db, key: SourceKey): Promise<DepositRow | null> {
  const rule = and(ofSource(key), or(eq(depositTable.blocking, false), sql`${depositTable.explainedAt} is not null`))
  return first(await db.select().from(depositTable).where(rule).orderBy(desc(depositTable.sequence)).limit(1))
}

/** As `findLatestOpenable`, of several sources and one epoch: what the shares of that epoch open, by source. @param sources - may be empty. */
export async function listLatestOpenableOf(
  db: Db,
  agreementId: string,
  sources: readonly string[],
  epoch: number,
): Promise<readonly DepositRow[]> {
  if (sources.length === 0) return []
  const open = or(eq(depositTable.blocking, false), sql`${depositTable.explainedAt} is not null`)
  const wanted = and(eq(depositTable.agreementId, agreementId), inArray(depositTable.source, [...sources]))
  return db
    .selectDistinctOn([depositTable.source])
    .from(depositTable)
    .where(and(wanted, eq(depositTable.epoch, epoch), open))
    .orderBy(asc(depositTable.source), desc(depositTable.sequence))
}

/**
 * What is needed to restore a deposit: its full base and the incrementals between them, in order.
 *
 * @param upTo - sequence of the deposit; a chain is at most `chainLengthMax` + 1 long.
 * @returns empty when there is no such deposit.
 */
export async function listChain(db: Db, key: SourceKey, upTo: number): Promise<readonly DepositRow[]> {
  const base = db
    .select({ sequence: depositTable.baseSequence })
    .from(depositTable)
    .where(and(ofSource(key), eq(depositTable.sequence, upTo)))
  return db
    .select()
    .from(depositTable)
    .where(and(ofSource(key), gte(depositTable.sequence, base), lte(depositTable.sequence, upTo)))
    .orderBy(asc(depositTable.sequence))
}

/** Deposits of a source, newest first. @param before - the last sequence of the page before; infinity for the first. */
export async function listDeposits(db: Db, key: SourceKey, before: number, limit: number): Promise<readonly DepositRow[]> {
  const rule = Number.isFinite(before) ? and(ofSource(key), lt(depositTable.sequence, before)) : ofSource(key)
  return db.select().from(depositTable).where(rule).orderBy(desc(depositTable.sequence)).limit(page(limit))
}

/** The findings of a deposit, by code; empty when there are none. */
export async function listFindings(db: Db, depositId: string): Promise<readonly FindingRow[]> {
  return db
    .select()
    .from(findingTable)
    .where(eq(findingTable.depositId, depositId))
    .orderBy(asc(findingTable.code), asc(findingTable.severity))
}

/** Which statements explain findings of these deposits. @param depositIds - may be empty. */
export async function listExplanations(
  db: Db,
  depositIds: readonly string[],
): Promise<readonly { readonly depositId: string; readonly digest: string }[]> {
  if (depositIds.length === 0) return []
  const { depositId, explanationDigest } = findingTable
  const rows = await db
    .selectDistinct({ depositId, explanationDigest })
    .from(findingTable)
    .where(inArray(depositId, [...depositIds]))
  return rows.flatMap((row) => (row.explanationDigest === null ? [] : [{ depositId: row.depositId, digest: row.explanationDigest }]))
}

/** Record the depositor's explanation of a finding. @throws EscrowError `NOT_FOUND` when the deposit has no such finding. */
export async function explainFinding(
  tx: Tx,
  explanation: { readonly depositId: string; readonly code: FindingCode; readonly statementDigest: string; readonly at: Date },
): Promise<void> {
  const explained = await tx
    .update(findingTable)
    .set({ explanationDigest: explanation.statementDigest, explainedAt: explanation.at })
    .where(and(eq(findingTable.depositId, explanation.depositId), eq(findingTable.code, explanation.code)))
    .returning({ code: findingTable.code })
  if (explained.length === 0) throw new EscrowError('NOT_FOUND', `deposit ${explanation.depositId} has no finding ${explanation.code}`)
}

/** Mark a deposit as explained if none of its blocking findings is left. @returns whether it is. */
export async function settleExplained(tx: Tx, depositId: string, at: Date): Promise<boolean> {
  const open = tx
    .select({ code: findingTable.code })
    .from(findingTable)
    .where(and(eq(findingTable.depositId, depositId), eq(findingTable.severity, 'blocking'), isNull(findingTable.explainedAt)))
  const settled = await tx
    .update(depositTable)
    .set({ explainedAt: at })
    .where(and(eq(depositTable.depositId, depositId), sql`not exists ${open}`))
    .returning({ depositId: depositTable.depositId })
  return settled.length === 1
}

/** Record that the receipt of a deposit is in the store. */
export async function recordReceipt(tx: Tx, depositId: string, receiptDigest: string): Promise<void> {
  await tx.update(depositTable).set({ receiptDigest }).where(eq(depositTable.depositId, depositId))
}

/** Deposits that have no receipt yet, oldest first. @param after - skip those taken up to this moment; null for all. */
export async function listUnreceipted(db: Db, after: Date | null, limit: number): Promise<readonly DepositRow[]> {
  const rule = and(isNull(depositTable.receiptDigest), after === null ? undefined : gt(depositTable.takenAt, after))
  return db.select().from(depositTable).where(rule).orderBy(asc(depositTable.takenAt)).limit(page(limit))
}
