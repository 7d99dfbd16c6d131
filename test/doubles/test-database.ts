import type { PGlite } from '@electric-sql/pglite'
import { sql } from 'drizzle-orm'
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdir, readdir, readFile, rename, stat, writeFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import type { Database, Db, Tx } from '../../src/db/database.js'
import { PgliteDatabase } from '../../src/db/pglite-database.js'
import type { Prepared } from '../../src/db/prepared.js'

/** A real database in memory with up-to-date, empty tables. */
export type TestDatabase = Database & {
  /** For a queue beside it; its jobs are gone when the database is lent again. */
  readonly session: PGlite
}

// A first PGlite costs seconds (initdb), one from an image about one, an emptied one milliseconds; and 300 to 800 MB each. So a test
// that closes its database leaves it, emptied, to the next one in the same vitest worker.
const idle: PgliteDatabase[] = []
let imageFile: Promise<string> | undefined
let image: Promise<Blob> | undefined

/** Tests need no buffers of 128 MB; and every program that a test starts waits until the tables of all this memory are copied. */
const settings = `alter system set shared_buffers = '16MB'`

/** Lend a database; `close()` empties it for the next test. Several at once are several databases. */
export async function testDatabase(): Promise<TestDatabase> {
  const database = idle.pop() ?? (await freshDatabase())
  await database.transaction((tx) => emptyAllTables(tx))
  let lent = true
  return {
    exclusive: database.exclusive,
    session: database.session,
    query: <T>(run: (db: Db) => Promise<T>) => database.query(run),
    read: <Asked, Row>(statement: Prepared<Asked, Row>, asked: Asked) => database.read(statement, asked),
    transaction: <T>(run: (tx: Tx) => Promise<T>) => database.transaction(run),
    close: async () => {
      if (lent) idle.push(database)
      lent = false
    },
  }
}

/** A further database in memory, for tests that close it for good or count on nothing else having used it. */
export async function freshDatabase(): Promise<PgliteDatabase> {
  return PgliteDatabase.openInMemory(await imageOfEmpty())
}

/** Put an empty database with up-to-date tables into a folder, as a first start would leave it, without its seconds of initdb. */
export async function fillDatabaseFolder(folder: string): Promise<void> {
  imageFile ??= readOrMakeImage()
  await mkdir(folder, { recursive: true, mode: 0o700 })
  await promisify(execFile)('tar', ['-xf', await imageFile, '-C', folder])
}

function imageOfEmpty(): Promise<Blob> {
  imageFile ??= readOrMakeImage()
  return (image ??= imageFile.then(async (path) => new Blob([await readFile(path)])))
}

/** Made once for each set of migrations and version of PGlite, and kept where vite keeps its cache: initdb takes seconds. @returns its path */
async function readOrMakeImage(): Promise<string> {
  const path = await imagePath()
  if (await stat(path).catch(() => null)) return path
  const database = await PgliteDatabase.openInMemory()
  await database.session.exec(settings)
  const made = await database.image()
  idle.push(database)
  const partial = `${path}.${process.pid}`
  await mkdir(dirname(path), { recursive: true })
  await writeFile(partial, Buffer.from(await made.arrayBuffer()))
  await rename(partial, path)
  return path
}

async function imagePath(): Promise<string> {
  const source = join(import.meta.dirname, '../../src/db')
  const migrations = (await readdir(join(source, 'migrations'))).filter((name) => name.endsWith('.sql')).sort()
  const engine = join(dirname(fileURLToPath(import.meta.resolve('@electric-sql/pglite'))), '../package.json')
  const hash = createHash('sha256').update(settings)
  for (const file of [engine, join(source, 'migrate.ts'), ...migrations.map((name) => join(source, 'migrations', name))]) {
    hash.update(`${basename(file)}\n`).update(await readFile(file))
  }
  return join(engine, '../../../.cache/reduit', `empty-database-${hash.digest('hex').slice(0, 16)}.tar`)
}

/** Empty every table that was ever written to, but for the history of migrations; counters start anew. TRUNCATE would take ten times as long. */
export async function emptyAllTables(tx: Db): Promise<void> {
  await tx.execute(sql`
    do $$ declare found record; begin
      set local session_replication_role = replica;
      for found in select schemaname, tablename from pg_tables where schemaname in ('public', 'bullmq') and tablename <> 'migration'
          and pg_relation_size(format('%I.%I', schemaname, tablename)::regclass) > 0 loop
        execute format('delete from %I.%I', found.schemaname, found.tablename);
      end loop;
      for found in select sequencename from pg_sequences where schemaname = 'public' loop
        perform setval(format('%I', found.sequencename)::regclass, 1, false);
      end loop;
      set local session_replication_role = origin;
    end $$`)
}

/** What drivers answer has this shape, and drizzle's type for both of them does not say so. */
const rowsOf = <Row>(answer: unknown): readonly Row[] => (answer as { readonly rows: readonly Row[] }).rows

/** Copy every row and counter of one database into another with the same, empty tables. */
export async function copyRows(from: Database, to: Database): Promise<void> {
  const tables = await from.query(async (db) => {
    const names = await db.execute(sql`select tablename as name from pg_tables where schemaname = 'public' and tablename <> 'migration'`)
    const found: { readonly name: string; readonly rows: string }[] = []
    for (const { name } of rowsOf<{ name: string }>(names)) {
      const answer = await db.execute(sql`select coalesce(json_agg(t)::text, '[]') as rows from ${sql.identifier(name)} t`)
      found.push({ name, rows: rowsOf<{ rows: string }>(answer)[0]?.rows ?? '[]' })
    }
    return found
  })
  const counters = await from.query((db) =>
    db.execute(sql`select sequencename as name, last_value::text as last from pg_sequences where schemaname = 'public'`),
  )
  await to.transaction(async (tx) => {
    await tx.execute(sql`set local session_replication_role = replica`)
    for (const { name, rows } of tables) {
      const table = sql.identifier(name)
      await tx.execute(
        sql`insert into ${table} overriding system value select * from json_populate_recordset(null::${table}, ${rows}::json)`,
      )
    }
    for (const { name, last } of rowsOf<{ name: string; last: string | null }>(counters)) {
      if (last !== null) await tx.execute(sql`select setval(${`"${name}"`}::regclass, ${last}::bigint)`)
    }
  })
}
