import { sql } from 'drizzle-orm'
import { createHash } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { EscrowError } from '../core/errors.js'
import type { Db, Tx } from './database.js'

/** One numbered step of the tables' history. */
interface Migration {
  /** `NNNN_<name>`; steps run in the order of their names. */
  readonly name: string
  readonly digest: string
  readonly statements: readonly string[]
}

const folder = new URL('migrations/', import.meta.url)
/** drizzle-kit writes this line between statements. */
const between = '--> statement-breakpoint'
/** Any fixed number: who holds this advisory lock migrates, all others wait and then find nothing to do. */
const lockNumber = 7_265_881

/**
 * Bring the tables up to date. Each step runs in a transaction of its own together with its entry in the table `migration`;
 * idempotent, and safe when several processes start at once.
 *
 * Not drizzle's migrator: it compares times of creation, so it silently skips a step that was written earlier but merged later.
 *
 * @param db - a single connection, not a pool.
 * @throws EscrowError `DATABASE_UNAVAILABLE` when the database was made by a newer version of this software or by other steps.
 */
export async function migrate(db: Db): Promise<void> {
  const steps = await readMigrations()
  await db.execute(sql`select pg_advisory_lock(${lockNumber})`)
  try {
    await db.execute(
      sql`create table if not exists migration (name text primary key, digest text not null, applied_at timestamptz not null default now())`,
    )
    const applied = await appliedSteps(db)
    refuseForeignHistory(applied, steps)
    for (const step of steps) if (!applied.has(step.name)) await db.transaction((tx) => apply(tx, step))
  } finally {
    await db.execute(sql`select pg_advisory_unlock(${lockNumber})`)
  }
}

async function readMigrations(): Promise<readonly Migration[]> {
  const names = (await readdir(folder)).filter((name) => name.endsWith('.sql')).sort()
  return Promise.all(
    names.map(async (name) => {
      const text = await readFile(new URL(name, folder), 'utf8')
      return { name: name.slice(0, -4), digest: createHash('sha256').update(text).digest('hex'), statements: text.split(between) }
    }),
  )
}

async function appliedSteps(db: Db): Promise<ReadonlyMap<string, string>> {
  const result = (await db.execute(sql`select name, digest from migration`)) as {
    readonly rows: readonly { name: string; digest: string }[]
  }
  return new Map(result.rows.map((row) => [row.name, row.digest]))
}

function refuseForeignHistory(applied: ReadonlyMap<string, string>, steps: readonly Migration[]): void {
  const known = new Map(steps.map((step) => [step.name, step.digest]))
  for (const [name, digest] of applied) {
    if (known.get(name) !== digest) {
      throw new EscrowError('DATABASE_UNAVAILABLE', `the database has a migration ${name} that this version does not know in this form`)
    }
  }
}

async function apply(tx: Tx, step: Migration): Promise<void> {
  for (const statement of step.statements) await tx.execute(sql.raw(statement))
  await tx.execute(sql`insert into migration (name, digest) values (${step.name}, ${step.digest})`)
}
