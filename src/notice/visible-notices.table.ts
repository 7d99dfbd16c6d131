// Every question that a viewer may ask about notices and contacts: it speaks for the parties whose keys its token is bound to.
import { and, asc, desc, eq, isNull, lt, sql } from 'drizzle-orm'
import type { Db, Tx } from '../db/database.js'
import { first, page } from '../db/rows.js'
import { partyTable } from '../escrow/archive/agreement.table.js'
import type { Role } from '../format/agreement.js'
import { noticeContactTable, noticeDeliveryTable, noticeTable, type NoticeContactRow, type NoticeRow } from './notice.table.js'

/** Who asks for notices, as its token says. */
export interface NoticeViewer {
  readonly fingerprint: string
  readonly role: Role
}

/** Rows of the agreements and parties that a viewer speaks for: one rule for every question below. */
const isOf = (
  viewer: NoticeViewer,
  agreementId: typeof noticeTable.agreementId | typeof noticeContactTable.agreementId,
  party: typeof noticeTable.party | typeof noticeContactTable.party,
) =>
  sql`exists (select 1 from ${partyTable} where ${partyTable.agreementId} = ${agreementId} and ${partyTable.party} = ${party}
    and ${partyTable.role} = ${viewer.role} and ${partyTable.fingerprint} = ${Buffer.from(viewer.fingerprint, 'hex')})`

/** The party that a viewer is in an agreement; null when it is none there. */
export async function findViewerParty(db: Db, viewer: NoticeViewer, agreementId: string): Promise<string | null> {
  const rule = and(
    eq(partyTable.agreementId, agreementId),
    eq(partyTable.role, viewer.role),
    eq(partyTable.fingerprint, viewer.fingerprint),
  )
  return first(await db.select({ party: partyTable.party }).from(partyTable).where(rule))?.party ?? null
}

/** Notices of a viewer, newest first. @param before - the place that the page before ended with; null for the first page. */
export async function listNotices(
  db: Db,
  viewer: NoticeViewer,
  asked: { readonly before: number | null; readonly open: boolean; readonly limit: number },
): Promise<readonly NoticeRow[]> {
  return db
    .select()
    .from(noticeTable)
    .where(
      and(
        isOf(viewer, noticeTable.agreementId, noticeTable.party),
        asked.before === null ? undefined : lt(noticeTable.place, asked.before),
        asked.open ? isNull(noticeTable.acknowledgedAt) : undefined,
      ),
    )
    .orderBy(desc(noticeTable.place))
    .limit(page(asked.limit))
}

/** Acknowledge a notice of a viewer; the first time counts. @returns the row afterwards; null when the viewer has no such notice. */
export async function acknowledgeNotice(
  tx: Tx,
  viewer: NoticeViewer & { readonly tokenId: string },
  noticeId: string,
  now: Date,
): Promise<NoticeRow | null> {
  const mine = and(eq(noticeTable.noticeId, noticeId), isOf(viewer, noticeTable.agreementId, noticeTable.party))
  const set = { acknowledgedAt: now, acknowledgedBy: viewer.tokenId }
  await tx
    .update(noticeTable)
    .set(set)
    .where(and(mine, isNull(noticeTable.acknowledgedAt)))
  return first(await tx.select().from(noticeTable).where(mine))
}

/** Contacts of a viewer, oldest first. */
export async function listContacts(db: Db, viewer: NoticeViewer, limit: number): Promise<readonly NoticeContactRow[]> {
  return db
    .select()
    .from(noticeContactTable)
    .where(isOf(viewer, noticeContactTable.agreementId, noticeContactTable.party))
    .orderBy(asc(noticeContactTable.createdAt), asc(noticeContactTable.contactId))
    .limit(page(limit))
}

/** Send nothing more to a contact of a viewer; what is under way is given up. @returns null when the viewer has no such contact. */
export async function endContact(tx: Tx, viewer: NoticeViewer, contactId: string, now: Date): Promise<NoticeContactRow | null> {
  const mine = and(eq(noticeContactTable.contactId, contactId), isOf(viewer, noticeContactTable.agreementId, noticeContactTable.party))
  const ended = first(await tx.update(noticeContactTable).set({ state: 'ended' }).where(mine).returning())
  if (ended === null) return null
  const rest = and(eq(noticeDeliveryTable.contactId, contactId), eq(noticeDeliveryTable.state, 'due'))
  await tx.update(noticeDeliveryTable).set({ state: 'given-up', endedAt: now }).where(rest)
  return ended
}
