import { and, asc, eq, inArray, lte, sql } from 'drizzle-orm'
import { index, integer, pgTable, primaryKey, text, unique } from 'drizzle-orm/pg-core'
import type { ErrorCode } from '../core/errors.js'
import { count, instant, oneOf } from '../db/columns.js'
import type { Db, Tx } from '../db/database.js'
import { first, page } from '../db/rows.js'
import { partyTable } from '../escrow/archive/agreement.table.js'
import type { Role } from '../format/agreement.js'
import type { NoticeReport } from '../format/notice.js'

const channels = ['webhook', 'email'] as const
export type NoticeChannel = (typeof channels)[number]
const contactStates = ['active', 'ended'] as const
const deliveryStates = ['due', 'delivered', 'given-up'] as const
export type DeliveryState = (typeof deliveryStates)[number]

/** What each party was told. Made again from the log when the index is rebuilt, as far as it is recent; acknowledgements are not. */
export const noticeTable = pgTable(
  'notice',
  {
    noticeId: text('notice_id').primaryKey(),
    /** The order in which they were made. */
    place: count('place').notNull().generatedAlwaysAsIdentity(),
    agreementId: text('agreement_id').notNull(),
    party: text('party').notNull(),
    event: text('event').notNull(),
    subject: text('subject').notNull(),
    report: text('report').$type<NoticeReport>(),
    at: instant('occurred_at').notNull(),
    /** The canonical notice, as it is sent. */
    body: text('body').notNull(),
    acknowledgedAt: instant('acknowledged_at'),
    /** The token that said so. */
    acknowledgedBy: text('acknowledged_by'),
  },
  (t) => [index('notice_party').on(t.agreementId, t.party, t.place)],
)

/** Where a party wants its notices sent. Not rebuilt from the store. */
export const noticeContactTable = pgTable(
  'notice_contact',
  {
    contactId: text('contact_id').primaryKey(),
    agreementId: text('agreement_id').notNull(),
    party: text('party').notNull(),
    channel: text('channel', { enum: channels }).notNull(),
    address: text('address').notNull(),
    state: text('state', { enum: contactStates }).notNull(),
    createdAt: instant('created_at').notNull(),
  },
  (t) => [
    unique('notice_contact_address').on(t.agreementId, t.party, t.channel, t.address),
    oneOf('notice_contact_channel_known', t.channel, channels),
    oneOf('notice_contact_state_known', t.state, contactStates),
  ],
)

/** One notice on its way to one contact. */
export const noticeDeliveryTable = pgTable(
  'notice_delivery',
  {
    noticeId: text('notice_id')
      .notNull()
      .references(() => noticeTable.noticeId),
    contactId: text('contact_id')
      .notNull()
      .references(() => noticeContactTable.contactId),
    state: text('state', { enum: deliveryStates }).notNull(),
    attempts: integer('attempts').notNull(),
    dueAt: instant('due_at').notNull(),
    lastCode: text('last_code').$type<ErrorCode>(),
    endedAt: instant('ended_at'),
  },
  (t) => [
    primaryKey({ columns: [t.noticeId, t.contactId] }),
    index('notice_delivery_due')
      .on(t.dueAt)
      .where(sql`${t.state} = 'due'`),
    oneOf('notice_delivery_state_known', t.state, deliveryStates),
  ],
)

/** How far the log has been announced. One row. */
export const noticeCursorTable = pgTable('notice_cursor', {
  cursor: integer('cursor').primaryKey(),
  nextIndex: count('next_index').notNull(),
})

export type NoticeRow = typeof noticeTable.$inferSelect
export type NoticeContactRow = typeof noticeContactTable.$inferSelect
export type NoticeDeliveryRow = typeof noticeDeliveryTable.$inferSelect
export type NewNotice = Omit<NoticeRow, 'place' | 'acknowledgedAt' | 'acknowledgedBy'>

/** The next leaf of the log to announce; made with 0 when there is none. */
export async function readNoticeCursor(db: Db): Promise<number> {
  await db.insert(noticeCursorTable).values({ cursor: 1, nextIndex: 0 }).onConflictDoNothing()
  return first(await db.select().from(noticeCursorTable).where(eq(noticeCursorTable.cursor, 1)))?.nextIndex ?? 0
}

/** Move on after leaves were announced. @returns false when somebody else did. */
export async function moveNoticeCursor(tx: Tx, from: number, to: number): Promise<boolean> {
  const rule = and(eq(noticeCursorTable.cursor, 1), eq(noticeCursorTable.nextIndex, from))
  const moved = await tx.update(noticeCursorTable).set({ nextIndex: to }).where(rule).returning({ cursor: noticeCursorTable.cursor })
  return moved.length > 0
}

/** The parties of an agreement in certain roles, each once, by name. */
export async function listNoticedParties(db: Db, agreementId: string, roles: readonly Role[]): Promise<readonly string[]> {
  const rows = await db
    .selectDistinct({ party: partyTable.party })
    .from(partyTable)
    .where(and(eq(partyTable.agreementId, agreementId), inArray(partyTable.role, [...roles])))
    .orderBy(asc(partyTable.party))
  return rows.map(({ party }) => party)
}

/** Add notices that are not there yet, and what is to be delivered of them. @returns how many were new. */
export async function insertNotices(tx: Tx, notices: readonly NewNotice[], now: Date): Promise<number> {
  if (notices.length === 0) return 0
  const added = await tx
    .insert(noticeTable)
    .values([...notices])
    .onConflictDoNothing()
    .returning({ noticeId: noticeTable.noticeId })
  if (added.length === 0) return 0
  const ids = added.map(({ noticeId }) => noticeId)
  const due = tx
    .select({
      noticeId: noticeTable.noticeId,
      contactId: noticeContactTable.contactId,
      state: sql<DeliveryState>`'due'`.as('state'),
      attempts: sql<number>`0`.as('attempts'),
      dueAt: sql<Date>`${now.toISOString()}::timestamptz`.as('due_at'),
      lastCode: sql<ErrorCode | null>`null`.as('last_code'),
      endedAt: sql<Date | null>`null::timestamptz`.as('ended_at'),
    })
    .from(noticeTable)
    .innerJoin(
      noticeContactTable,
      and(
        eq(noticeContactTable.agreementId, noticeTable.agreementId),
        eq(noticeContactTable.party, noticeTable.party),
        eq(noticeContactTable.state, 'active'),
      ),
    )
    .where(inArray(noticeTable.noticeId, ids))
  await tx.insert(noticeDeliveryTable).select(due)
  return added.length
}

/** A delivery with what is sent and where. */
export interface DueDelivery {
  readonly noticeId: string
  readonly contactId: string
  readonly attempts: number
  readonly channel: NoticeChannel
  readonly address: string
  readonly body: string
}

/** Take deliveries that are due, oldest first, and look at them again only at `lookAgainAt`. Two who ask at once get different ones. */
export async function takeDueDeliveries(
  tx: Tx,
  asked: { readonly now: Date; readonly lookAgainAt: Date; readonly limit: number },
): Promise<readonly DueDelivery[]> {
  const rows = await tx
    .select({
      noticeId: noticeDeliveryTable.noticeId,
      contactId: noticeDeliveryTable.contactId,
      attempts: noticeDeliveryTable.attempts,
      channel: noticeContactTable.channel,
      address: noticeContactTable.address,
      body: noticeTable.body,
    })
    .from(noticeDeliveryTable)
    .innerJoin(noticeContactTable, eq(noticeContactTable.contactId, noticeDeliveryTable.contactId))
    .innerJoin(noticeTable, eq(noticeTable.noticeId, noticeDeliveryTable.noticeId))
    .where(and(eq(noticeDeliveryTable.state, 'due'), lte(noticeDeliveryTable.dueAt, asked.now)))
    .orderBy(asc(noticeDeliveryTable.dueAt))
    .limit(page(asked.limit))
    .for('update', { of: noticeDeliveryTable, skipLocked: true })
  for (const row of rows) await tx.update(noticeDeliveryTable).set({ dueAt: asked.lookAgainAt }).where(isDelivery(row))
  return rows
}

const isDelivery = (one: Pick<NoticeDeliveryRow, 'noticeId' | 'contactId'>) =>
  and(
    eq(noticeDeliveryTable.noticeId, one.noticeId),
    eq(noticeDeliveryTable.contactId, one.contactId),
    eq(noticeDeliveryTable.state, 'due'),
  )

/** Note what a try to deliver came to; the rest of the row stays. */
export async function recordDelivery(
  db: Db,
  one: Pick<NoticeDeliveryRow, 'noticeId' | 'contactId'>,
  ended: Partial<Pick<NoticeDeliveryRow, 'state' | 'dueAt' | 'lastCode' | 'endedAt'>>,
): Promise<void> {
  await db
    .update(noticeDeliveryTable)
    .set({ ...ended, attempts: sql`${noticeDeliveryTable.attempts} + 1` })
    .where(isDelivery(one))
}

/** How notices are on their way. @param noticeIds - 0 to `rowsMax`. */
export async function listDeliveries(db: Db, noticeIds: readonly string[]): Promise<readonly NoticeDeliveryRow[]> {
  if (noticeIds.length === 0) return []
  return db
    .select()
    .from(noticeDeliveryTable)
    .where(inArray(noticeDeliveryTable.noticeId, [...noticeIds]))
    .orderBy(asc(noticeDeliveryTable.noticeId), asc(noticeDeliveryTable.contactId))
}

/** Add a contact, or take up one of this address again. @returns the row afterwards. */
export async function saveContact(tx: Tx, row: NoticeContactRow): Promise<NoticeContactRow | null> {
  const { agreementId, party, channel, address } = noticeContactTable
  return first(
    await tx
      .insert(noticeContactTable)
      .values(row)
      .onConflictDoUpdate({ target: [agreementId, party, channel, address], set: { state: 'active' } })
      .returning(),
  )
}
