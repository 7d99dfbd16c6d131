import { sql } from 'drizzle-orm'
import { pgTable, text } from 'drizzle-orm/pg-core'
import { assert } from '../core/errors.js'
import { rowsMax } from '../core/limits.js'
import { instant } from '../db/columns.js'
import type { Tx } from '../db/database.js'

/** When each chore of the whole service is due next. Not rebuilt from the store: a chore without a row is due. */
export const choreTable = pgTable('chore', {
  chore: text('chore').primaryKey(),
  dueAt: instant('due_at').notNull(),
})

/** A chore, and when it is due again once somebody has taken it. */
export interface ChoreWish {
  readonly chore: string
  readonly everyMs: number
}

/**
 * Take the chores that are due, each until its next time. Of two who ask at once, one gets a chore.
 *
 * A due time farther ahead than two rounds was written by a clock that ran ahead: it counts as due.
 *
 * @param wishes - 1 to `rowsMax`, each chore once. @returns the names of those that were due, in no order.
 */
export async function takeDueChores(tx: Tx, wishes: readonly ChoreWish[], now: Date): Promise<readonly string[]> {
  assert(wishes.length > 0 && wishes.length <= rowsMax, 'some chores')
  const next = ({ chore, everyMs }: ChoreWish) => ({ chore, dueAt: new Date(now.getTime() + everyMs) })
  const taken = await tx
    .insert(choreTable)
    .values(wishes.map(next))
    .onConflictDoUpdate({
      target: choreTable.chore,
      set: { dueAt: sql`excluded.due_at` },
      setWhere: sql`${choreTable.dueAt} <= ${now.toISOString()} or ${choreTable.dueAt} - excluded.due_at > excluded.due_at - ${now.toISOString()}`,
    })
    .returning({ chore: choreTable.chore })
  return taken.map(({ chore }) => chore)
}
