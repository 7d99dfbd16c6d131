/**
 * What a viewer may see, as rules of the queries themselves: every function here takes the viewer, and gives rows only of agreements that pin
 * the viewer's key in the viewer's role in the version in force. Controllers and the use cases behind them read nothing else
 * (`test/architecture.test.ts`). What is not visible is not there: an answer does not tell one from the other.
 */
import { and, asc, desc, eq, exists, gt, inArray, lt, ne, type SQL } from 'drizzle-orm'
import type { AnyPgColumn } from 'drizzle-orm/pg-core'
import type { Db } from '../db/database.js'
import { first, page } from '../db/rows.js'
import type { Viewer } from '../http/viewer.js'
import { logEntryTable, type LogEntryRow } from '../log/log.table.js'
import { agreementTable, agreementVersionTable, partyTable, type AgreementRow, type AgreementVersionRow } from './agreement.table.js'
import { depositTable, findingTable, type DepositRow, type FindingRow } from './deposit.table.js'
import type { SourceKey } from './lease.table.js'
import { replicaCopyTable, type ReplicaCopyRow } from './copy.table.js'
import { storedObjectTable, type StoredObjectRow } from './object.table.js'
import { sourceTable, type SourceRow } from './source.table.js'

/** The rule: an agreement of this id pins the viewer's key in its role. */
export function pinsViewer(db: Db, viewer: Viewer, agreementId: AnyPgColumn): SQL {
  const pinned = and(
    eq(partyTable.agreementId, agreementId),
    eq(partyTable.fingerprint, viewer.fingerprint),
    eq(partyTable.role, viewer.role),
  )
  return exists(db.select({ party: partyTable.party }).from(partyTable).where(pinned))
}

/** Agreements by id. @param after - the last id of the page before; '' for the first. */
export async function listAgreementsOf(db: Db, viewer: Viewer, after: string, limit: number): Promise<readonly AgreementRow[]> {
  return db
    .select()
    .from(agreementTable)
    .where(and(pinsViewer(db, viewer, agreementTable.agreementId), gt(agreementTable.agreementId, after)))
    .orderBy(asc(agreementTable.agreementId))
    .limit(page(limit))
}

/** One agreement, or null. */
export async function findAgreementOf(db: Db, viewer: Viewer, agreementId: string): Promise<AgreementRow | null> {
  const rule = and(eq(agreementTable.agreementId, agreementId), pinsViewer(db, viewer, agreementTable.agreementId))
  return first(await db.select().from(agreementTable).where(rule))
}

/** Which of some agreements are visible, in no order. @param agreementIds - 1 or more. */
export async function visibleAmong(db: Db, viewer: Viewer, agreementIds: readonly string[]): Promise<ReadonlySet<string>> {
  const rows = await db
    .select({ agreementId: agreementTable.agreementId })
    .from(agreementTable)
    .where(and(inArray(agreementTable.agreementId, [...agreementIds]), pinsViewer(db, viewer, agreementTable.agreementId)))
  return new Set(rows.map((row) => row.agreementId))
}

/** As which party the viewer speaks in an agreement; null when in none. */
export async function findOwnName(db: Db, viewer: Viewer, agreementId: string): Promise<string | null> {
  const own = and(eq(partyTable.agreementId, agreementId), eq(partyTable.fingerprint, viewer.fingerprint), eq(partyTable.role, viewer.role))
  return first(await db.select({ party: partyTable.party }).from(partyTable).where(own))?.party ?? null
}

/** Every version of an agreement, oldest first; empty when it is not visible. */
export async function listVersionsOf(db: Db, viewer: Viewer, agreementId: string): Promise<readonly AgreementVersionRow[]> {
  return db
    .select()
    .from(agreementVersionTable)
    .where(and(eq(agreementVersionTable.agreementId, agreementId), pinsViewer(db, viewer, agreementVersionTable.agreementId)))
    .orderBy(asc(agreementVersionTable.version))
}

/** Which agreement a statement names by the digest of a version; null when it is not visible. */
export async function findVersionOf(db: Db, viewer: Viewer, digestHex: string): Promise<AgreementVersionRow | null> {
  const rule = and(eq(agreementVersionTable.digest, digestHex), pinsViewer(db, viewer, agreementVersionTable.agreementId))
  return first(await db.select().from(agreementVersionTable).where(rule))
}

/** Sources of an agreement by name. @param after - the last name of the page before; '' for the first. */
export async function listSourcesOf(
  db: Db,
  viewer: Viewer,
  asked: { readonly agreementId: string; readonly after: string; readonly limit: number },
): Promise<readonly SourceRow[]> {
  const rule = and(eq(sourceTable.agreementId, asked.agreementId), gt(sourceTable.source, asked.after))
  return db
    .select()
    .from(sourceTable)
    .where(and(rule, pinsViewer(db, viewer, sourceTable.agreementId)))
    .orderBy(asc(sourceTable.source))
    .limit(page(asked.limit))
}

/** One source, or null. */
export async function findSourceOf(db: Db, viewer: Viewer, key: SourceKey): Promise<SourceRow | null> {
  const rule = and(eq(sourceTable.agreementId, key.agreementId), eq(sourceTable.source, key.source))
  return first(
    await db
      .select()
      .from(sourceTable)
      .where(and(rule, pinsViewer(db, viewer, sourceTable.agreementId))),
  )
}

/** Deposits of a source, newest first. @param asked.before - the last sequence of the page before; null for the first. */
export async function listDepositsOf(
  db: Db,
  viewer: Viewer,
  asked: SourceKey & { readonly before: number | null; readonly limit: number },
): Promise<readonly DepositRow[]> {
  const ofSource = and(eq(depositTable.agreementId, asked.agreementId), eq(depositTable.source, asked.source))
  const earlier = asked.before === null ? undefined : lt(depositTable.sequence, asked.before)
  return db
    .select()
    .from(depositTable)
    .where(and(ofSource, earlier, pinsViewer(db, viewer, depositTable.agreementId)))
    .orderBy(desc(depositTable.sequence))
    .limit(page(asked.limit))
}

/** One deposit, or null. */
export async function findDepositOf(db: Db, viewer: Viewer, depositId: string): Promise<DepositRow | null> {
  const rule = and(eq(depositTable.depositId, depositId), pinsViewer(db, viewer, depositTable.agreementId))
  return first(await db.select().from(depositTable).where(rule))
}

/** The findings of a deposit, by code; empty when there are none, or it is not visible. */
export async function listFindingsOf(db: Db, viewer: Viewer, depositId: string): Promise<readonly FindingRow[]> {
  const deposit = and(eq(depositTable.depositId, findingTable.depositId), pinsViewer(db, viewer, depositTable.agreementId))
  const visible = exists(db.select({ depositId: depositTable.depositId }).from(depositTable).where(deposit))
  return db
    .select()
    .from(findingTable)
    .where(and(eq(findingTable.depositId, depositId), visible))
    .orderBy(asc(findingTable.code), asc(findingTable.severity))
}

/** An object of a deposit with one of its current copies. */
export interface CopyOfDeposit {
  readonly object: StoredObjectRow
  readonly copy: ReplicaCopyRow
}

/** The current copies of the objects of a deposit, by key and replica; empty when it is not visible. */
export async function listCopiesOfDeposit(db: Db, viewer: Viewer, depositId: string): Promise<readonly CopyOfDeposit[]> {
  const deposit = and(eq(depositTable.depositId, storedObjectTable.depositId), pinsViewer(db, viewer, depositTable.agreementId))
  const visible = exists(db.select({ depositId: depositTable.depositId }).from(depositTable).where(deposit))
  return db
    .select({ object: storedObjectTable, copy: replicaCopyTable })
    .from(storedObjectTable)
    .innerJoin(replicaCopyTable, and(eq(replicaCopyTable.objectId, storedObjectTable.objectId), ne(replicaCopyTable.state, 'superseded')))
    .where(and(eq(storedObjectTable.depositId, depositId), visible))
    .orderBy(asc(storedObjectTable.key), asc(replicaCopyTable.replica))
}

/** Events of an agreement in the order in which they were recorded. @param asked.after - the last number of the page before; 0 for the first. */
export async function listEventsOf(
  db: Db,
  viewer: Viewer,
  asked: { readonly agreementId: string; readonly after: number; readonly limit: number },
): Promise<readonly LogEntryRow[]> {
  const visible = and(eq(agreementTable.agreementId, logEntryTable.agreementId), pinsViewer(db, viewer, agreementTable.agreementId))
  return db
    .select()
    .from(logEntryTable)
    .where(
      and(
        eq(logEntryTable.agreementId, asked.agreementId),
        gt(logEntryTable.entryId, asked.after),
        exists(db.select({ agreementId: agreementTable.agreementId }).from(agreementTable).where(visible)),
      ),
    )
    .orderBy(asc(logEntryTable.entryId))
    .limit(page(asked.limit))
}

/** The event behind a leaf, or null. */
export async function findEventOf(db: Db, viewer: Viewer, leafHash: string): Promise<LogEntryRow | null> {
  const visible = and(eq(agreementTable.agreementId, logEntryTable.agreementId), pinsViewer(db, viewer, agreementTable.agreementId))
  const rule = exists(db.select({ agreementId: agreementTable.agreementId }).from(agreementTable).where(visible))
  return first(
    await db
      .select()
      .from(logEntryTable)
      .where(and(eq(logEntryTable.leafHash, leafHash), rule)),
  )
}

/** The newest deposit of each of some sources of an agreement, in no order. @param sources - may be empty. */
export async function listLatestOf(
  db: Db,
  viewer: Viewer,
  asked: { readonly agreementId: string; readonly sources: readonly string[] },
): Promise<readonly DepositRow[]> {
  if (asked.sources.length === 0) return []
  const wanted = and(eq(depositTable.agreementId, asked.agreementId), inArray(depositTable.source, [...asked.sources]))
  return db
    .selectDistinctOn([depositTable.source])
    .from(depositTable)
    .where(and(wanted, pinsViewer(db, viewer, depositTable.agreementId)))
    .orderBy(asc(depositTable.source), desc(depositTable.sequence))
}
