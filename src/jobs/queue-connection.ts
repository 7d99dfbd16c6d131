// Where the queue lives: Redis, a PostgreSQL server, or the PGlite of this process. BullMQ itself is the same on all three.
import type { PGlite } from '@electric-sql/pglite'
import { createPostgresBackend, createRedisBackend, runMigrations, type BackendFactory, type ConnectionOptions, type PgPool } from 'bullmq'
import { Redis } from 'ioredis'
import { Pool } from 'pg'
import { EscrowError } from '../core/errors.js'
import { queueConnectTimeoutMs } from '../core/job-limits.js'
import { databaseConnectTimeoutMs, databaseStatementTimeoutMs } from '../core/limits.js'
import { lanes } from './catalog.js'
import { inOneTransaction, PglitePool, queueSchema } from './pglite-pool.js'

/** What queues and workers of BullMQ are made with. */
export interface QueueConnection {
  readonly kind: 'redis' | 'postgres' | 'pglite'
  readonly backend: BackendFactory
  /** For those who enqueue: fails soon when the server is away. */
  readonly forProducers: ConnectionOptions
  /** For workers: waits for a server that is away. */
  readonly forWorkers: ConnectionOptions
  /** Let go of connections, after the queues and workers on it were closed. */
  close(): Promise<void>
}

/**
 * A queue on Redis, which must keep what it is given (`maxmemory-policy noeviction`).
 *
 * @param url - `redis://user:password@host:port/0`, or `rediss:`; secret.
 * @throws EscrowError `QUEUE_UNAVAILABLE`
 */
export async function redisQueue(url: string): Promise<QueueConnection> {
  const once = { connectTimeout: queueConnectTimeoutMs, maxRetriesPerRequest: 0, retryStrategy: () => null, lazyConnect: true }
  const probe = new Redis(url, once)
  // What is thrown says only that the connection is closed; why, the client has said here before.
  let fault: Error | undefined
  probe.on('error', (error: Error) => (fault ??= error))
  try {
    await probe.connect()
    await probe.ping()
  } catch (cause) {
    const why = fault ?? cause
    throw unavailable(`redis does not answer: ${wordsOf(why)}`, why)
  } finally {
    probe.disconnect()
  }
  const retryStrategy = (times: number) => Math.min(times * 200, 5000)
  return {
    kind: 'redis',
    backend: createRedisBackend,
    forProducers: { url, maxRetriesPerRequest: 1, enableOfflineQueue: true, connectTimeout: queueConnectTimeoutMs, retryStrategy },
    forWorkers: { url, maxRetriesPerRequest: null, connectTimeout: queueConnectTimeoutMs, retryStrategy },
    close: async () => undefined,
  }
}

/**
 * A queue in a schema of its own on a PostgreSQL server, with connections of its own.
 *
 * @param url - as that of the index; secret.
 * @throws EscrowError `QUEUE_UNAVAILABLE`
 */
export async function postgresQueue(url: string): Promise<QueueConnection> {
  const pool = new Pool({
    connectionString: url,
    // One for each lane that listens, and a few for statements.
    max: lanes.length + 5,
    connectionTimeoutMillis: databaseConnectTimeoutMs,
    statement_timeout: databaseStatementTimeoutMs,
    keepAlive: true,
    options: `-c search_path=${queueSchema}`,
  })
  // Every queue and every worker listens for the errors of the pool.
  pool.setMaxListeners(0)
  pool.on('error', ignoreBrokenConnection)
  pool.on('connect', (client) => client.setMaxListeners(0).on('error', ignoreBrokenConnection))
  try {
    const client = await pool.connect()
    try {
      await runMigrations(client, queueSchema)
    } finally {
      client.release()
    }
  } catch (cause) {
    await pool.end()
    throw unavailable('the database of the queue does not answer', cause)
  }
  return onPool('postgres', pool, () => pool.end())
}

/**
 * A queue beside the index in the PGlite of this process. It ends with its session, which the caller closes after the queue.
 *
 * @throws EscrowError `QUEUE_UNAVAILABLE`
 */
export async function pgliteQueue(session: PGlite): Promise<QueueConnection> {
  try {
    await inOneTransaction(session, async (client) => void (await runMigrations(client, queueSchema)))
  } catch (cause) {
    throw unavailable('the tables of the queue cannot be made', cause)
  }
  const pool = new PglitePool(session)
  pool.setMaxListeners(0)
  return onPool('pglite', pool, async () => undefined)
}

function onPool(kind: 'postgres' | 'pglite', pool: PgPool, close: () => Promise<void>): QueueConnection {
  // BullMQ types the connection by its default backend, Redis.
  const connection = pool as unknown as ConnectionOptions
  return { kind, backend: createPostgresBackend as unknown as BackendFactory, forProducers: connection, forWorkers: connection, close }
}

/** What runs on a connection that breaks fails by itself; without a listener the event would end the process. */
function ignoreBrokenConnection(): void {}

/** The beginning of what a server said, which may be long and of several lines. */
function wordsOf(fault: unknown): string {
  const [line = ''] = (fault instanceof Error ? fault.message : String(fault)).split('\n')
  return line.slice(0, 200)
}

function unavailable(message: string, cause: unknown): EscrowError {
  return new EscrowError('QUEUE_UNAVAILABLE', message, { cause })
}
