import { and, asc, eq, gt, or, sql } from 'drizzle-orm'
import type { Db } from '../../db/database.js'
import { first, page } from '../../db/rows.js'
import { partyTable } from '../../escrow/archive/agreement.table.js'
import { pinsViewer } from '../../escrow/visible/visible.table.js'
import type { Viewer } from '../../http/viewer.js'
import { custodyAlarmTable, silenceWatchTable, type AlarmRow, type SilenceRow } from '../custody/custody.table.js'
import { releaseGrantTable, type GrantRow } from '../grant/grant.table.js'
import { releaseRequestTable, shutdownOrderTable, type OrderRow, type RequestRow } from '../release.table.js'

/** Requests by id. @param asked.after - the last id of the page before; '' for the first. */
export async function listRequestsOf(
  db: Db,
  viewer: Viewer,
  asked: { readonly after: string; readonly limit: number },
): Promise<readonly RequestRow[]> {
  return db
    .select()
    .from(releaseRequestTable)
    .where(and(pinsViewer(db, viewer, releaseRequestTable.agreementId), gt(releaseRequestTable.requestId, asked.after)))
    .orderBy(asc(releaseRequestTable.requestId))
    .limit(page(asked.limit))
}

/** One request, or null. */
export async function findRequestOf(db: Db, viewer: Viewer, requestId: string): Promise<RequestRow | null> {
  const rule = and(eq(releaseRequestTable.requestId, requestId), pinsViewer(db, viewer, releaseRequestTable.agreementId))
  return first(await db.select().from(releaseRequestTable).where(rule))
}

/**
 * Orders by digest and agreement.
 *
 * @param asked.after - the last digest and agreement of the page before; null for the first.
 */
export async function listOrdersOf(
  db: Db,
  viewer: Viewer,
  asked: { readonly after: { readonly orderDigest: string; readonly agreementId: string } | null; readonly limit: number },
): Promise<readonly OrderRow[]> {
  const { after } = asked
  const later =
    after === null
      ? undefined
      : or(
          gt(shutdownOrderTable.orderDigest, after.orderDigest),
          and(eq(shutdownOrderTable.orderDigest, after.orderDigest), gt(shutdownOrderTable.agreementId, after.agreementId)),
        )
  return db
    .select()
    .from(shutdownOrderTable)
    .where(and(later, pinsViewer(db, viewer, shutdownOrderTable.agreementId)))
    .orderBy(asc(shutdownOrderTable.orderDigest), asc(shutdownOrderTable.agreementId))
    .limit(page(asked.limit))
}

/** An order in one agreement, or null. */
export async function findOrderOf(db: Db, viewer: Viewer, orderDigest: string, agreementId: string): Promise<OrderRow | null> {
  const rule = and(eq(shutdownOrderTable.orderDigest, orderDigest), eq(shutdownOrderTable.agreementId, agreementId))
  return first(
    await db
      .select()
      .from(shutdownOrderTable)
      .where(and(rule, pinsViewer(db, viewer, shutdownOrderTable.agreementId))),
  )
}

/** The grants that were given to the viewer itself, by request. @param asked.after - the last request of the page before; '' for the first. */
export async function listOwnGrants(
  db: Db,
  viewer: Viewer,
  asked: { readonly after: string; readonly limit: number },
): Promise<readonly GrantRow[]> {
  const own = and(
    eq(partyTable.agreementId, releaseRequestTable.agreementId),
    eq(partyTable.party, releaseGrantTable.beneficiary),
    eq(partyTable.fingerprint, viewer.fingerprint),
    eq(partyTable.role, viewer.role),
  )
  const rows = await db
    .select({ grant: releaseGrantTable })
    .from(releaseGrantTable)
    .innerJoin(releaseRequestTable, eq(releaseRequestTable.requestId, releaseGrantTable.requestId))
    .where(
      and(gt(releaseGrantTable.requestId, asked.after), sql`exists ${db.select({ party: partyTable.party }).from(partyTable).where(own)}`),
    )
    .orderBy(asc(releaseGrantTable.requestId), asc(releaseGrantTable.beneficiary))
    .limit(page(asked.limit))
  return rows.map((row) => row.grant)
}

/** Agreements of which the depositor was told that it is silent, or a request is proposed, by id. */
export async function listSilencesOf(db: Db, viewer: Viewer, limit: number): Promise<readonly SilenceRow[]> {
  return db
    .select()
    .from(silenceWatchTable)
    .where(and(sql`${silenceWatchTable.watch} ->> 'name' <> 'present'`, pinsViewer(db, viewer, silenceWatchTable.agreementId)))
    .orderBy(asc(silenceWatchTable.agreementId))
    .limit(page(limit))
}

/** Alarms of custody, by agreement. */
export async function listAlarmsOf(db: Db, viewer: Viewer, limit: number): Promise<readonly AlarmRow[]> {
  return db
    .select()
    .from(custodyAlarmTable)
    .where(pinsViewer(db, viewer, custodyAlarmTable.agreementId))
    .orderBy(asc(custodyAlarmTable.agreementId), asc(custodyAlarmTable.alarm), asc(custodyAlarmTable.about))
    .limit(page(limit))
}
