import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { sql } from 'drizzle-orm'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { BugError } from '../../../src/core/errors.js'
import type { Db } from '../../../src/db/database.js'
import { PostgresDatabase } from '../../../src/db/postgres-database.js'
import { prepared, type Prepared } from '../../../src/db/prepared.js'
import { serviceAddress } from '../../services/addresses.js'

let database: PostgresDatabase
let other: PostgresDatabase

beforeAll(async () => {
  // One connection each: a broken one that were given back would be met again.
  database = await PostgresDatabase.open({ url: serviceAddress('postgres'), poolMax: 1 })
  other = await PostgresDatabase.open({ url: serviceAddress('postgres'), poolMax: 1 })
})
afterAll(() => Promise.all([database.close(), other.close()]))

const connectionOf = async (db: Db) =>
  ((await db.execute(sql`select pg_backend_pid() as pid`)) as { rows: readonly { pid: number }[] }).rows[0]!.pid
const breakConnection = (pid: number) => other.query((db) => db.execute(sql`select pg_terminate_backend(${pid})`))

test('a connection that breaks inside a transaction is unavailability, and the next transaction has a new one', async () => {
  const broken = database.transaction(async (tx) => {
    await breakConnection(await connectionOf(tx))
    await tx.execute(sql`select 1`)
  })
  await expect(broken).rejects.toMatchObject({ code: 'DATABASE_UNAVAILABLE' })
  expect(await database.transaction(connectionOf)).toBeGreaterThan(0)
})

test('a connection that breaks while idle ends nothing', async () => {
  await breakConnection(await database.query(connectionOf))
  await expect.poll(() => database.query(connectionOf).catch(() => 0)).toBeGreaterThan(0)
})

const slowly: Prepared<{ readonly seconds: number; readonly answer: number }, { readonly answer: number; readonly pid: number }> = prepared(
  'fault_slowly',
  (db, given) =>
    db
      .select({ answer: sql<number>`${given('answer')}::integer`, pid: sql<number>`pg_backend_pid()` })
      .from(sql`pg_sleep(${given('seconds')}::float8)`),
)
const writing: Prepared<object, { readonly id: string }> = prepared('fault_writing', (db) =>
  db.select({ id: sql<string>`pg_notify('x', '')`, next: sql`nextval('log_entry_entry_id_seq')` }).from(sql`(select 1) as nothing`),
)

test('a connection that breaks under many readers fails what they have asked, and whoever asks next has a new one', async () => {
  const read = (seconds: number, answer: number) => database.read(slowly, { seconds, answer })
  const pids = new Set((await Promise.all(Array.from({ length: 20 }, (_, answer) => read(0, answer)))).map(([row]) => row!.pid))
  expect(pids.size).toBe(2)
  const asked = Array.from({ length: 20 }, (_, answer) => read(answer < 2 ? 30 : 0, answer))
  const settled = Promise.allSettled(asked)
  await new Promise((resolve) => void setTimeout(resolve, 100))
  for (const pid of pids) await breakConnection(pid)
  for (const one of await settled) expect(one).toMatchObject({ status: 'rejected', reason: { code: 'DATABASE_UNAVAILABLE' } })
  await expect
    .poll(() =>
      read(0, 7).then(
        ([row]) => row?.answer,
        () => 0,
      ),
    )
    .toBe(7)
})

test('readers whose connections are reset again and again leave none behind', async () => {
  const between = await Resetting.before(serviceAddress('postgres'))
  const reset = await PostgresDatabase.open({ url: between.url, poolMax: 1 })
  const read = (answer: number) => reset.read(slowly, { seconds: 0.001, answer }).catch(() => [])
  for (let round = 0; round < 30; round += 1) {
    const asked = Array.from({ length: 10 }, (_, answer) => read(answer))
    if (round % 3 > 0) await Promise.race(asked)
    between.reset()
    // Whoever asks in the moment between the reset and the end of the connection opens the next one.
    for (let ticks = 0; ticks < 5; ticks += 1) asked.push(new Promise((resolve) => setImmediate(() => resolve(read(ticks)))))
    await Promise.all(asked)
  }
  await expect.poll(async () => (await read(7))[0]?.answer).toBe(7)
  expect(between.connections).toBeLessThanOrEqual(3)
  await reset.close()
  await expect.poll(() => between.connections).toBe(0)
  between.close()
})

test('a statement that writes is no read', async () => {
  await expect(database.read(writing, {})).rejects.toBeInstanceOf(BugError)
})

test('a deadlock is a conflict for one and nothing for the other', async () => {
  const lock = (db: Db, number: number) => db.execute(sql`select pg_advisory_xact_lock(${number})`)
  const inOrder = (which: PostgresDatabase, mine: number, yours: number, ready: () => void, go: Promise<void>) =>
    which.transaction(async (tx) => {
      await lock(tx, mine)
      ready()
      await go
      await lock(tx, yours)
    })
  const gates = [gate(), gate()] as const
  const both = await Promise.allSettled([
    inOrder(database, 1, 2, gates[0].resolve, gates[1].promise),
    inOrder(other, 2, 1, gates[1].resolve, gates[0].promise),
  ])
  const refused = both.filter((result) => result.status === 'rejected')
  expect(refused.map((result) => result.reason as unknown)).toEqual([expect.objectContaining({ code: 'DATABASE_CONFLICT' })])
})

test('a server that is not there is unavailability', async () => {
  const nowhere = PostgresDatabase.open({ url: 'postgres://nobody@127.0.0.1:1/none', poolMax: 1 })
  await expect(nowhere).rejects.toMatchObject({ code: 'DATABASE_UNAVAILABLE' })
})

test('servers that start together migrate once', async () => {
  await other.query((db) => db.execute(sql`drop schema public cascade`))
  await other.query((db) => db.execute(sql`create schema public`))
  const open = () => PostgresDatabase.open({ url: serviceAddress('postgres'), poolMax: 1 })
  const started = await Promise.all([open(), open(), open()])
  await Promise.all(started.map((each) => each.close()))
  const applied = await other.query((db) => db.execute(sql`select name from migration`))
  expect((applied as { rows: readonly unknown[] }).rows.length).toBeGreaterThan(0)
})

/** Stands before PostgreSQL, and resets every connection that goes through it when it is told to. */
class Resetting {
  readonly #sockets = new Set<Socket>()

  private constructor(
    private readonly server: Server,
    readonly url: string,
  ) {}

  static async before(url: string): Promise<Resetting> {
    const { hostname, port } = new URL(url)
    const server = createServer()
    await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve))
    const through = new URL(url)
    through.host = `127.0.0.1:${(server.address() as AddressInfo).port}`
    const made = new Resetting(server, through.href)
    server.on('connection', (near) => {
      const far = connect(Number(port), hostname)
      made.#sockets.add(near)
      near
        .on('error', () => undefined)
        .on('close', () => {
          made.#sockets.delete(near)
          far.destroy()
        })
      far.on('close', () => near.destroy()).on('error', () => undefined)
      near.pipe(far).pipe(near)
    })
    return made
  }

  get connections(): number {
    return this.#sockets.size
  }

  reset(): void {
    for (const socket of this.#sockets) socket.resetAndDestroy()
  }

  close(): void {
    this.server.close()
  }
}

function gate(): { readonly promise: Promise<void>; readonly resolve: () => void } {
  let resolve: () => void = () => undefined
  const promise = new Promise<void>((open) => (resolve = open))
  return { promise, resolve }
}
