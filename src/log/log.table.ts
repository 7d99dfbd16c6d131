import { and, asc, desc, eq, gt, gte, isNull, lt, ne, or, sql } from 'drizzle-orm'
import { index, integer, pgTable, text, unique } from 'drizzle-orm/pg-core'
import { assert } from '../core/errors.js'
import { rowsMax, sequenceBatchMax, tileWidth } from '../core/limits.js'
import { count, digest, instant } from '../db/columns.js'
import type { Db, Tx } from '../db/database.js'
import { prepared, type Prepared } from '../db/prepared.js'
import { first, only, page } from '../db/rows.js'
import { logTurnTable, type TurnWish } from './log-turn.table.js'

/** The rule that two events of one tag never have the same number; `EventLog` takes the next one when it is broken. */
export const tagNumberRule = 'log_entry_tag_number'

/** Every event that was recorded: first pending, then with its place in the log. An index of `events/` and of the tiles. */
export const logEntryTable = pgTable(
  'log_entry',
  {
    entryId: count('entry_id').primaryKey().generatedAlwaysAsIdentity(),
    leafHash: digest('leaf_hash').notNull().unique('log_entry_leaf_hash'),
    tag: digest('tag').notNull(),
    tagNumber: count('tag_number').notNull(),
    /** The salted digest that the leaf carries. */
    eventDigest: digest('event_digest').notNull(),
    agreementId: text('agreement_id').notNull(),
    subject: text('subject').notNull(),
    eventType: text('event_type').notNull(),
    recordedAt: instant('recorded_at').notNull(),
    /** Position in the log; null while pending. Once given it never changes: what is signed rests on it. */
    logIndex: count('log_index').unique('log_entry_log_index'),
  },
  (t) => [
    unique(tagNumberRule).on(t.tag, t.tagNumber),
    index('log_entry_pending')
      .on(t.entryId)
      .where(sql`${t.logIndex} is null`),
  ],
)

export type LogEntryRow = typeof logEntryTable.$inferSelect

/** Who may sequence, and how far the log is. One row. */
export const logHeadTable = pgTable('log_head', {
  head: integer('head').primaryKey(),
  origin: text('origin').notNull(),
  /** Leaves that have a position; from `size` on they are not in a checkpoint yet. */
  assignedSize: count('assigned_size').notNull(),
  size: count('size').notNull(),
  root: digest('root').notNull(),
  /** The newest checkpoint with the cosignatures it has got; null before the first. */
  checkpoint: text('checkpoint'),
  checkpointAt: instant('checkpoint_at'),
  /** The newest checkpoint that the witness quorum has cosigned. */
  witnessedSize: count('witnessed_size').notNull(),
  witnessedCheckpoint: text('witnessed_checkpoint'),
  holder: text('holder'),
  fencingToken: count('fencing_token').notNull(),
  leaseExpiresAt: instant('lease_expires_at'),
})

export type LogHeadRow = typeof logHeadTable.$inferSelect

const theHead = eq(logHeadTable.head, 1)

/** The last event of a chain. */
export interface ChainEnd {
  readonly tag: string
  readonly tagNumber: number
  readonly leafHash: string
}

interface FoundEnd extends Pick<ChainEnd, 'tag'> {
  readonly last: Omit<ChainEnd, 'tag'> | null
  readonly elsewhere: boolean
}

/** One step in the index for each tag, however long its chain is. */
const chainEnds: Prepared<TurnWish, FoundEnd> = prepared('chain_ends', (db, given) => {
  const wanted = sql`decode(wanted.hex, 'hex')`
  const { tag, tagNumber, leafHash } = logEntryTable
  const last = db.select({ tagNumber, leafHash }).from(logEntryTable).where(eq(tag, wanted)).orderBy(desc(tagNumber)).limit(1).as('last')
  const { holder, expiresAt } = logTurnTable
  const others = db
    .select({ holder })
    .from(logTurnTable)
    .where(and(eq(logTurnTable.tag, wanted), ne(holder, given('holder')), gt(expiresAt, given('now', expiresAt))))
  return db
    .select({
      tag: sql<string>`wanted.hex`,
      last: { tagNumber: last.tagNumber, leafHash: last.leafHash },
      elsewhere: sql<boolean>`exists ${others}`,
    })
    .from(sql`unnest(${given('tags')}::text[]) as wanted(hex)`)
    .leftJoinLateral(last, sql`true`)
})

/**
 * The last recorded event of each tag, in no order; tags without events have none.
 *
 * @returns null when somebody else has the turn on one of the tags.
 */
export async function findChainEnds(db: Db, wish: TurnWish): Promise<readonly ChainEnd[] | null> {
  const { tags, holder, now } = wish
  assert(tags.length > 0 && tags.length <= sequenceBatchMax, `expected 1 to ${sequenceBatchMax} tags`)
  const found = await chainEnds(db, { tags, holder, now })
  if (found.some(({ elsewhere }) => elsewhere)) return null
  return found.flatMap(({ tag, last }) => (last === null ? [] : [{ tag, ...last }]))
}

const entryAdded: Prepared<typeof logEntryTable.$inferInsert, Pick<LogEntryRow, 'entryId'>> = prepared('entry_added', (db, given) => {
  const { entryId } = logEntryTable
  return db
    .insert(logEntryTable)
    .values({
      leafHash: given('leafHash'),
      tag: given('tag'),
      tagNumber: given('tagNumber'),
      eventDigest: given('eventDigest'),
      agreementId: given('agreementId'),
      subject: given('subject'),
      eventType: given('eventType'),
      recordedAt: given('recordedAt'),
    })
    .returning({ entryId })
})

/** Add pending entries. @throws EscrowError `DATABASE_CONFLICT` naming `tagNumberRule` when somebody was quicker with a number. */
export async function insertEntries(tx: Tx, rows: readonly (typeof logEntryTable.$inferInsert)[]): Promise<void> {
  assert(rows.length > 0 && rows.length <= sequenceBatchMax, `expected 1 to ${sequenceBatchMax} entries`)
  const [row] = rows
  if (row !== undefined && rows.length === 1) await entryAdded(tx, row)
  else await tx.insert(logEntryTable).values([...rows])
}

/** The entry with this leaf hash (hex), or null. */
export async function findEntry(db: Db, leafHash: string): Promise<LogEntryRow | null> {
  return first(await db.select().from(logEntryTable).where(eq(logEntryTable.leafHash, leafHash)))
}

/** Entries of one tag in their order. @param after - the last number of the page before; 0 for the first. */
export async function listChain(db: Db, tag: string, after: number, limit: number): Promise<readonly LogEntryRow[]> {
  return db
    .select()
    .from(logEntryTable)
    .where(and(eq(logEntryTable.tag, tag), gt(logEntryTable.tagNumber, after)))
    .orderBy(asc(logEntryTable.tagNumber))
    .limit(page(limit))
}

/** Entries by their place in the log, from `from` up to, but without, `to`. */
export async function listLeaves(db: Db, from: number, to: number): Promise<readonly LogEntryRow[]> {
  assert(to - from <= sequenceBatchMax + tileWidth, 'a batch and the tile it begins in')
  return db
    .select()
    .from(logEntryTable)
    .where(and(gte(logEntryTable.logIndex, from), lt(logEntryTable.logIndex, to)))
    .orderBy(asc(logEntryTable.logIndex))
}

/** How many entries wait for a place, up to `rowsMax`. */
export async function countPending(db: Db): Promise<number> {
  const some = db.select({ entryId: logEntryTable.entryId }).from(logEntryTable).where(isNull(logEntryTable.logIndex)).limit(rowsMax)
  return only(await db.select({ pending: sql<number>`count(*)::int` }).from(some.as('some'))).pending
}

/** The head, made if it is not there. @param emptyRoot - the root of the empty tree, in hex. */
export async function openHead(db: Db, origin: string, emptyRoot: string): Promise<LogHeadRow> {
  const row = { head: 1, origin, assignedSize: 0, size: 0, root: emptyRoot, witnessedSize: 0, fencingToken: 0 }
  await db.insert(logHeadTable).values(row).onConflictDoNothing()
  return only(await db.select().from(logHeadTable).where(theHead))
}

/** The head, which `openHead` has made. */
export async function readHead(db: Db): Promise<LogHeadRow> {
  return only(await db.select().from(logHeadTable).where(theHead))
}

/** The head, or null before the first entry was sequenced. */
export async function findHead(db: Db): Promise<LogHeadRow | null> {
  return first(await db.select().from(logHeadTable).where(theHead))
}

/** Who wants to sequence. */
export interface HeadLeaseWish {
  readonly holder: string
  readonly leaseMs: number
  /** The token of a lease that the same holder had and could not give back; null if none. */
  readonly lastToken: number | null
  /** No other process can reach the database, and this one has not sequenced yet: a lease found here belongs to one that has died. */
  readonly alone: boolean
}

/**
 * Take the right to sequence until it expires by the database's clock.
 *
 * @returns the fencing token; null when somebody else has the lease.
 */
export async function takeHeadLease(db: Db, wish: HeadLeaseWish): Promise<number | null> {
  const own = wish.lastToken === null ? sql`false` : eq(logHeadTable.fencingToken, wish.lastToken)
  const lapsed = or(isNull(logHeadTable.leaseExpiresAt), lt(logHeadTable.leaseExpiresAt, sql`now()`))
  const taken = await db
    .update(logHeadTable)
    .set({ holder: wish.holder, fencingToken: sql`${logHeadTable.fencingToken} + 1`, leaseExpiresAt: fromNow(wish.leaseMs) })
    .where(wish.alone ? theHead : and(theHead, or(lapsed, own)))
    .returning({ fencingToken: logHeadTable.fencingToken })
  return first(taken)?.fencingToken ?? null
}

/** Lengthen the lease. @returns false when somebody else has taken it. */
export async function renewHeadLease(db: Db, fencingToken: number, leaseMs: number): Promise<boolean> {
  const mine = and(theHead, eq(logHeadTable.fencingToken, fencingToken))
  const renewed = await db
    .update(logHeadTable)
    .set({ leaseExpiresAt: fromNow(leaseMs) })
    .where(mine)
    .returning({ head: logHeadTable.head })
  return renewed.length > 0
}

/** Give the lease back; does nothing when somebody else has taken it. */
export async function endHeadLease(db: Db, fencingToken: number): Promise<void> {
  await db
    .update(logHeadTable)
    .set({ holder: null, leaseExpiresAt: null })
    .where(and(theHead, eq(logHeadTable.fencingToken, fencingToken)))
}

/**
 * Give the oldest pending entries their places, in the order in which they were recorded. From here on the log's content is fixed: tiles
 * and checkpoints are computed from it, by whomever and however often.
 *
 * @param limit - 1 to `sequenceBatchMax`.
 * @returns leaves that have a place now.
 */
export async function assignPlaces(tx: Tx, fencingToken: number, limit: number): Promise<number | null> {
  const mine = and(theHead, eq(logHeadTable.fencingToken, fencingToken))
  const head = first(await tx.select({ assignedSize: logHeadTable.assignedSize }).from(logHeadTable).where(mine).for('update'))
  if (head === null) return null
  const placed = await tx.execute(sql`
    update ${logEntryTable} set log_index = ${head.assignedSize} + batch.place
    from (select entry_id, row_number() over (order by entry_id) - 1 as place
          from ${logEntryTable} where log_index is null order by entry_id limit ${limit}) as batch
    where ${logEntryTable.entryId} = batch.entry_id returning ${logEntryTable.entryId}`)
  const assignedSize = head.assignedSize + (placed as { readonly rows: readonly unknown[] }).rows.length
  await tx.update(logHeadTable).set({ assignedSize }).where(mine)
  return assignedSize
}

/** A head that is to take the place of one of `fromSize` leaves. */
export interface HeadMove {
  readonly fencingToken: number
  readonly fromSize: number
  readonly size: number
  readonly root: string
  readonly checkpoint: string
  readonly at: Date
}

/** Move the head. @returns false when it is not where it was: somebody else has moved it. */
export async function moveHead(db: Db, move: HeadMove): Promise<boolean> {
  const { size, root, checkpoint, at } = move
  const moved = await db
    .update(logHeadTable)
    .set({ size, root, checkpoint, checkpointAt: at })
    .where(and(theHead, eq(logHeadTable.fencingToken, move.fencingToken), eq(logHeadTable.size, move.fromSize)))
    .returning({ head: logHeadTable.head })
  return moved.length > 0
}

/**
 * Replace the head's checkpoint by the same one with more cosignatures.
 *
 * @param witnessed - the quorum has cosigned it.
 */
export async function saveCosigned(
  db: Db,
  cosigned: { readonly size: number; readonly checkpoint: string; readonly witnessed: boolean },
): Promise<void> {
  const { size, checkpoint, witnessed } = cosigned
  await db
    .update(logHeadTable)
    .set({ checkpoint, ...(witnessed ? { witnessedSize: size, witnessedCheckpoint: checkpoint } : {}) })
    .where(and(theHead, eq(logHeadTable.size, size)))
}

const fromNow = (ms: number) => sql`now() + make_interval(secs => ${ms / 1000})`
