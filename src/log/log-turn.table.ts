import { and, eq, inArray, lte, or } from 'drizzle-orm'
import { pgTable, text } from 'drizzle-orm/pg-core'
import { assert } from '../core/errors.js'
import { sequenceBatchMax } from '../core/limits.js'
import { digest, instant } from '../db/columns.js'
import type { Db, Tx } from '../db/database.js'

/**
 * Who records next on a tag, where somebody came too late: a courtesy among processes, so that none is always late. What keeps the chain
 * whole is the rule on its numbers. Not rebuilt from the store.
 */
export const logTurnTable = pgTable('log_turn', {
  tag: digest('tag').primaryKey(),
  holder: text('holder').notNull(),
  /** Others wait no longer than this for somebody who has died. */
  expiresAt: instant('expires_at').notNull(),
})

/** A wish for a turn on several tags at once. */
export interface TurnWish {
  /** In hex, 1 to `sequenceBatchMax`, each once. */
  readonly tags: readonly string[]
  readonly holder: string
  readonly now: Date
}

/**
 * Take the turn on every tag, or renew it.
 *
 * @returns false when somebody else has one of them; the caller must then roll the transaction back, or it holds the others.
 */
export async function takeTurns(tx: Tx, { tags, holder, now }: TurnWish, expiresAt: Date): Promise<boolean> {
  assert(tags.length > 0 && tags.length <= sequenceBatchMax, `expected 1 to ${sequenceBatchMax} tags`)
  // Always in one order, so that two who want several cannot wait for each other.
  const rows = [...tags].sort().map((tag) => ({ tag, holder, expiresAt }))
  const taken = await tx
    .insert(logTurnTable)
    .values(rows)
    .onConflictDoUpdate({
      target: logTurnTable.tag,
      set: { holder, expiresAt },
      setWhere: or(eq(logTurnTable.holder, holder), lte(logTurnTable.expiresAt, now)),
    })
    .returning({ tag: logTurnTable.tag })
  return taken.length === rows.length
}

/** Give the turns of a holder back. */
export async function endTurns(db: Db, { tags, holder }: TurnWish): Promise<void> {
  await db.delete(logTurnTable).where(and(inArray(logTurnTable.tag, [...tags]), eq(logTurnTable.holder, holder)))
}
