import { and, eq, sql } from 'drizzle-orm'
import { integer, pgTable, primaryKey, text } from 'drizzle-orm/pg-core'
import { instant } from '../../db/columns.js'
import type { Db, Tx } from '../../db/database.js'
import { prepared, type Places, type Prepared } from '../../db/prepared.js'
import { first } from '../../db/rows.js'

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

/** A wish with the moments that are compared with. */
interface TimedWish extends Pick<HostWish, 'host' | 'holder' | 'now' | 'expiresAt' | 'atOnce'> {
  /** Times beyond these come from a clock that ran ahead: no wish of ours can have written them. */
  readonly slotFarthest: Date
  readonly evenFarthest: Date
  readonly next: Date
  /** Beyond it the burst is used up. */
  readonly latest: Date
  readonly every: string
}

const hostTaken: Prepared<TimedWish, Pick<HostSlot, 'slot'>> = prepared('host_taken', (db, given) => {
  const { expiresAt } = hostSlotTable
  const free = db.$with('free', { slot: hostSlotTable.slot }).as(sql`
    select candidate.slot from generate_series(1, ${given('atOnce')}::integer) candidate(slot)
    where not exists (
      select 1 from ${hostSlotTable} taken where taken.host = ${given('host')} and taken.slot = candidate.slot
        and taken.expires_at > ${given('now', expiresAt)}::timestamptz and taken.expires_at <= ${given('slotFarthest', expiresAt)}::timestamptz
    ) order by candidate.slot limit 1`)
  const visit = db.$with('visit').as(visitTaken(db, given))
  return db
    .with(free, visit)
    .insert(hostSlotTable)
    .select(sql`select visit.host, free.slot, ${given('holder')}::text, ${given('expiresAt', expiresAt)}::timestamptz from free, visit`)
    .onConflictDoUpdate({
      target: [hostSlotTable.host, hostSlotTable.slot],
      set: { holder: sql`excluded.holder`, expiresAt: sql`excluded.expires_at` },
    })
    .returning({ slot: hostSlotTable.slot })
})

/** A visit of the pace, if there is a free slot for it. */
function visitTaken(db: Db, given: Places<TimedWish>) {
  const even = hostPaceTable.evenAt
  const now = sql`${given('now', even)}::timestamptz`
  const since = sql`case when ${even} > ${given('evenFarthest', even)}::timestamptz or ${even} < ${now} then ${now} else ${even} end`
  return db
    .insert(hostPaceTable)
    .select(sql`select ${given('host')}::text, ${given('next', even)}::timestamptz from free`)
    .onConflictDoUpdate({
      target: hostPaceTable.host,
      set: { evenAt: sql`${since} + ${given('every')}::interval` },
      setWhere: sql`${since} <= ${given('latest', even)}::timestamptz`,
    })
    .returning({ host: hostPaceTable.host })
}

/**
 * Take a slot of a host and a visit of its pace, or neither.
 *
 * @returns the slot; null when all are taken or the pace is used up.
 */
export async function tryTakeHost(tx: Tx, wish: HostWish): Promise<HostSlot | null> {
  const { host, holder, now, expiresAt, atOnce, everyMs, burst } = wish
  // One after the other for a host: otherwise two could count the same free slot. Not in the same statement, which would look before it waits.
  await tx.execute(sql`select pg_advisory_xact_lock(hashtext(${`host ${host}`}))`)
  const after = (ms: number) => new Date(now.getTime() + ms)
  const slotFarthest = after(10 * (expiresAt.getTime() - now.getTime()))
  const pace = { next: after(everyMs), evenFarthest: after(2 * burst * everyMs), latest: after((burst - 1) * everyMs) }
  const taken = first(
    await hostTaken(tx, { host, holder, now, expiresAt, atOnce, slotFarthest, ...pace, every: `${everyMs} milliseconds` }),
  )
  return taken === null ? null : { host, slot: taken.slot, holder }
}

const isSlot = ({ host, slot, holder }: HostSlot) =>
  sql`${hostSlotTable.host} = ${host} and ${hostSlotTable.slot} = ${slot} and ${hostSlotTable.holder} = ${holder}`

/** Keep a slot longer; does nothing when somebody else has taken it. */
export async function renewHost(db: Db, slot: HostSlot, expiresAt: Date): Promise<void> {
  await db.update(hostSlotTable).set({ expiresAt }).where(isSlot(slot))
}

/** Give a slot back; does nothing when somebody else has taken it. */
export async function leaveHost(db: Db, { host, slot, holder }: HostSlot, now: Date): Promise<void> {
  await slotLeft(db, { host, slot, holder, now })
}

const slotLeft: Prepared<HostSlot & { readonly now: Date }, Pick<HostSlot, 'slot'>> = prepared('host_slot_left', (db, given) => {
  const { host, slot, holder, expiresAt } = hostSlotTable
  return db
    .update(hostSlotTable)
    .set({ expiresAt: sql`${given('now', expiresAt)}` })
    .where(and(eq(host, given('host')), eq(slot, given('slot')), eq(holder, given('holder'))))
    .returning({ slot })
})
