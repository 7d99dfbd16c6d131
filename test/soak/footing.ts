// What a soak stands on: nothing but npm packages, or the servers that the environment names.
import { randomBytes } from 'node:crypto'
import { Redis } from 'ioredis'
import type { Database } from '../../src/db/database.js'
import { PostgresDatabase } from '../../src/db/postgres-database.js'
import { postgresQueue, redisQueue, type QueueConnection } from '../../src/jobs/queue-connection.js'
import { freshDatabase, type TestDatabase } from '../doubles/test-database.js'
import { onServer } from '../services/on-servers.js'

/** Database and queue, and what can be done to them from outside. */
export interface Footing {
  readonly words: string
  /** Outlives the service that closes it. */
  readonly database: Database
  /** Left out where the queue lies in the database. */
  readonly openQueue?: () => Promise<QueueConnection>
  /** Cut every connection to PostgreSQL. */
  readonly cutDatabase?: () => Promise<void>
  /** Empty Redis. */
  readonly emptyQueue?: () => Promise<void>
  readonly close: () => Promise<void>
}

/** PostgreSQL and Redis as `ESCROW_TEST_POSTGRES_URL` and `ESCROW_TEST_REDIS_URL` say; PGlite where they say nothing. */
export async function openFooting(): Promise<Footing> {
  const { ESCROW_TEST_POSTGRES_URL: postgres, ESCROW_TEST_REDIS_URL: redis } = process.env
  if (postgres === undefined) {
    const pglite = await freshDatabase()
    const database: TestDatabase = Object.assign(keptOpen(pglite), { session: pglite.session })
    return { words: 'PGlite and folders', database, close: () => pglite.close() }
  }
  return withServers(postgres, redis)
}

async function withServers(postgres: string, redis: string | undefined): Promise<Footing> {
  const name = `escrow_soak_${randomBytes(5).toString('hex')}`
  const url = new URL(postgres)
  await onServer(`create database ${name}`, postgres)
  url.pathname = `/${name}`
  const database = await PostgresDatabase.open({ url: url.href, poolMax: 8 })
  const client = redis === undefined ? null : new Redis(redis)
  await client?.flushall()
  return {
    words: `PostgreSQL, ${client === null ? '' : 'Redis '}and folders`,
    database: keptOpen(database),
    openQueue: () => (redis === undefined ? postgresQueue(url.href) : Promise.resolve(redisQueue(redis))),
    cutDatabase: () => onServer(`select pg_terminate_backend(pid) from pg_stat_activity where datname = '${name}'`, postgres),
    ...(client === null ? {} : { emptyQueue: async () => void (await client.flushall()) }),
    close: async () => {
      await database.close()
      await client?.quit()
      await onServer(`drop database if exists ${name} with (force)`, postgres)
    },
  }
}

function keptOpen(database: Database): Database {
  return {
    exclusive: database.exclusive,
    query: (run) => database.query(run),
    read: (statement, asked) => database.read(statement, asked),
    transaction: (run) => database.transaction(run),
    close: async () => undefined,
  }
}
