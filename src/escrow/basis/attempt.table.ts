import { and, asc, eq, inArray, sql } from 'drizzle-orm'
import { foreignKey, index, integer, pgTable, text } from 'drizzle-orm/pg-core'
import { EscrowError, type ErrorCode } from '../../core/errors.js'
import { count, instant, oneOf } from '../../db/columns.js'
import type { Db, Tx } from '../../db/database.js'
import { prepared, type Prepared } from '../../db/prepared.js'
import { first } from '../../db/rows.js'
import type { DepositKind } from '../../format/manifest.js'
import type { HeldLease, SourceKey } from '../archive/lease.table.js'
import { sourceTable } from '../archive/source.table.js'

const attemptStates = ['taking', 'sealed', 'stored', 'published', 'abandoned'] as const
/**
 * `taking`: nothing is outside scratch; `sealed`: keys and digests of the sealed objects are recorded, replicas may hold them;
 * `stored`: the replicas hold them all; `published`: it is a deposit; `abandoned`: what it left in the store is an orphan.
 */
export type AttemptState = (typeof attemptStates)[number]
/** Of attempts that were neither published nor abandoned. */
export const openStates: AttemptState[] = ['taking', 'sealed', 'stored']

/** Tries to take a deposit: a worker's notes, so that the next one can go on or clean up. Not rebuilt from the store. */
export const attemptTable = pgTable(
  'attempt',
  {
    /** Part of the keys of its objects; unique for ever. */
    attemptId: text('attempt_id').primaryKey(),
    agreementId: text('agreement_id').notNull(),
    source: text('source').notNull(),
    fencingToken: count('fencing_token').notNull(),
    sequence: count('sequence').notNull(),
    kind: text('kind').$type<DepositKind>().notNull(),
    /** Sequence of the full deposit that it rests on; its own for a full one. */
    baseSequence: count('base_sequence').notNull(),
    epoch: integer('epoch').notNull(),
    state: text('state', { enum: attemptStates }).notNull(),
    /** The signed manifest, from `stored` on: whoever publishes must not sign another one. */
    manifest: text('manifest'),
    startedAt: instant('started_at').notNull(),
    finishedAt: instant('finished_at'),
    failureCode: text('failure_code').$type<ErrorCode>(),
  },
  (t) => [
    foreignKey({ columns: [t.agreementId, t.source], foreignColumns: [sourceTable.agreementId, sourceTable.source] }),
    index('attempt_open')
      .on(t.agreementId, t.source)
      .where(sql`${t.state} in ('taking', 'sealed', 'stored')`),
    oneOf('attempt_state_known', t.state, attemptStates),
  ],
)

export type AttemptRow = typeof attemptTable.$inferSelect

/** Start an attempt under a lease. */
export async function insertAttempt(
  tx: Tx,
  held: HeldLease,
  attempt: Pick<AttemptRow, 'attemptId' | 'sequence' | 'kind' | 'baseSequence' | 'epoch' | 'startedAt'>,
): Promise<void> {
  const { agreementId, source, fencingToken } = held
  await tx.insert(attemptTable).values({ ...attempt, agreementId, source, fencingToken, state: 'taking' })
}

/** One attempt, or null. */
export async function findAttempt(db: Db, attemptId: string): Promise<AttemptRow | null> {
  return first(await db.select().from(attemptTable).where(eq(attemptTable.attemptId, attemptId)))
}

const openAttempts: Prepared<SourceKey, AttemptRow> = prepared('open_attempts', (db, given) => {
  const ofSource = and(eq(attemptTable.agreementId, given('agreementId')), eq(attemptTable.source, given('source')))
  return db
    .select()
    .from(attemptTable)
    .where(and(ofSource, inArray(attemptTable.state, openStates)))
    .orderBy(asc(attemptTable.startedAt))
})

/** Attempts of a source that were neither published nor abandoned, oldest first: at most one, unless a worker died. */
export async function listOpenAttempts(db: Db, { agreementId, source }: SourceKey): Promise<readonly AttemptRow[]> {
  return openAttempts(db, { agreementId, source })
}

/**
 * Move an attempt to its next state.
 *
 * @param move.failureCode - why it was abandoned.
 * @throws EscrowError `DEPOSIT_STATE` when it is not in the state `from`.
 */
export async function moveAttempt(
  tx: Tx,
  held: HeldLease,
  move: {
    readonly attemptId: string
    readonly from: AttemptState
    readonly to: AttemptState
    readonly at: Date
    readonly failureCode?: ErrorCode
    /** With `to: 'stored'`: the signed manifest. */
    readonly manifest?: string
  },
): Promise<void> {
  const ended = !openStates.includes(move.to)
  const moved = await tx
    .update(attemptTable)
    .set({
      state: move.to,
      finishedAt: ended ? move.at : null,
      failureCode: move.failureCode ?? null,
      ...(move.manifest === undefined ? {} : { manifest: move.manifest }),
    })
    .where(
      and(
        eq(attemptTable.attemptId, move.attemptId),
        eq(attemptTable.state, move.from),
        eq(attemptTable.agreementId, held.agreementId),
        eq(attemptTable.source, held.source),
      ),
    )
    .returning({ attemptId: attemptTable.attemptId })
  if (moved.length === 0) {
    throw new EscrowError('DEPOSIT_STATE', `expected attempt ${move.attemptId} to be ${move.from} before it becomes ${move.to}`)
  }
}

/**
 * Take up an abandoned attempt again, as `sealed`. Only for envelopes that came sealed: whoever sealed here has lost the file key.
 *
 * @returns false when this source has no such abandoned attempt.
 */
export async function reviveAttempt(tx: Tx, held: HeldLease, attemptId: string): Promise<boolean> {
  const { agreementId, source, fencingToken } = held
  const revived = await tx
    .update(attemptTable)
    .set({ state: 'sealed', fencingToken, finishedAt: null, failureCode: null })
    .where(
      and(
        eq(attemptTable.attemptId, attemptId),
        eq(attemptTable.agreementId, agreementId),
        eq(attemptTable.source, source),
        eq(attemptTable.state, 'abandoned'),
      ),
    )
    .returning({ attemptId: attemptTable.attemptId })
  return revived.length === 1
}
