import { PgDialect } from 'drizzle-orm/pg-core'
import { drizzle, NodePgSession, NodePgTransaction } from 'drizzle-orm/node-postgres'
import { Client, Pool, type PoolClient } from 'pg'
import { BugError, isEscrowError } from '../core/errors.js'
import { databaseConnectTimeoutMs, databaseStatementTimeoutMs } from '../core/limits.js'
import { databaseFault, translateFaults } from './database-fault.js'
import { Database, type Db, type Tx } from './database.js'
import { HandleScope } from './handle-scope.js'
import { migrate } from './migrate.js'
import { PipelinedReads } from './pipelined-reads.js'
import type { Prepared } from './prepared.js'

/** Connections that all readers share: one would leave the server a single core for them. */
const readConnections = 2

/** Adapter: a PostgreSQL server (15 or newer) that many processes may use. */
export class PostgresDatabase extends Database {
  readonly exclusive = false
  readonly #scope = new HandleScope()
  readonly #pool: Pool
  readonly #db: Db
  readonly #reads: PipelinedReads
  readonly #readDb: Db
  #closed: Promise<void> | undefined

  private constructor(pool: Pool, reads: PipelinedReads) {
    super()
    this.#pool = pool
    this.#db = drizzle(pool)
    this.#reads = reads
    // Drizzle only ever calls `query` on what it is given, unless it is to begin a transaction.
    this.#readDb = drizzle(reads as unknown as Client)
  }

  /**
   * Connect and bring the tables up to date.
   *
   * @param options.url - `postgres://user:password@host:port/database`; secret.
   * @param options.poolMax - connections at most, 1 to 1000, and two more when there is something to `read`.
   * @throws EscrowError `DATABASE_UNAVAILABLE`
   */
  static async open(options: { readonly url: string; readonly poolMax: number }): Promise<PostgresDatabase> {
    const pool = new Pool({
      connectionString: options.url,
      max: options.poolMax,
      connectionTimeoutMillis: databaseConnectTimeoutMs,
      statement_timeout: databaseStatementTimeoutMs,
      idle_in_transaction_session_timeout: databaseStatementTimeoutMs,
    })
    // A connection that breaks tells its pool and itself; without a listener the event would end the process. The statement that
    // runs on it fails by itself.
    pool.on('error', ignoreBrokenConnection)
    pool.on('connect', (client) => client.on('error', ignoreBrokenConnection))
    try {
      await migrateAlone(options.url)
      return new PostgresDatabase(pool, new PipelinedReads(options.url, readConnections))
    } catch (error) {
      await pool.end()
      throw databaseFault(error)
    }
  }

  query<T>(run: (db: Db) => Promise<T>): Promise<T> {
    return this.#scope.enter(() => translateFaults<Db, T>((lent) => lent(this.#db), run))
  }

  async read<Asked, Row>(statement: Prepared<Asked, Row>, asked: Asked): Promise<readonly Row[]> {
    this.#scope.requireOutside()
    try {
      return await statement(this.#readDb, asked)
    } catch (error) {
      throw databaseFault(error)
    }
  }

  transaction<T>(run: (tx: Tx) => Promise<T>): Promise<T> {
    return this.#scope.enter(() => translateFaults<Tx, T>((lent) => this.#withClient((client) => inTransaction(client, lent)), run))
  }

  close(): Promise<void> {
    return (this.#closed ??= Promise.all([this.#pool.end(), this.#reads.close()]).then(() => undefined))
  }

  async #withClient<T>(run: (client: PoolClient) => Promise<T>): Promise<T> {
    const client = await this.#pool.connect()
    let broken = false
    try {
      return await run(client)
    } catch (error) {
      broken = isEscrowError(databaseFault(error), 'DATABASE_UNAVAILABLE')
      throw error
    } finally {
      client.release(broken)
    }
  }
}

const dialect = new PgDialect()
/** One for each connection, so that what was prepared with it serves the next transaction too. */
const transactions = new WeakMap<PoolClient, Tx>()

function transactionOn(client: PoolClient): Tx {
  const known = transactions.get(client)
  if (known !== undefined) return known
  const made = new NodePgTransaction<Record<string, never>, Record<string, never>>(
    dialect,
    new NodePgSession(client, dialect, undefined),
    undefined,
  )
  transactions.set(client, made)
  return made
}

/**
 * Not drizzle's transaction over the pool: when its BEGIN fails it never gives the connection back. It does not look at the answer to COMMIT
 * either, which is a rollback without an error when a statement failed and was swallowed.
 */
async function inTransaction<T>(client: PoolClient, run: (tx: Tx) => Promise<T>): Promise<T> {
  await client.query('begin')
  try {
    const result = await run(transactionOn(client))
    const { command } = await client.query('commit')
    if (command !== 'COMMIT') throw new BugError('a transaction went on after a failed statement')
    return result
  } catch (error) {
    await client.query('rollback')
    throw error
  }
}

/** On a connection of its own, without the time limit on statements: building an index may take longer. */
async function migrateAlone(url: string): Promise<void> {
  const client = new Client({ connectionString: url, connectionTimeoutMillis: databaseConnectTimeoutMs })
  client.on('error', ignoreBrokenConnection)
  try {
    await client.connect()
    await migrate(drizzle(client))
  } finally {
    await client.end()
  }
}

function ignoreBrokenConnection(): void {}
