import { and, asc, eq, gte, inArray, isNull, sql } from 'drizzle-orm'
import { index, integer, pgTable, primaryKey, text } from 'drizzle-orm/pg-core'
import { byteString, count, digest, instant, oneOf } from '../../db/columns.js'
import type { Db, Tx } from '../../db/database.js'
import { prepared, type Prepared } from '../../db/prepared.js'
import { first } from '../../db/rows.js'
import { depositTable } from '../archive/deposit.table.js'
import type { SourceKey } from '../archive/lease.table.js'
import { replicaCopyTable } from '../archive/copy.table.js'
import { storedObjectTable, type StoredObjectRow } from '../archive/object.table.js'

const attachmentStates = ['kept', 'waiting'] as const

/**
 * Contents that the store holds as attachments of a source, so that nothing is sealed twice. Not rebuilt from the store: contents are learned
 * again from the inventories, and what waited must be attached again.
 */
export const attachmentTable = pgTable(
  'attachment',
  {
    objectId: count('object_id')
      .primaryKey()
      .references(() => storedObjectTable.objectId),
    agreementId: text('agreement_id').notNull(),
    source: text('source').notNull(),
    /** Of the vault that it is sealed to. */
    epoch: integer('epoch').notNull(),
    /** HMAC of the plaintext's digest: who reads the database cannot ask whether a known file was deposited. */
    contentTag: digest('content_tag').notNull(),
    plainBytes: count('plain_bytes').notNull(),
    /** HMAC of the name of an attached file that waits: a later one of this name takes its place. */
    nameTag: digest('name_tag'),
    /** While it waits: what the inventory will say, sealed to the agent. */
    entry: byteString('entry'),
    /** `waiting`: the next deposit names it. */
    state: text('state', { enum: attachmentStates }).notNull(),
    storedAt: instant('stored_at').notNull(),
  },
  (t) => [
    index('attachment_content').on(t.agreementId, t.source, t.contentTag),
    index('attachment_waiting')
      .on(t.agreementId, t.source)
      .where(sql`${t.state} = 'waiting'`),
    oneOf('attachment_state_known', t.state, attachmentStates),
  ],
)

/** Which attachments the manifest of a deposit names. An object belongs to the first deposit that named it; this has all of them. */
export const depositAttachmentTable = pgTable(
  'deposit_attachment',
  {
    depositId: text('deposit_id')
      .notNull()
      .references(() => depositTable.depositId),
    objectId: count('object_id')
      .notNull()
      .references(() => storedObjectTable.objectId),
  },
  (t) => [primaryKey({ columns: [t.depositId, t.objectId] }), index('deposit_attachment_object').on(t.objectId)],
)

export type AttachmentRow = typeof attachmentTable.$inferSelect
/** An attachment with its object. */
export interface AttachmentObject {
  readonly attachment: AttachmentRow
  readonly object: StoredObjectRow
}

/** Keys and tags of one statement. */
const pageSize = 1000

/** Record an attachment that the store holds; one that is known stays as it is. */
export async function insertAttachment(tx: Tx, row: AttachmentRow): Promise<void> {
  await tx.insert(attachmentTable).values(row).onConflictDoNothing()
}

/** Let an attachment that the store holds wait for the next deposit, also as something else than it was before. */
export async function waitAttachment(
  tx: Tx,
  objectId: number,
  as: { readonly entry: Uint8Array; readonly nameTag: string; readonly storedAt: Date },
): Promise<void> {
  await tx
    .update(attachmentTable)
    .set({ ...as, state: 'waiting' })
    .where(eq(attachmentTable.objectId, objectId))
}

/** Let whatever waits under a name wait no more: another file of that name has come. */
export async function supersedeWaiting(tx: Tx, key: SourceKey, nameTag: string): Promise<void> {
  await tx
    .update(attachmentTable)
    .set({ state: 'kept', entry: null, nameTag: null })
    .where(and(ofSource(key), eq(attachmentTable.state, 'waiting'), eq(attachmentTable.nameTag, nameTag)))
}

/**
 * Attachments with some contents of which a good copy is known that stays locked for a while.
 *
 * @param from.lockedUntil - what may expire before it is passed over.
 */
export async function findAttachments(
  db: Db,
  from: SourceKey & { readonly epoch: number; readonly lockedUntil: Date },
  contentTags: readonly string[],
): Promise<readonly AttachmentObject[]> {
  const found: AttachmentObject[] = []
  const good = db
    .select({ objectId: replicaCopyTable.objectId })
    .from(replicaCopyTable)
    .where(and(eq(replicaCopyTable.state, 'present'), sql`${replicaCopyTable.retainUntil} > ${from.lockedUntil.toISOString()}`))
  for (let at = 0; at < contentTags.length; at += pageSize) {
    const rows = await db
      .select({ attachment: attachmentTable, object: storedObjectTable })
      .from(attachmentTable)
      .innerJoin(storedObjectTable, eq(storedObjectTable.objectId, attachmentTable.objectId))
      .where(
        and(
          ofSource(from),
          eq(attachmentTable.epoch, from.epoch),
          inArray(attachmentTable.contentTag, contentTags.slice(at, at + pageSize)),
          inArray(attachmentTable.objectId, good),
        ),
      )
      .orderBy(asc(attachmentTable.objectId))
    found.push(...rows)
  }
  return found
}

const waiting: Prepared<SourceKey, AttachmentObject> = prepared('waiting_attachments', (db, given) => {
  const ofGiven = and(eq(attachmentTable.agreementId, given('agreementId')), eq(attachmentTable.source, given('source')))
  return db
    .select({ attachment: attachmentTable, object: storedObjectTable })
    .from(attachmentTable)
    .innerJoin(storedObjectTable, eq(storedObjectTable.objectId, attachmentTable.objectId))
    .where(and(ofGiven, eq(attachmentTable.state, 'waiting')))
    .orderBy(asc(attachmentTable.objectId))
})

/** Attached files that no deposit names yet, oldest first. */
export async function listWaiting(db: Db, { agreementId, source }: SourceKey): Promise<readonly AttachmentObject[]> {
  return waiting(db, { agreementId, source })
}

/** Bytes of age files that were stored for an agreement since a moment, whether a deposit names them or not. */
export async function attachmentBytesSince(db: Db, agreementId: string, since: Date): Promise<number> {
  const total = sql<string>`coalesce(sum(${storedObjectTable.sizeBytes}), 0)`
  const found = await db
    .select({ total })
    .from(attachmentTable)
    .innerJoin(storedObjectTable, eq(storedObjectTable.objectId, attachmentTable.objectId))
    .where(and(eq(attachmentTable.agreementId, agreementId), gte(attachmentTable.storedAt, since)))
  return Number(found[0]?.total ?? 0)
}

/** Whether anything is known of a source's attachments. */
export async function knowsAttachments(db: Db, key: SourceKey): Promise<boolean> {
  const rows = await db.select({ objectId: attachmentTable.objectId }).from(attachmentTable).where(ofSource(key)).limit(1)
  return first(rows) !== null
}

/** Give attachments to a deposit whose manifest names them: those that waited wait no more, those that belonged to nobody belong to it. */
export async function settleAttachments(tx: Tx, depositId: string, keys: readonly string[]): Promise<void> {
  await nameAttachments(tx, depositId, keys)
  for (let at = 0; at < keys.length; at += pageSize) {
    const named = tx
      .select({ objectId: storedObjectTable.objectId })
      .from(storedObjectTable)
      .where(inArray(storedObjectTable.key, keys.slice(at, at + pageSize)))
    await tx
      .update(attachmentTable)
      .set({ state: 'kept', entry: null, nameTag: null })
      .where(and(eq(attachmentTable.state, 'waiting'), inArray(attachmentTable.objectId, named)))
    await tx
      .update(storedObjectTable)
      .set({ depositId })
      .where(and(isNull(storedObjectTable.depositId), inArray(storedObjectTable.objectId, named)))
  }
}

/** Record which attachments a deposit names. @param keys - of recorded objects; may be empty. */
export async function nameAttachments(tx: Tx, depositId: string, keys: readonly string[]): Promise<void> {
  for (let at = 0; at < keys.length; at += pageSize) {
    const objects = await tx
      .select({ objectId: storedObjectTable.objectId })
      .from(storedObjectTable)
      .where(inArray(storedObjectTable.key, keys.slice(at, at + pageSize)))
    if (objects.length === 0) continue
    await tx
      .insert(depositAttachmentTable)
      .values(objects.map(({ objectId }) => ({ depositId, objectId })))
      .onConflictDoNothing()
  }
}

/** The attachments that some deposits name, each once, by key. @param depositIds - may be empty. */
export async function listAttachmentsOfDeposits(db: Db, depositIds: readonly string[]): Promise<readonly StoredObjectRow[]> {
  if (depositIds.length === 0) return []
  const named = db
    .select({ objectId: depositAttachmentTable.objectId })
    .from(depositAttachmentTable)
    .where(inArray(depositAttachmentTable.depositId, [...depositIds]))
  return db.select().from(storedObjectTable).where(inArray(storedObjectTable.objectId, named)).orderBy(asc(storedObjectTable.key))
}

const ofSource = ({ agreementId, source }: SourceKey) =>
  and(eq(attachmentTable.agreementId, agreementId), eq(attachmentTable.source, source))
