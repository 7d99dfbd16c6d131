import { and, eq, lte, sql } from 'drizzle-orm'
import { generateDrizzleJson, generateMigration } from 'drizzle-kit/api'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { BugError, EscrowError } from '../../src/core/errors.js'
import type { Database, Db } from '../../src/db/database.js'
import { prepared, type Prepared } from '../../src/db/prepared.js'
import { leaseTable } from '../../src/escrow/archive/lease.table.js'
import { recordReplica, replicaTable, listReplicas } from '../../src/escrow/archive/copy.table.js'
import { emptyAllTables } from '../doubles/test-database.js'
import { projectTables } from './project-tables.js'

const at = new Date('2026-11-22T10:00:00.123Z')
const replica = (name: string) => ({ replica: name, country: 'CH', control: 'CH', addedAt: at })

const replicaNamed: Prepared<{ readonly name: string }, { readonly name: string }> = prepared('contract_replica_name', (db, given) =>
  db
    .select({ name: replicaTable.replica })
    .from(replicaTable)
    .where(eq(replicaTable.replica, given('name'))),
)
/** Fails for a divisor of 0. */
const tenFold: Prepared<{ readonly number: number; readonly divisor: number }, { readonly tenFold: number }> = prepared(
  'contract_ten_fold',
  (db, given) =>
    db
      .select({ tenFold: sql<number>`${given('number')}::integer * 10 + 0 / ${given('divisor')}::integer` })
      .from(sql`(select 1) as nothing`),
)

/** The laws of the `Database` port. @param open - gives a database that is empty or may be emptied; opened several times. */
export function databaseContract(adapter: string, open: () => Promise<Database>): void {
  describe(`${adapter} as Database`, () => {
    let database: Database

    beforeAll(async () => {
      database = await open()
    })
    beforeEach(() => database.transaction((tx) => emptyAllTables(tx)))
    afterAll(() => database.close())

    const names = () => database.query(async (db) => (await listReplicas(db)).map((row) => row.replica))

    test('what a transaction wrote is there afterwards', async () => {
      await database.transaction((tx) => recordReplica(tx, replica('a')))
      expect(await names()).toEqual(['a'])
    })

    test('a transaction that throws leaves nothing behind and throws the same error on', async () => {
      const failure = new Error('connection to the moon lost')
      const attempt = database.transaction(async (tx) => {
        await recordReplica(tx, replica('a'))
        throw failure
      })
      await expect(attempt).rejects.toBe(failure)
      expect(await names()).toEqual([])
    })

    test('a savepoint takes back its own part only', async () => {
      await database.transaction(async (tx) => {
        await recordReplica(tx, replica('a'))
        await expect(
          tx.transaction(async (inner) => {
            await recordReplica(inner, replica('b'))
            throw new Error('not b')
          }),
        ).rejects.toThrow('not b')
        await recordReplica(tx, replica('c'))
      })
      expect(await names()).toEqual(['a', 'c'])
    })

    test('a broken unique rule is a conflict that names the rule and none of the values', async () => {
      const twice = database.transaction(async (tx) => {
        await tx.insert(replicaTable).values({ ...replica('secret-name'), state: 'active' })
        await tx.insert(replicaTable).values({ ...replica('secret-name'), state: 'active' })
      })
      const error = await twice.catch((thrown: unknown) => thrown)
      expect(error).toMatchObject({ code: 'DATABASE_CONFLICT', details: { sqlState: '23505', rule: 'replica_pkey' } })
      expect((error as EscrowError).message).not.toContain('secret-name')
      expect(await names()).toEqual([])
    })

    test.for(['query', 'transaction'] as const)(
      'a %s inside a transaction is a bug that is found at once, not a deadlock',
      async (kind) => {
        const nested = database.transaction(() => database[kind](async () => 1))
        await expect(nested).rejects.toBeInstanceOf(BugError)
        await expect(database.query(() => database[kind](async () => 1))).rejects.toBeInstanceOf(BugError)
        expect(await names()).toEqual([])
      },
    )

    test('a prepared statement answers each run with the values of that run, in a transaction too', async () => {
      for (const name of ['a', 'b']) await database.transaction((tx) => recordReplica(tx, replica(name)))
      const named: Prepared<{ readonly name: string; readonly until: Date; readonly limit: number }, { readonly name: string }> = prepared(
        'contract_replica_named',
        (db, given) =>
          db
            .select({ name: replicaTable.replica })
            .from(replicaTable)
            .where(and(eq(replicaTable.replica, given('name')), lte(replicaTable.addedAt, given('until', replicaTable.addedAt))))
            .limit(given('limit')),
      )
      const ask = (db: Db, name: string, until = at) => named(db, { name, until, limit: 1 })
      const asked = ['a', 'b', 'none', 'a', "b' or 'b' = 'b"]
      const expected = [[{ name: 'a' }], [{ name: 'b' }], [], [{ name: 'a' }], []]
      expect(await Promise.all(asked.map((name) => database.query((db) => ask(db, name))))).toEqual(expected)
      expect(await database.transaction((tx) => ask(tx, 'b'))).toEqual([{ name: 'b' }])
      expect(await database.query((db) => ask(db, 'a', new Date(at.getTime() - 1)))).toEqual([])
    })

    test('readers that ask at once get each its own answer, also when some of their statements fail', async () => {
      const asked = Array.from({ length: 70 }, (_, number) => number)
      const answers = await Promise.allSettled(asked.map((number) => database.read(tenFold, { number, divisor: number % 7 })))
      for (const [number, answer] of answers.entries()) {
        if (number % 7 === 0) expect(answer).toMatchObject({ status: 'rejected', reason: expect.any(BugError) as BugError })
        else expect(answer).toEqual({ status: 'fulfilled', value: [{ tenFold: number * 10 }] })
      }
      expect(await database.read(tenFold, { number: 4, divisor: 1 })).toEqual([{ tenFold: 40 }])
    })

    test('who reads sees what was committed, and a reader inside a transaction is a bug that is found at once', async () => {
      const read = () => database.read(replicaNamed, { name: 'a' })
      await expect(database.transaction(read)).rejects.toBeInstanceOf(BugError)
      await expect(database.query(read)).rejects.toBeInstanceOf(BugError)
      expect(await read()).toEqual([])
      await database.transaction((tx) => recordReplica(tx, replica('a')))
      expect(await read()).toEqual([{ name: 'a' }])
    })

    test('what a transaction started without waiting may use the database after it', async () => {
      let later: Promise<unknown> | undefined
      let go: () => void = () => undefined
      const gate = new Promise<void>((resolve) => (go = resolve))
      await database.transaction(async () => {
        later = gate.then(names)
      })
      go()
      expect(await later).toEqual([])
    })

    test('transactions that start together all take effect', async () => {
      const many = Array.from({ length: 20 }, (_, i) => `replica-${String(i).padStart(2, '0')}`)
      await Promise.all(many.map((name) => database.transaction((tx) => recordReplica(tx, replica(name)))))
      expect(await names()).toEqual(many)
    })

    test('a transaction that goes on after a failed statement is a bug, never a silent rollback', async () => {
      const swallowed = database.transaction(async (tx) => {
        await recordReplica(tx, replica('a'))
        await tx.execute(sql`select 1 / 0`).then(
          () => undefined,
          () => undefined,
        )
      })
      await expect(swallowed).rejects.toBeInstanceOf(BugError)
      expect(await names()).toEqual([])
    })

    test('a statement that can never succeed is a bug and shows no parameters', async () => {
      const secret = 'parameter-that-stays-here'
      const failed = database.query((db) => db.insert(replicaTable).values({ ...replica('a'), state: secret as 'active' }))
      const error = await failed.then(
        () => undefined,
        (thrown: unknown) => thrown,
      )
      expect(error).toBeInstanceOf(BugError)
      expect(String(error)).toContain('replica_state_known')
      expect(String(error)).not.toContain(secret)
    })

    test.for([0, 1, 2 ** 31, Number.MAX_SAFE_INTEGER])('the count %i and milliseconds come back as they went', async (fencingToken) => {
      const row = { agreementId: 'agr_a', source: 's', holder: 'h', fencingToken, expiresAt: at }
      await database.query((db) => db.insert(leaseTable).values(row))
      expect(await database.query((db) => db.select().from(leaseTable).where(eq(leaseTable.source, 's')))).toEqual([row])
    })

    test('the tables of the code are those of the migrated database', async () => {
      const migrated = await database.query(catalogue)
      const undo = new Error('undo')
      let declared: unknown
      const trial = database.transaction(async (tx) => {
        await tx.execute(sql`drop schema public cascade`)
        await tx.execute(sql`create schema public`)
        for (const statement of await generateMigration(generateDrizzleJson({}), generateDrizzleJson(projectTables))) {
          await tx.execute(sql.raw(statement))
        }
        declared = await catalogue(tx)
        throw undo
      })
      await expect(trial).rejects.toBe(undo)
      expect(migrated).toEqual(declared)
      expect(migrated.length).toBeGreaterThan(100)
    })

    test('closing twice is closing once, and afterwards nothing answers', async () => {
      const other = await open()
      await other.close()
      await other.close()
      const one = (db: Db) => db.execute(sql`select 1`)
      await expect(other.query(one)).rejects.toMatchObject({ code: 'DATABASE_UNAVAILABLE' })
      await expect(other.transaction(one)).rejects.toMatchObject({ code: 'DATABASE_UNAVAILABLE' })
      await expect(other.read(replicaNamed, { name: 'a' })).rejects.toMatchObject({ code: 'DATABASE_UNAVAILABLE' })
    })
  })
}

/** Every column, index and constraint of the tables, as PostgreSQL itself words them. */
async function catalogue(db: Db): Promise<readonly string[]> {
  const found = await db.execute(sql`
    select format('%s.%s %s %s %s %s', c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attidentity,
      pg_get_expr(d.adbin, d.adrelid)) as line
    from pg_attribute a join pg_class c on c.oid = a.attrelid left join pg_attrdef d on d.adrelid = c.oid and d.adnum = a.attnum
    where c.relnamespace = 'public'::regnamespace and c.relkind = 'r' and c.relname <> 'migration' and a.attnum > 0 and not a.attisdropped
    union all
    select indexdef from pg_indexes where schemaname = 'public' and tablename <> 'migration'
    union all
    select format('%s %s %s', conrelid::regclass, conname, pg_get_constraintdef(oid)) from pg_constraint
    where connamespace = 'public'::regnamespace and conrelid <> 0 and conrelid::regclass::text <> 'migration'
    order by line`)
  return (found as { readonly rows: readonly { readonly line: string }[] }).rows.map((row) => row.line)
}
