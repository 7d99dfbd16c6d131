// Everything that a service has anywhere, as a thief of all its servers would carry it off.
import { sql } from 'drizzle-orm'
import { Redis } from 'ioredis'
import type { Database } from '../../src/db/database.js'
import type { ReplicaSet } from '../../src/store/replica-set.js'

/** Something found, and where. */
export interface Dumped {
  readonly place: string
  readonly bytes: Buffer
}

/** Every row of every table of every schema, those of a queue in the database too. Bytes are in hex. */
export async function dumpDatabase(database: Database): Promise<readonly Dumped[]> {
  const rows = async <T>(query: ReturnType<typeof sql>) =>
    ((await database.query((db) => db.execute(query))) as { rows: readonly T[] }).rows
  const tables = await rows<{ schemaname: string; tablename: string }>(
    sql`select schemaname, tablename from pg_tables where schemaname not in ('pg_catalog', 'information_schema')`,
  )
  const found: Dumped[] = []
  for (const { schemaname, tablename } of tables) {
    const from = sql`${sql.identifier(schemaname)}.${sql.identifier(tablename)}`
    for (const { text } of await rows<{ text: string }>(sql`select t::text as text from ${from} t`)) {
      found.push({ place: `database ${schemaname}.${tablename}`, bytes: Buffer.from(text) })
    }
  }
  return found
}

/** Every value of every key. */
export async function dumpRedis(url: string): Promise<readonly Dumped[]> {
  const redis = new Redis(url)
  try {
    const found: Dumped[] = []
    for await (const keys of redis.scanStream() as AsyncIterable<readonly string[]>) {
      for (const key of keys) found.push({ place: `redis ${key}`, bytes: Buffer.from(JSON.stringify([key, await valueOf(redis, key)])) })
    }
    return found
  } finally {
    await redis.quit()
  }
}

async function valueOf(redis: Redis, key: string): Promise<unknown> {
  const type = await redis.type(key)
  if (type === 'hash') return redis.hgetall(key)
  if (type === 'list') return redis.lrange(key, 0, -1)
  if (type === 'set') return redis.smembers(key)
  if (type === 'zset') return redis.zrange(key, '0', '-1')
  if (type === 'stream') return redis.xrange(key, '-', '+')
  return redis.get(key)
}

/** Every object of every replica. */
export async function dumpStores({ replicas }: ReplicaSet): Promise<readonly Dumped[]> {
  const found: Dumped[] = []
  for (const { name, store } of replicas) {
    for await (const { key } of store.list('')) {
      const blocks: Uint8Array[] = []
      for await (const block of store.get(key)) blocks.push(block)
      found.push({ place: `store ${name} ${key}`, bytes: Buffer.concat(blocks) })
    }
  }
  return found
}
