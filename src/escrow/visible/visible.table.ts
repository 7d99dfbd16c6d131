/**
 * What a viewer may see, as rules of the queries themselves: every function here takes the viewer, and gives rows only of agreements that pin
 * the viewer's key in the viewer's role in the version in force. Controllers and the use cases behind them read nothing else
 * (`test/architecture.test.ts`). What is not visible is not there: an answer does not tell one from the other.
 * What is asked for most is in `visible-prepared.table.ts`.
 */
import { and, asc, eq, exists, gt, inArray, ne, type SQL, type SQLWrapper } from 'drizzle-orm'
import type { AnyPgColumn } from 'drizzle-orm/pg-core'
import type { Db } from '../../db/database.js'
import { first, page } from '../../db/rows.js'
import type { Role } from '../../format/agreement.js'
import type { Viewer } from '../../http/viewer.js'
import { logEntryTable, type LogEntryRow } from '../../log/log.table.js'
import {
  agreementTable,
  agreementVersionTable,
  partyTable,
  type AgreementRow,
  type AgreementVersionRow,
} from '../archive/agreement.table.js'
import { depositTable, findingTable, type FindingRow } from '../archive/deposit.table.js'
import { replicaCopyTable, type ReplicaCopyRow } from '../archive/copy.table.js'
import { storedObjectTable, type StoredObjectRow } from '../archive/object.table.js'

/** The rule: an agreement of this id pins the viewer's key in its role. */
export function pinsViewer(db: Db, viewer: Pinned, agreementId: AnyPgColumn): SQL {
  const pinned = and(
    eq(partyTable.agreementId, agreementId),
    eq(partyTable.fingerprint, viewer.fingerprint),
    eq(partyTable.role, viewer.role),
  )
  return exists(db.select({ party: partyTable.party }).from(partyTable).where(pinned))
}

/** What the rule compares: a viewer's key and role, or the places where a prepared statement gets them when it is run. */
interface Pinned {
  readonly fingerprint: string | SQLWrapper
  readonly role: Role | SQLWrapper
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
