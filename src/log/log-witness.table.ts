import { asc, sql } from 'drizzle-orm'
import { integer, pgTable, text } from 'drizzle-orm/pg-core'
import type { ErrorCode } from '../core/errors.js'
import { rowsMax } from '../core/limits.js'
import { count, instant } from '../db/columns.js'
import type { Db } from '../db/database.js'
import { page } from '../db/rows.js'

/** What each witness last answered. Not rebuilt from the store. */
export const logWitnessTable = pgTable('log_witness', {
  witness: text('witness').primaryKey(),
  /** The size it last cosigned; 0 if none. */
  size: count('size').notNull(),
  cosignedAt: instant('cosigned_at'),
  /** Since its last good answer; null and 0 when all is well. */
  failures: integer('failures').notNull(),
  failureCode: text('failure_code').$type<ErrorCode>(),
  failureWords: text('failure_words'),
  failedAt: instant('failed_at'),
})

export type LogWitnessRow = typeof logWitnessTable.$inferSelect

/** What is known of every witness that was ever asked. */
export async function listWitnesses(db: Db): Promise<readonly LogWitnessRow[]> {
  return db.select().from(logWitnessTable).orderBy(asc(logWitnessTable.witness)).limit(page(rowsMax))
}

/** Remember that a witness has cosigned. */
export async function saveCosignature(db: Db, witness: string, size: number, at: Date): Promise<void> {
  const good = { size, cosignedAt: at, failures: 0, failureCode: null, failureWords: null, failedAt: null }
  await db
    .insert(logWitnessTable)
    .values({ witness, ...good })
    .onConflictDoUpdate({ target: logWitnessTable.witness, set: good })
}

/** Remember that a witness has not. @param failure.words - its own, at most 1000 characters. */
export async function saveWitnessFailure(
  db: Db,
  witness: string,
  failure: { readonly code: ErrorCode; readonly words: string; readonly at: Date },
): Promise<void> {
  const bad = { failureCode: failure.code, failureWords: failure.words, failedAt: failure.at }
  await db
    .insert(logWitnessTable)
    .values({ witness, size: 0, failures: 1, ...bad })
    .onConflictDoUpdate({ target: logWitnessTable.witness, set: { ...bad, failures: sql`${logWitnessTable.failures} + 1` } })
}
