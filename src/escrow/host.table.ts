import { sql } from 'drizzle-orm'
import { integer, pgTable, primaryKey, text } from 'drizzle-orm/pg-core'
import { instant } from '../db/columns.js'
import type { Db, Tx } from '../db/database.js'
import { first } from '../db/rows.js'

/** Who fetches from which host at the moment: each host has a few slots. Not rebuilt from the store. */
export const hostSlotTable = pgTable(
  'host_slot',
  {
    host: text('host').notNull(),
    slot: integer('slot').notNull(),
    holder: text('holder').notNull(),
    expiresAt: instant('expires_at').notNull(),
  },
  (t) => [primaryKey({ columns: [t.host, t.slot] })],
)

/** When each host may be asked next if it was asked evenly; the budget is how far ahead of that one may be. Not rebuilt from the store. */
export const hostPaceTable = pgTable('host_pace', {
  host: text('host').primaryKey(),
  evenAt: instant('even_at').notNull(),
})

/** A slot that somebody has taken. */
export interface HostSlot {
  readonly host: string
  readonly slot: number
  readonly holder: string
}

/** What is asked of a host's budget. */
export interface HostWish {
  readonly host: string
  readonly holder: string
  readonly now: Date
  readonly expiresAt: Date
  /** Slots of the host, 1 or more. */
  readonly atOnce: number
  /** Between two visits at an even pace. */
  readonly everyMs: number
  /** Visits that may come in one burst, 1 or more. */
  readonly burst: number
}

/**
 * Take a slot of a host and a visit of its pace, or neither.
 *
 * Times farther ahead than this wish could have written come from a clock that ran ahead, and count as past.
 *
 * @returns the slot; null when all are taken or the pace is used up.
 */
export async function tryTakeHost(tx: Tx, wish: HostWish): Promise<HostSlot | null> {
  // One after the other for a host: otherwise two could count the same free slot.
  await tx.execute(sql`select pg_advisory_xact_lock(hashtext(${`host ${wish.host}`}))`)
  const { host, holder, now, expiresAt, atOnce } = wish
  const farthest = new Date(now.getTime() + 10 * (expiresAt.getTime() - now.getTime()))
  const free = (await tx.execute(sql`
    select candidate.slot from generate_series(1, ${atOnce}::integer) candidate(slot)
    where not exists (
      select 1 from ${hostSlotTable} taken
      where taken.host = ${host} and taken.slot = candidate.slot and taken.expires_at > ${now.toISOString()} and taken.expires_at <= ${farthest.toISOString()}
    ) order by candidate.slot limit 1`)) as { readonly rows: readonly { readonly slot: number }[] }
  const [found] = free.rows
  if (found === undefined || !(await takeVisit(tx, wish))) return null
  const slot = { host, slot: found.slot, holder }
  await tx
    .insert(hostSlotTable)
    .values({ ...slot, expiresAt })
    .onConflictDoUpdate({ target: [hostSlotTable.host, hostSlotTable.slot], set: { holder, expiresAt } })
  return slot
}

async function takeVisit(tx: Tx, { host, now, everyMs, burst }: HostWish): Promise<boolean> {
  const after = (ms: number) => new Date(now.getTime() + ms).toISOString()
  const even = hostPaceTable.evenAt
  // Of a clock that ran ahead: no visit of ours can have moved it so far.
  const since = sql`case when ${even} > ${after(2 * burst * everyMs)} or ${even} < ${after(0)} then ${after(0)}::timestamptz else ${even} end`
  const taken = await tx
    .insert(hostPaceTable)
    .values({ host, evenAt: new Date(now.getTime() + everyMs) })
    .onConflictDoUpdate({
      target: hostPaceTable.host,
      set: { evenAt: sql`${since} + ${`${everyMs} milliseconds`}::interval` },
      setWhere: sql`${since} <= ${after((burst - 1) * everyMs)}`,
    })
    .returning({ host: hostPaceTable.host })
  return first(taken) !== null
}

const isSlot = ({ host, slot, holder }: HostSlot) =>
  sql`${hostSlotTable.host} = ${host} and ${hostSlotTable.slot} = ${slot} and ${hostSlotTable.holder} = ${holder}`

/** Keep a slot longer; does nothing when somebody else has taken it. */
export async function renewHost(db: Db, slot: HostSlot, expiresAt: Date): Promise<void> {
  await db.update(hostSlotTable).set({ expiresAt }).where(isSlot(slot))
}

/** Give a slot back; does nothing when somebody else has taken it. */
export async function leaveHost(db: Db, slot: HostSlot, now: Date): Promise<void> {
  await db.update(hostSlotTable).set({ expiresAt: now }).where(isSlot(slot))
}
