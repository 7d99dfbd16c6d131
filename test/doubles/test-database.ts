import { sql } from 'drizzle-orm'
import type { Database, Db, Tx } from '../../src/db/database.js'
import { PgliteDatabase } from '../../src/db/pglite-database.js'

/** A real database in memory with up-to-date, empty tables. */
export type TestDatabase = Database

// A first PGlite costs seconds (initdb), one from an image about one, an emptied one milliseconds; and 300 to 800 MB each. So a test
// that closes its database leaves it, emptied, to the next one in the same vitest worker.
const idle: PgliteDatabase[] = []
let image: Promise<Blob> | undefined

/** Lend a database; `close()` empties it for the next test. Several at once are several databases. */
export async function testDatabase(): Promise<TestDatabase> {
  const database = idle.pop() ?? (await freshDatabase())
  await database.transaction((tx) => emptyAllTables(tx))
  let lent = true
  return {
    exclusive: database.exclusive,
    query: <T>(run: (db: Db) => Promise<T>) => database.query(run),
    transaction: <T>(run: (tx: Tx) => Promise<T>) => database.transaction(run),
    close: async () => {
      if (lent) idle.push(database)
      lent = false
    },
  }
}

/** A further database in memory, for tests that close it for good or count on nothing else having used it. */
export async function freshDatabase(): Promise<PgliteDatabase> {
  if (image !== undefined) return PgliteDatabase.openInMemory(await image)
  const seed = PgliteDatabase.openInMemory()
  image = seed.then((database) => database.image())
  await image
  return seed
}

/** Empty every table but the history of migrations; counters start anew. TRUNCATE would take ten times as long. */
export async function emptyAllTables(tx: Db): Promise<void> {
  await tx.execute(sql`
    do $$ declare found record; begin
      set local session_replication_role = replica;
      for found in select tablename from pg_tables where schemaname = 'public' and tablename <> 'migration' loop
        execute format('delete from %I', found.tablename);
      end loop;
      for found in select sequencename from pg_sequences where schemaname = 'public' loop
        perform setval(format('%I', found.sequencename)::regclass, 1, false);
      end loop;
      set local session_replication_role = origin;
    end $$`)
}
