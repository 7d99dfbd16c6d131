// What tests on the real servers say to them, and write of them into `escrow.yaml`.
import { Redis } from 'ioredis'
import { Client } from 'pg'
import { serviceAddress } from './addresses.js'

/** Where a database of the server is. */
export function databaseUrl(name: string): string {
  const url = new URL(serviceAddress('postgres'))
  url.pathname = `/${name}`
  return url.href
}

/** Run one statement as the owner of the server. @param server - the one of the tests when left out. */
export async function onServer(statement: string, server = serviceAddress('postgres')): Promise<void> {
  const client = new Client({ connectionString: server })
  await client.connect()
  try {
    await client.query(statement)
  } finally {
    await client.end()
  }
}

/** Lose everything that Redis holds. */
export async function emptyRedis(): Promise<void> {
  const redis = new Redis(serviceAddress('redis'))
  await redis.flushall()
  await redis.quit()
}

/** The text of `escrow.yaml` for the servers. @param on.redisUrlFile - null where the queue lies in the database. */
export function serverConfiguration(on: {
  readonly databaseUrlFile: string
  readonly redisUrlFile: string | null
  readonly replicas: readonly string[]
  /** Lines of other keys. */
  readonly more?: readonly string[]
}): string {
  return [
    'origin: test.example/1',
    'database:',
    '  kind: postgres',
    `  urlFile: ${on.databaseUrlFile}`,
    ...(on.redisUrlFile === null ? [] : ['queue:', '  kind: redis', `  urlFile: ${on.redisUrlFile}`]),
    'replicas:',
    ...on.replicas,
    ...(on.more ?? []),
    'remotes:',
    '  allowLocalPaths: true',
    'log:',
    '  witnessQuorum: 0',
    'jurisdiction:',
    '  storeCountries: [CH]',
    '  storeControlExcluded: [US]',
    '',
  ].join('\n')
}
