import { and, eq, sql } from 'drizzle-orm'
import { pgTable, primaryKey, text } from 'drizzle-orm/pg-core'
import { EscrowError } from '../../core/errors.js'
import { count, instant } from '../../db/columns.js'
import type { Db, Tx } from '../../db/database.js'
import { prepared, type Places, type Prepared } from '../../db/prepared.js'
import { first } from '../../db/rows.js'

/** Which source, in every query about one. */
export interface SourceKey {
  readonly agreementId: string
  readonly source: string
}

/** The right to work on a source until it expires; a later lease of the same source has a higher token. */
export interface Lease extends SourceKey {
  readonly fencingToken: number
}

declare const brand: unique symbol
/** A lease that is current and stays so until the transaction ends. Only `holdLease` makes one. */
export type HeldLease = Lease & { readonly [brand]: 'HeldLease' }

/** Who works on which source. A row stays after its lease has ended, so that tokens only grow. Not rebuilt from the store. */
export const leaseTable = pgTable(
  'lease',
  {
    agreementId: text('agreement_id').notNull(),
    source: text('source').notNull(),
    holder: text('holder').notNull(),
    fencingToken: count('fencing_token').notNull(),
    expiresAt: instant('expires_at').notNull(),
  },
  (t) => [primaryKey({ columns: [t.agreementId, t.source] })],
)

export type LeaseRow = typeof leaseTable.$inferSelect

const isLease = (lease: Lease) =>
  and(eq(leaseTable.agreementId, lease.agreementId), eq(leaseTable.source, lease.source), eq(leaseTable.fencingToken, lease.fencingToken))

/** The same as a place of a prepared statement. */
const isGivenLease = (given: Places<Lease>) =>
  and(
    eq(leaseTable.agreementId, given('agreementId')),
    eq(leaseTable.source, given('source')),
    eq(leaseTable.fencingToken, given('fencingToken')),
  )

/** Who wants a lease, and until when. */
export interface LeaseWish extends SourceKey {
  /** Unique for the process and job; shown to those who are refused. */
  readonly holder: string
  readonly now: Date
  readonly expiresAt: Date
}

const leaseTaken: Prepared<LeaseWish & { readonly farthest: Date; readonly token: number }, Pick<Lease, 'fencingToken'>> = prepared(
  'lease_taken',
  (db, given) => {
    const { expiresAt, fencingToken } = leaseTable
    const { now, farthest } = { now: given('now', expiresAt), farthest: given('farthest', expiresAt) }
    return db
      .insert(leaseTable)
      .values({
        agreementId: given('agreementId'),
        source: given('source'),
        holder: given('holder'),
        expiresAt: given('expiresAt'),
        fencingToken: given('token'),
      })
      .onConflictDoUpdate({
        target: [leaseTable.agreementId, leaseTable.source],
        set: {
          holder: sql`excluded.holder`,
          expiresAt: sql`excluded.expires_at`,
          fencingToken: sql`greatest(${fencingToken} + 1, excluded.fencing_token)`,
        },
        // One that lasts ten times as long as it may was written by a clock that ran ahead. Fencing protects its holder, if there is one.
        setWhere: sql`${expiresAt} <= ${now} or ${expiresAt} > ${farthest}`,
      })
      .returning({ fencingToken })
  },
)

const leaseHeld: Prepared<Lease, Pick<SourceKey, 'source'>> = prepared('lease_held', (db, given) =>
  db.select({ source: leaseTable.source }).from(leaseTable).where(isGivenLease(given)).for('update'),
)

const leaseEnded: Prepared<Lease & { readonly now: Date }, Pick<SourceKey, 'source'>> = prepared('lease_ended', (db, given) =>
  db
    .update(leaseTable)
    .set({ expiresAt: sql`${given('now', leaseTable.expiresAt)}` })
    .where(isGivenLease(given))
    .returning({ source: leaseTable.source }),
)

/**
 * Take the lease of a source if nobody has it.
 *
 * @returns the lease, or null when somebody else's has not expired.
 *
 * The first token is the clock in milliseconds, so that tokens also grow across a database that was lost and rebuilt.
 */
export async function tryTakeLease(db: Db, wish: LeaseWish): Promise<Lease | null> {
  const { agreementId, source, holder, now, expiresAt } = wish
  const farthest = new Date(now.getTime() + 10 * (expiresAt.getTime() - now.getTime()))
  const row = first(await leaseTaken(db, { agreementId, source, holder, now, expiresAt, farthest, token: now.getTime() }))
  return row === null ? null : { agreementId, source, fencingToken: row.fencingToken }
}

/** Take the lease of a source. @throws EscrowError `LEASE_HELD` with its holder when somebody else has it. */
export async function takeLease(db: Db, wish: LeaseWish): Promise<Lease> {
  const lease = await tryTakeLease(db, wish)
  if (lease !== null) return lease
  const holder = await findLease(db, wish)
  throw new EscrowError('LEASE_HELD', `source ${wish.source} is being worked on by ${holder?.holder ?? 'somebody'}`, {
    details: { source: wish.source, until: holder?.expiresAt.toISOString() ?? null },
  })
}

/** The last lease of a source, expired or not; null when there was none. */
export async function findLease(db: Db, key: SourceKey): Promise<LeaseRow | null> {
  const rule = and(eq(leaseTable.agreementId, key.agreementId), eq(leaseTable.source, key.source))
  return first(await db.select().from(leaseTable).where(rule))
}

/**
 * Lengthen a lease. One that has expired, but that nobody took, is as good as before.
 *
 * @throws EscrowError `LEASE_LOST`
 */
export async function renewLease(db: Db, lease: Lease, expiresAt: Date): Promise<void> {
  const renewed = await db.update(leaseTable).set({ expiresAt }).where(isLease(lease)).returning({ source: leaseTable.source })
  if (renewed.length === 0) throw lost(lease)
}

/**
 * Make sure that a lease is current, and keep it so until the transaction ends: everything that changes a source asks for the
 * result of this.
 *
 * @throws EscrowError `LEASE_LOST`
 */
export async function holdLease(tx: Tx, lease: Lease): Promise<HeldLease> {
  if ((await leaseHeld(tx, tokenOf(lease))).length === 0) throw lost(lease)
  return lease as HeldLease
}

/** Give a lease back; does nothing when somebody else has taken over. */
export async function endLease(db: Db, lease: Lease, now: Date): Promise<void> {
  await leaseEnded(db, { ...tokenOf(lease), now })
}

/** Nothing else that the object may carry. */
const tokenOf = ({ agreementId, source, fencingToken }: Lease): Lease => ({ agreementId, source, fencingToken })

/**
 * End every lease. Only for a process that has the database for itself (`Database.exclusive`) and has not begun to work: whoever
 * held them is dead.
 */
export async function endLeasesOfTheDead(db: Db, now: Date): Promise<void> {
  await db
    .update(leaseTable)
    .set({ expiresAt: now })
    .where(sql`${leaseTable.expiresAt} > ${now.toISOString()}`)
}

function lost(lease: Lease): EscrowError {
  return new EscrowError('LEASE_LOST', `another worker has taken over source ${lease.source}`, {
    details: { source: lease.source, fencingToken: lease.fencingToken },
  })
}
