import { and, asc, desc, eq, gt, isNotNull, isNull, lte, or, sql } from 'drizzle-orm'
import { index, integer, jsonb, pgTable, primaryKey, text } from 'drizzle-orm/pg-core'
import { EscrowError } from '../../core/errors.js'
import { instant } from '../../db/columns.js'
import type { Db, Tx } from '../../db/database.js'
import { first, page } from '../../db/rows.js'
import { shareHealthTable, type ShareHealthRow } from '../../escrow/archive/share.table.js'
import { agreementTable } from '../../escrow/archive/agreement.table.js'
import { depositTable, findingTable } from '../../escrow/archive/deposit.table.js'
import { replicaCopyTable } from '../../escrow/archive/copy.table.js'
import { storedObjectTable } from '../../escrow/archive/object.table.js'
import type { AlarmName } from '../../format/event.js'
import type { DepositKind } from '../../format/manifest.js'
import type { SilenceWatch } from './dead-mans-switch.js'
import { releaseStatementTable, type StatementRow } from '../release.table.js'

/** How the dead man's switch of each agreement stands. */
export const silenceWatchTable = pgTable(
  'silence_watch',
  {
    agreementId: text('agreement_id')
      .primaryKey()
      .references(() => agreementTable.agreementId),
    watch: jsonb('watch').$type<SilenceWatch>().notNull(),
    /** Counts changes: who decided on an older one decides again. */
    revision: integer('revision').notNull(),
    /** When the depositor is looked for next. */
    lookAt: instant('look_at').notNull(),
  },
  (t) => [index('silence_watch_look').on(t.lookAt)],
)

/** What is wrong with the custody of agreements now; each came with an event, and goes with one. */
export const custodyAlarmTable = pgTable(
  'custody_alarm',
  {
    agreementId: text('agreement_id')
      .notNull()
      .references(() => agreementTable.agreementId),
    alarm: text('alarm').$type<AlarmName>().notNull(),
    /** A condition, or the number of an epoch. */
    about: text('about').notNull(),
    since: instant('since').notNull(),
  },
  (t) => [primaryKey({ columns: [t.agreementId, t.alarm, t.about] })],
)

export type AlarmRow = typeof custodyAlarmTable.$inferSelect
export type SilenceRow = typeof silenceWatchTable.$inferSelect

/** How the switch of an agreement stands; null before the first look. */
export async function findSilence(db: Db, agreementId: string): Promise<SilenceRow | null> {
  return first(await db.select().from(silenceWatchTable).where(eq(silenceWatchTable.agreementId, agreementId)))
}

/** Every agreement of which the depositor was told, or a request is proposed, by id. */
export async function listSilences(db: Db, limit: number): Promise<readonly SilenceRow[]> {
  return db
    .select()
    .from(silenceWatchTable)
    .where(sql`${silenceWatchTable.watch} ->> 'name' <> 'present'`)
    .orderBy(asc(silenceWatchTable.agreementId))
    .limit(page(limit))
}

/**
 * Armed agreements whose depositor is to be looked for, by id.
 *
 * @param span.latest - no look is ever put off further: a row beyond it was written by a clock that was ahead.
 */
export async function listToLook(
  db: Db,
  span: { readonly now: Date; readonly latest: Date; readonly after: string; readonly limit: number },
): Promise<readonly string[]> {
  const due = or(isNull(silenceWatchTable.lookAt), lte(silenceWatchTable.lookAt, span.now), gt(silenceWatchTable.lookAt, span.latest))
  const rows = await db
    .select({ agreementId: agreementTable.agreementId })
    .from(agreementTable)
    .leftJoin(silenceWatchTable, eq(silenceWatchTable.agreementId, agreementTable.agreementId))
    .where(and(eq(agreementTable.state, 'armed'), gt(agreementTable.agreementId, span.after), due))
    .orderBy(asc(agreementTable.agreementId))
    .limit(page(span.limit))
  return rows.map((row) => row.agreementId)
}

/** Record a look. @param before - null for the first. @throws EscrowError `DATABASE_CONFLICT` when somebody else has looked since */
export async function saveSilence(
  tx: Tx,
  before: SilenceRow | null,
  next: Pick<SilenceRow, 'agreementId' | 'watch' | 'lookAt'>,
): Promise<void> {
  if (before === null) {
    await tx.insert(silenceWatchTable).values({ ...next, revision: 1 })
    return
  }
  const saved = await tx
    .update(silenceWatchTable)
    .set({ watch: next.watch, lookAt: next.lookAt, revision: before.revision + 1 })
    .where(and(eq(silenceWatchTable.agreementId, next.agreementId), eq(silenceWatchTable.revision, before.revision)))
    .returning({ agreementId: silenceWatchTable.agreementId })
  if (saved.length === 0) throw new EscrowError('DATABASE_CONFLICT', `somebody else has looked for the depositor of ${next.agreementId}`)
}

/** The newest statements that a party signed under an agreement, newest first; each once for each subject it was recorded about. */
export async function listWordsOf(db: Db, agreementId: string, party: string, limit: number): Promise<readonly StatementRow[]> {
  return db
    .select()
    .from(releaseStatementTable)
    .where(and(eq(releaseStatementTable.agreementId, agreementId), eq(releaseStatementTable.party, party)))
    .orderBy(desc(releaseStatementTable.recordedAt), asc(releaseStatementTable.digest))
    .limit(page(limit))
}

/** The key changes that were recorded for an agreement under any of its versions, newest first. */
export async function listKeyChanges(db: Db, agreementId: string, limit: number): Promise<readonly StatementRow[]> {
  const { agreementId: id, subject, type, recordedAt, digest: by } = releaseStatementTable
  return db
    .select()
    .from(releaseStatementTable)
    .where(and(eq(id, agreementId), eq(subject, agreementId), eq(type, 'escrow/statement/key-change/v1')))
    .orderBy(desc(recordedAt), asc(by))
    .limit(page(limit))
}

/** The explanation of a finding that was recorded last, with its deposit's place; null when there is none. */
export async function findLastExplanation(
  db: Db,
  agreementId: string,
): Promise<{ readonly source: string; readonly sequence: number; readonly kind: DepositKind; readonly digest: string } | null> {
  const { source, sequence, kind } = depositTable
  const rows = await db
    .select({ source, sequence, kind, digest: findingTable.explanationDigest })
    .from(findingTable)
    .innerJoin(depositTable, eq(depositTable.depositId, findingTable.depositId))
    .where(and(eq(depositTable.agreementId, agreementId), isNotNull(findingTable.explanationDigest)))
    .orderBy(desc(findingTable.explainedAt), asc(findingTable.explanationDigest))
    .limit(1)
  const found = first(rows)
  return found === null || found.digest === null ? null : { ...found, digest: found.digest }
}

/** What is wrong with the custody of one agreement, or of all with null. */
export async function listAlarms(db: Db, agreementId: string | null, limit: number): Promise<readonly AlarmRow[]> {
  return db
    .select()
    .from(custodyAlarmTable)
    .where(agreementId === null ? undefined : eq(custodyAlarmTable.agreementId, agreementId))
    .orderBy(asc(custodyAlarmTable.agreementId), asc(custodyAlarmTable.alarm), asc(custodyAlarmTable.about))
    .limit(page(limit))
}

/** Raise an alarm. @throws EscrowError `DATABASE_CONFLICT` when somebody else has raised it */
export async function insertAlarm(tx: Tx, row: AlarmRow): Promise<void> {
  await tx.insert(custodyAlarmTable).values(row)
}

/** Clear an alarm. @throws EscrowError `DATABASE_CONFLICT` when somebody else has cleared it */
export async function deleteAlarm(tx: Tx, { agreementId, alarm, about }: AlarmRow): Promise<void> {
  const { agreementId: id, alarm: name, about: what } = custodyAlarmTable
  const gone = await tx
    .delete(custodyAlarmTable)
    .where(and(eq(id, agreementId), eq(name, alarm), eq(what, about)))
    .returning({ about: what })
  if (gone.length === 0) throw new EscrowError('DATABASE_CONFLICT', `somebody else has cleared ${alarm} of ${agreementId}`)
}

/** Every newest proof of a share of an agreement's vault. */
export async function listShareProofs(db: Db, agreementId: string): Promise<readonly ShareHealthRow[]> {
  return db.select().from(shareHealthTable).where(eq(shareHealthTable.agreementId, agreementId)).orderBy(asc(shareHealthTable.epoch))
}

/** Epochs of which a deposit is still kept under a lock; lowest first. */
export async function listRetainedEpochs(db: Db, agreementId: string, now: Date): Promise<readonly number[]> {
  const rows = await db
    .selectDistinct({ epoch: depositTable.epoch })
    .from(depositTable)
    .innerJoin(storedObjectTable, eq(storedObjectTable.depositId, depositTable.depositId))
    .innerJoin(replicaCopyTable, eq(replicaCopyTable.objectId, storedObjectTable.objectId))
    .where(and(eq(depositTable.agreementId, agreementId), gt(replicaCopyTable.retainUntil, now)))
    .orderBy(asc(depositTable.epoch))
  return rows.map((row) => row.epoch)
}
