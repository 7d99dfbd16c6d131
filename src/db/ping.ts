import { sql } from 'drizzle-orm'
import type { Db } from './database.js'

/** Ask the database for nothing: it answers, or throws. */
export async function ping(db: Db): Promise<void> {
  await db.execute(sql`select 1`)
}
