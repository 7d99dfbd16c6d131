import { and, asc, eq, gt, or, sql } from 'drizzle-orm'
import type { Db, Tx } from '../db/database.js'
import { first, only, page } from '../db/rows.js'
import { shareAcceptanceTable, type ShareAcceptanceRow } from '../escrow/archive/share.table.js'
import {
  agreementTable,
  agreementVersionTable,
  partyTable,
  vaultEpochTable,
  type AgreementVersionRow,
  type EpochState,
  type PartyRow,
} from '../escrow/archive/agreement.table.js'
import {
  depositTable,
  explainFinding,
  findingTable,
  settleExplained,
  type DepositRow,
  type FindingRow,
} from '../escrow/archive/deposit.table.js'
import type { SourceKey } from '../escrow/archive/lease.table.js'
import { replicaCopyTable, replicaTable, type ReplicaCopyRow, type ReplicaRow } from '../escrow/archive/copy.table.js'
import { storedObjectTable, type StoredObjectRow } from '../escrow/archive/object.table.js'
import { attemptTable, type AttemptRow } from '../escrow/basis/attempt.table.js'
import { sourceTable, type SourceRow, type SourceState } from '../escrow/archive/source.table.js'

/** Rows that an event gives; applied in one transaction with the entry itself. */
export type Change = (tx: Tx) => Promise<void>
import type { FindingCode } from '../format/manifest.js'
import { logEntryTable, logHeadTable, type LogHeadRow } from '../log/log.table.js'
import { fixityCheckTable, type FixityCheckRow } from './verify.table.js'

/** Rows of one insert: below the 65,535 parameters that a statement may have. */
const rowsPerInsert = 1000

/** Whether there is nothing in the index that a rebuild would bring back: replicas are known as soon as a process starts. */
export async function isEmptyIndex(db: Db): Promise<boolean> {
  const tables = [agreementTable, logEntryTable, logHeadTable, storedObjectTable]
  for (const table of tables) {
    const { rows } = only(
      await db.select({ rows: sql<number>`count(*)::int` }).from(
        db
          .select({ one: sql`1` })
          .from(table)
          .limit(1)
          .as('some'),
      ),
    )
    if (rows > 0) return false
  }
  return true
}

/** Add entries of the log, with their places. */
export async function restoreEntries(tx: Tx, rows: readonly (typeof logEntryTable.$inferInsert)[]): Promise<void> {
  for (const some of slices(rows)) await tx.insert(logEntryTable).values(some)
}

/** Set the head of the log. */
export async function restoreHead(tx: Tx, row: LogHeadRow): Promise<void> {
  await tx.insert(logHeadTable).values(row)
}

/** Add an agreement. */
export async function restoreAgreement(tx: Tx, row: typeof agreementTable.$inferInsert, version: AgreementVersionRow): Promise<void> {
  await tx.insert(agreementTable).values(row)
  await tx.insert(agreementVersionTable).values(version)
}

/** Add the parties' keys. */
export async function restoreParties(tx: Tx, rows: readonly PartyRow[]): Promise<void> {
  for (const some of slices(rows)) await tx.insert(partyTable).values(some)
}

/** Set the state of an epoch of a vault, adding it where it is new. */
export async function restoreEpoch(
  tx: Tx,
  epoch: { agreementId: string; epoch: number; recipient: string; state: EpochState },
): Promise<void> {
  await tx
    .insert(vaultEpochTable)
    .values(epoch)
    .onConflictDoUpdate({ target: [vaultEpochTable.agreementId, vaultEpochTable.epoch], set: { state: epoch.state } })
}

/** Move an epoch that is there to another state. */
export async function moveRestoredEpoch(
  tx: Tx,
  key: { readonly agreementId: string; readonly epoch: number },
  state: EpochState,
): Promise<void> {
  await tx
    .update(vaultEpochTable)
    .set({ state })
    .where(and(eq(vaultEpochTable.agreementId, key.agreementId), eq(vaultEpochTable.epoch, key.epoch)))
}

/** Add acceptances of shares. */
export async function restoreAcceptances(tx: Tx, rows: readonly ShareAcceptanceRow[]): Promise<void> {
  for (const some of slices(rows)) await tx.insert(shareAcceptanceTable).values(some)
}

/** Add sources, as they are when nothing has happened to them yet. A source that is there already (of an earlier version) stays. */
export async function restoreSources(tx: Tx, rows: readonly (typeof sourceTable.$inferInsert)[]): Promise<void> {
  for (const some of slices(rows)) await tx.insert(sourceTable).values(some).onConflictDoNothing()
}

/** Move all sources of an agreement to a state. @param from - only those that are in this one; null for all. */
export async function moveRestoredSources(tx: Tx, agreementId: string, from: SourceState | null, to: SourceState): Promise<void> {
  const rule = and(eq(sourceTable.agreementId, agreementId), from === null ? undefined : eq(sourceTable.state, from))
  await tx.update(sourceTable).set({ state: to }).where(rule)
}

/** Set what the events of a source say of it. */
export async function restoreFreshness(
  tx: Tx,
  key: { readonly agreementId: string; readonly source: string },
  found: Partial<SourceRow>,
): Promise<void> {
  await tx
    .update(sourceTable)
    .set(found)
    .where(and(eq(sourceTable.agreementId, key.agreementId), eq(sourceTable.source, key.source)))
}

/** Add a deposit with its findings. */
export async function restoreDeposit(
  tx: Tx,
  deposit: DepositRow,
  findings: readonly Pick<FindingRow, 'code' | 'severity' | 'count'>[],
): Promise<void> {
  await tx.insert(depositTable).values(deposit)
  const { depositId } = deposit
  if (findings.length > 0) {
    await tx.insert(findingTable).values(findings.map(({ code, severity, count }) => ({ depositId, code, severity, count })))
  }
}

/** Record a depositor's explanation, and the deposit as explained when nothing blocking is left. */
export async function explainRestored(
  tx: Tx,
  explanation: { readonly depositId: string; readonly codes: readonly FindingCode[]; readonly statementDigest: string; readonly at: Date },
): Promise<void> {
  const { depositId, statementDigest, at } = explanation
  for (const code of explanation.codes) await explainFinding(tx, { depositId, code, statementDigest, at })
  await settleExplained(tx, depositId, at)
}

/** Every source in a fixed order with the number of its next deposit. @param after - the last source of the page before; empty for the first. */
export async function listNextSequences(
  db: Db,
  after: SourceKey,
  limit: number,
): Promise<readonly (SourceKey & { readonly sequence: number })[]> {
  const { agreementId, source } = sourceTable
  const ofSource = and(eq(depositTable.agreementId, agreementId), eq(depositTable.source, source))
  const newest = db
    .select({ newest: sql`max(${depositTable.sequence})` })
    .from(depositTable)
    .where(ofSource)
  return db
    .select({ agreementId, source, sequence: sql<number>`(coalesce((${newest}), 0) + 1)::int` })
    .from(sourceTable)
    .where(or(gt(agreementId, after.agreementId), and(eq(agreementId, after.agreementId), gt(source, after.source))))
    .orderBy(asc(agreementId), asc(source))
    .limit(page(limit))
}

/** Add an attempt whose deposit was stored. */
export async function restoreAttempt(tx: Tx, row: AttemptRow): Promise<void> {
  await tx.insert(attemptTable).values(row)
}

/** Add objects; one that is there already stays as it is. */
export async function restoreObjects(tx: Tx, rows: readonly Omit<StoredObjectRow, 'objectId'>[]): Promise<void> {
  for (const some of slices(rows)) await tx.insert(storedObjectTable).values(some).onConflictDoNothing({ target: storedObjectTable.key })
}

/** All objects in a fixed order. @param after - the last number of the page before; 0 for the first. */
export async function listObjects(db: Db, after: number, limit: number): Promise<readonly StoredObjectRow[]> {
  return db
    .select()
    .from(storedObjectTable)
    .where(gt(storedObjectTable.objectId, after))
    .orderBy(asc(storedObjectTable.objectId))
    .limit(page(limit))
}

/** A copy with the checks that an event tells of. */
export interface RestoredCopy {
  readonly copy: Omit<ReplicaCopyRow, 'copyId'>
  readonly checks: readonly Omit<FixityCheckRow, 'checkId' | 'copyId'>[]
}

/** Add copies of objects and what checks have found of them. */
export async function restoreCopies(tx: Tx, copies: readonly RestoredCopy[]): Promise<void> {
  for (const { copy, checks } of copies.filter((one) => one.checks.length > 0)) {
    const { copyId } = only(await tx.insert(replicaCopyTable).values(copy).returning({ copyId: replicaCopyTable.copyId }))
    await tx.insert(fixityCheckTable).values(checks.map((check) => ({ ...check, copyId })))
  }
  const quiet = copies.filter((one) => one.checks.length === 0).map((one) => one.copy)
  for (const some of slices(quiet)) await tx.insert(replicaCopyTable).values(some)
}

/** What an event says of a replica. One that the configuration names keeps its state; another one is retired. */
export async function restoreReplica(tx: Tx, row: Omit<ReplicaRow, 'state'>): Promise<void> {
  await tx
    .insert(replicaTable)
    .values({ ...row, state: 'retired' })
    .onConflictDoUpdate({ target: replicaTable.replica, set: { addedAt: row.addedAt } })
}

/** End an agreement. */
export async function endRestoredAgreement(tx: Tx, agreementId: string, endedAt: Date): Promise<void> {
  await tx.update(agreementTable).set({ state: 'ended', endedAt }).where(eq(agreementTable.agreementId, agreementId))
}

/** Arm an agreement. Armed again, with shares dealt anew, it keeps its first date. */
export async function armRestoredAgreement(tx: Tx, agreementId: string, armedAt: Date): Promise<void> {
  const since = sql`coalesce(${agreementTable.armedAt}, ${armedAt.toISOString()}::timestamptz)`
  await tx.update(agreementTable).set({ state: 'armed', armedAt: since }).where(eq(agreementTable.agreementId, agreementId))
}

/** How many rows the index has of what people count. */
export async function countIndex(
  db: Db,
): Promise<{ agreements: number; sources: number; deposits: number; objects: number; copies: number; entries: number }> {
  const rows = async (table: Parameters<ReturnType<Db['select']>['from']>[0]) =>
    first(await db.select({ rows: sql<number>`count(*)::int` }).from(table))?.rows ?? 0
  return {
    agreements: await rows(agreementTable),
    sources: await rows(sourceTable),
    deposits: await rows(depositTable),
    objects: await rows(storedObjectTable),
    copies: await rows(replicaCopyTable),
    entries: await rows(logEntryTable),
  }
}

function slices<T>(rows: readonly T[]): T[][] {
  return Array.from({ length: Math.ceil(rows.length / rowsPerInsert) }, (_, at) => rows.slice(at * rowsPerInsert, (at + 1) * rowsPerInsert))
}
