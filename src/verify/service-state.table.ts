// What operators watch, counted over the whole index. Each is one statement; the largest tables are asked once a minute (`measure-service.ts`).
import { and, asc, eq, gt, isNull, lte, ne, sql } from 'drizzle-orm'
import type { Db } from '../db/database.js'
import { first, page } from '../db/rows.js'
import { replicaCopyTable } from '../escrow/archive/copy.table.js'
import { storedObjectTable } from '../escrow/archive/object.table.js'
import { sourceTable } from '../escrow/archive/source.table.js'
import { logEntryTable, logHeadTable } from '../log/log.table.js'

/** Sources in force, by what is the matter with them; one source may count several times. */
export interface SourceCounts {
  readonly active: number
  /** A due time has come and nothing has met it yet. */
  readonly late: number
  readonly failing: number
  /** The remote did not take the credential when it was tried ahead of time. */
  readonly credentialRefused: number
  /** Pulled, due, and not yet taken by a ticker. */
  readonly waiting: number
  /** Since when the first of these waits; null when none does. */
  readonly waitingSince: Date | null
}

const counted = (rule: ReturnType<typeof sql>) => sql<number>`count(*) filter (where ${rule})`.mapWith(Number)

/** Count the sources in force. */
export async function countSources(db: Db, now: Date): Promise<SourceCounts> {
  const { state, mode, periodAt, lookAt, failures, credentialCode } = sourceTable
  const at = now.toISOString()
  const waits = sql`${mode} = 'pull' and ${lookAt} <= ${at}`
  const [row] = await db
    .select({
      active: sql<number>`count(*)`.mapWith(Number),
      late: counted(sql`${periodAt} <= ${at}`),
      failing: counted(sql`${failures} > 0`),
      credentialRefused: counted(sql`${credentialCode} is not null`),
      waiting: counted(waits),
      waitingSince: sql<Date | null>`min(${lookAt}) filter (where ${waits})`.mapWith(lookAt),
    })
    .from(sourceTable)
    .where(eq(state, 'active'))
  return row ?? { active: 0, late: 0, failing: 0, credentialRefused: 0, waiting: 0, waitingSince: null }
}

/** Sources in force that were fresh longest ago, those that never were first. */
export async function listLeastFresh(
  db: Db,
  limit: number,
): Promise<readonly { readonly agreementId: string; readonly source: string; readonly freshAt: Date | null; readonly startsAt: Date }[]> {
  const { agreementId, source, freshAt, startsAt, state } = sourceTable
  return db
    .select({ agreementId, source, freshAt, startsAt })
    .from(sourceTable)
    .where(eq(state, 'active'))
    .orderBy(sql`${freshAt} asc nulls first`, asc(agreementId), asc(source))
    .limit(page(limit))
}

/** How far the log lags behind what was recorded, and behind its witnesses. */
export interface LogCounts {
  readonly pending: number
  readonly pendingSince: Date | null
  readonly size: number
  /** Entries that the witness quorum has not cosigned. */
  readonly unwitnessed: number
}

/** Measure the log. */
export async function countLog(db: Db): Promise<LogCounts> {
  const { recordedAt, logIndex } = logEntryTable
  const waiting = await db
    .select({
      pending: sql<number>`count(*)`.mapWith(Number),
      pendingSince: sql<Date | null>`min(${recordedAt})`.mapWith(recordedAt),
    })
    .from(logEntryTable)
    .where(isNull(logIndex))
  const head = first(await db.select({ size: logHeadTable.size, witnessed: logHeadTable.witnessedSize }).from(logHeadTable))
  const size = head?.size ?? 0
  const { pending = 0, pendingSince = null } = waiting[0] ?? {}
  return { pending, pendingSince, size, unwitnessed: Math.max(0, size - (head?.witnessed ?? 0)) }
}

/** Copies of one replica in one state. */
export interface CopyCounts {
  readonly replica: string
  readonly state: string
  readonly copies: number
  readonly bytes: number
}

/** Count current copies, published or not; a scan of all of them. */
export async function countCopyBytes(db: Db): Promise<readonly CopyCounts[]> {
  const { replica, state, objectId } = replicaCopyTable
  return db
    .select({
      replica,
      state,
      copies: sql<number>`count(*)`.mapWith(Number),
      bytes: sql<number>`coalesce(sum(${storedObjectTable.sizeBytes}), 0)`.mapWith(Number),
    })
    .from(replicaCopyTable)
    .innerJoin(storedObjectTable, eq(storedObjectTable.objectId, objectId))
    .where(ne(state, 'superseded'))
    .groupBy(replica, state)
    .orderBy(asc(replica), asc(state))
}

/** Copies of a replica that are to be read again by now. @returns a row only for replicas that have some. */
export async function countOverdueChecks(
  db: Db,
  now: Date,
): Promise<readonly { readonly replica: string; readonly overdue: number; readonly since: Date | null }[]> {
  const { replica, state, nextCheckAt } = replicaCopyTable
  return db
    .select({ replica, overdue: sql<number>`count(*)`.mapWith(Number), since: sql<Date | null>`min(${nextCheckAt})`.mapWith(nextCheckAt) })
    .from(replicaCopyTable)
    .where(and(ne(state, 'superseded'), lte(nextCheckAt, now), gt(nextCheckAt, new Date(0))))
    .groupBy(replica)
    .orderBy(asc(replica))
}
