import { and, asc, eq, gt, notInArray, sql } from 'drizzle-orm'
import { check, index, integer, jsonb, pgTable, primaryKey, text } from 'drizzle-orm/pg-core'
import type { ErrorCode } from '../../core/errors.js'
import { count, digest, instant, oneOf } from '../../db/columns.js'
import type { Db, Tx } from '../../db/database.js'
import { prepared, type Places, type Prepared } from '../../db/prepared.js'
import { first, page } from '../../db/rows.js'
import type { DepositMode } from '../../format/agreement.js'
import type { DepositKind } from '../../format/manifest.js'
import { agreementTable } from './agreement.table.js'
import type { HeldLease, SourceKey } from './lease.table.js'

const sourceStates = ['waiting', 'active', 'paused', 'ended'] as const
/** `waiting`: the vault is not armed; `active`: deposits are due; `paused`: by the operator; `ended`: with its agreement. */
export type SourceState = (typeof sourceStates)[number]

/** One repository under an agreement, and when something is to be done about it. */
export const sourceTable = pgTable(
  'source',
  {
    agreementId: text('agreement_id')
      .notNull()
      .references(() => agreementTable.agreementId),
    source: text('source').notNull(),
    state: text('state', { enum: sourceStates }).notNull(),
    mode: text('mode').$type<DepositMode>().notNull(),
    /** Without a secret in it; null where nothing is pulled. */
    url: text('url'),
    /** The path of the file that holds the credential. Never the credential. */
    credentialFile: text('credential_file'),
    /** The period for which the credential was tried ahead of time, and why it was refused. Not rebuilt from the store. */
    credentialPeriodAt: instant('credential_period_at'),
    credentialCode: text('credential_code').$type<ErrorCode>(),
    startsAt: instant('starts_at').notNull(),
    /** Either an interval, or a cron line with the time zone whose clocks it means. */
    everyHours: integer('every_hours'),
    cron: text('cron'),
    timeZone: text('time_zone'),
    graceHours: integer('grace_hours').notNull(),
    fullEveryDays: integer('full_every_days').notNull(),
    chainLengthMax: integer('chain_length_max').notNull(),

    /** The moment of the schedule that is to be met now, and until when it counts as met in time. */
    periodAt: instant('period_at').notNull(),
    deadlineAt: instant('deadline_at').notNull(),
    /** When to try next: `period_at`, or later after a failure. */
    dueAt: instant('due_at').notNull(),
    /** When the ticker looks next: `due_at`, or later when it was queued already. A queue that loses it costs this delay, no more. */
    lookAt: instant('look_at').notNull(),

    /** What the remote can do, as the git client caches it. Parsed by its reader. */
    capability: jsonb('capability').$type<unknown>(),
    /** Of the last deposit; null before the first. */
    refsDigest: digest('refs_digest'),
    manifestDigest: digest('manifest_digest'),
    nextSequence: count('next_sequence').notNull().default(1),
    /** The last full deposit, and how many incrementals rest on it. */
    fullSequence: count('full_sequence'),
    fullAt: instant('full_at'),
    chainLength: integer('chain_length').notNull().default(0),
    /** When we last knew that the archive equals the remote: a deposit, or nothing had changed. */
    freshAt: instant('fresh_at'),
    /** Failures since then. */
    failures: integer('failures').notNull().default(0),
    failureCode: text('failure_code').$type<ErrorCode>(),
    failedAt: instant('failed_at'),
    /** The period whose lateness the parties were told of, and at which part of its allowed time. Not rebuilt from the store. */
    warnedPeriodAt: instant('warned_period_at'),
    warnedPercent: integer('warned_percent').notNull().default(0),
  },
  (t) => [
    primaryKey({ columns: [t.agreementId, t.source] }),
    index('source_look')
      .on(t.lookAt)
      .where(sql`${t.state} = 'active' and ${t.mode} = 'pull'`),
    index('source_period')
      .on(t.periodAt)
      .where(sql`${t.state} = 'active'`),
    index('source_deadline')
      .on(t.deadlineAt)
      .where(sql`${t.state} = 'active'`),
    oneOf('source_state_known', t.state, sourceStates),
    check('source_has_one_rhythm', sql`(${t.everyHours} is null) <> (${t.cron} is null) and (${t.cron} is null) = (${t.timeZone} is null)`),
  ],
)

export type SourceRow = typeof sourceTable.$inferSelect

/** The row of one source. */
export const isSource = (key: SourceKey) => and(eq(sourceTable.agreementId, key.agreementId), eq(sourceTable.source, key.source))

/** The same as a place of a prepared statement. */
const isGivenSource = (given: Places<SourceKey>) =>
  and(eq(sourceTable.agreementId, given('agreementId')), eq(sourceTable.source, given('source')))

/** Add sources. @param rows - 1 to 1000. @throws EscrowError `DATABASE_CONFLICT` when there is one of this name. */
export async function insertSources(tx: Tx, rows: readonly (typeof sourceTable.$inferInsert)[]): Promise<void> {
  await tx.insert(sourceTable).values([...rows])
}

const sourceFound: Prepared<SourceKey, SourceRow> = prepared('source_found', (db, given) =>
  db.select().from(sourceTable).where(isGivenSource(given)),
)

/** One source, or null. */
export async function findSource(db: Db, { agreementId, source }: SourceKey): Promise<SourceRow | null> {
  return first(await sourceFound(db, { agreementId, source }))
}

/** Sources of an agreement by name. @param after - the last name of the page before; '' for the first. */
export async function listSources(db: Db, agreementId: string, after: string, limit: number): Promise<readonly SourceRow[]> {
  return db
    .select()
    .from(sourceTable)
    .where(and(eq(sourceTable.agreementId, agreementId), gt(sourceTable.source, after)))
    .orderBy(asc(sourceTable.source))
    .limit(page(limit))
}

/**
 * Bring sources to what another version of their agreement says. The period under way stays; a new rhythm counts from the next. What the
 * version does not name any more ends; what is new begins in the state of its row.
 *
 * @param rows - every source of the version. A credential file is kept where none is given.
 */
export async function amendSources(tx: Tx, agreementId: string, rows: readonly (typeof sourceTable.$inferInsert)[]): Promise<void> {
  for (const row of rows) {
    const { mode, url, startsAt, everyHours, cron, timeZone, graceHours, fullEveryDays, chainLengthMax } = row
    const kept = row.credentialFile == null ? {} : { credentialFile: row.credentialFile }
    const set = { mode, url, startsAt, everyHours, cron, timeZone, graceHours, fullEveryDays, chainLengthMax, ...kept }
    await tx
      .insert(sourceTable)
      .values(row)
      .onConflictDoUpdate({ target: [sourceTable.agreementId, sourceTable.source], set })
  }
  const named = rows.map((row) => row.source)
  await tx
    .update(sourceTable)
    .set({ state: 'ended' })
    .where(and(eq(sourceTable.agreementId, agreementId), notInArray(sourceTable.source, named)))
}

/** Move all sources of an agreement from one state to another, as when its vault is armed. @returns how many moved. */
export async function moveSources(tx: Tx, agreementId: string, from: SourceState, to: SourceState): Promise<number> {
  const moved = await tx
    .update(sourceTable)
    .set({ state: to })
    .where(and(eq(sourceTable.agreementId, agreementId), eq(sourceTable.state, from)))
    .returning({ source: sourceTable.source })
  return moved.length
}

/** Point a source at its remote. Both are references: the credential stays in its file. */
export async function setRemote(
  tx: Tx,
  key: SourceKey,
  remote: { readonly url: string | null; readonly credentialFile: string | null },
): Promise<void> {
  await tx.update(sourceTable).set({ url: remote.url, credentialFile: remote.credentialFile, capability: null }).where(isSource(key))
}

/** Remember what the remote can do, to save a round trip. Null forgets it. */
export async function cacheCapability(db: Db, key: SourceKey, capability: unknown): Promise<void> {
  await db.update(sourceTable).set({ capability }).where(isSource(key))
}

const unchangedRecorded: Prepared<SourceKey & Required<PlannedTiming> & { readonly at: Date }, Pick<SourceKey, 'source'>> = prepared(
  'unchanged_recorded',
  (db, given) => {
    const instantGiven = (name: 'at' | keyof PlannedTiming) => sql`${given(name, sourceTable.freshAt)}`
    const moments = { periodAt: instantGiven('periodAt'), deadlineAt: instantGiven('deadlineAt'), lookAt: instantGiven('lookAt') }
    return db
      .update(sourceTable)
      .set({ ...fresh(null), freshAt: instantGiven('at'), ...moments, dueAt: instantGiven('dueAt') })
      .where(isGivenSource(given))
      .returning({ source: sourceTable.source })
  },
)

/** Note that the remote equals the archive. */
export async function recordUnchanged(tx: Tx, { agreementId, source }: HeldLease, at: Date, timing: PlannedTiming): Promise<void> {
  await unchangedRecorded(tx, { agreementId, source, at, ...planned(timing) })
}

/** Note that a try failed, and when to try again. The schedule stays: only a deposit meets it. */
export async function recordFailure(
  tx: Tx,
  held: HeldLease,
  failure: { readonly code: ErrorCode; readonly at: Date; readonly retryAt: Date },
): Promise<void> {
  await tx
    .update(sourceTable)
    .set({
      failures: sql`${sourceTable.failures} + 1`,
      failureCode: failure.code,
      failedAt: failure.at,
      dueAt: failure.retryAt,
      lookAt: failure.retryAt,
    })
    .where(isSource(held))
}

/** Note a published deposit: the next one has the next number and is compared with this one. */
export async function recordFresh(
  tx: Tx,
  held: HeldLease,
  deposit: {
    readonly sequence: number
    readonly kind: DepositKind
    readonly takenAt: Date
    readonly refsDigest: string
    readonly manifestDigest: string
  },
  timing: PlannedTiming,
): Promise<void> {
  const chain =
    deposit.kind === 'full'
      ? { fullSequence: deposit.sequence, fullAt: deposit.takenAt, chainLength: 0 }
      : { chainLength: sql`${sourceTable.chainLength} + 1` }
  await tx
    .update(sourceTable)
    .set({
      ...fresh(deposit.takenAt),
      ...planned(timing),
      ...chain,
      nextSequence: deposit.sequence + 1,
      refsDigest: deposit.refsDigest,
      manifestDigest: deposit.manifestDigest,
    })
    .where(isSource(held))
}

const fresh = (at: Date | null) => ({ freshAt: at, failures: 0, failureCode: null, failedAt: null, credentialCode: null })
/** The next moments of a source's schedule; computed by the caller. */
export interface Timing {
  readonly periodAt: Date
  readonly deadlineAt: Date
  readonly dueAt: Date
}

/** The same with the moment when the ticker looks; `dueAt` where it is left out. */
export type PlannedTiming = Timing & { readonly lookAt?: Date }

/** The columns of a timing. */
export const planned = (timing: PlannedTiming) => ({
  periodAt: timing.periodAt,
  deadlineAt: timing.deadlineAt,
  dueAt: timing.dueAt,
  lookAt: timing.lookAt ?? timing.dueAt,
})
