// The log straight from the buckets of a replica: anonymous GETs of a reader that knows nothing but the published specifications.
import { randomBytes } from 'node:crypto'
import { Client } from 'minio'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { SystemClock } from '../../src/core/environment.js'
import type { Database } from '../../src/db/database.js'
import { LogStore } from '../../src/log/log-store.js'
import { Sequencer } from '../../src/log/sequencer.js'
import { ReplicaSet } from '../../src/store/replica-set.js'
import { makeStoreBuckets } from '../../src/store/s3-bucket.js'
import type { S3Address } from '../../src/store/s3-connection.js'
import { S3LogHeadStore } from '../../src/store/s3-log-head-store.js'
import { S3ObjectStore } from '../../src/store/s3-object-store.js'
import { logKey, origin, seedEntries } from '../doubles/log-fixture.js'
import { testDatabase } from '../doubles/test-database.js'
import { readTiledLog } from '../doubles/tiles-reader.js'
import { serviceAddress } from '../services/addresses.js'

const s3 = { url: serviceAddress('s3'), accessKey: serviceAddress('s3AccessKey'), secretKey: serviceAddress('s3SecretKey') }
const objects: S3Address = { ...s3, bucket: `escrow-log-${randomBytes(6).toString('hex')}` }
const heads: S3Address = { ...s3, bucket: `${objects.bucket}-heads` }
const { hostname: endPoint, port } = new URL(s3.url)
const client = new Client({ ...s3, endPoint, port: Number(port), useSSL: false, region: 'us-east-1' })
const clock = new SystemClock()
let database: Database
let sequencer: Sequencer

beforeAll(async () => {
  database = await testDatabase()
  await makeStoreBuckets(objects, heads)
  const store = new S3ObjectStore(objects)
  const replicas = new ReplicaSet([{ name: 'a', country: 'CH', control: 'CH', store, heads: new S3LogHeadStore(heads) }])
  const retainUntil = (at: Date) => new Date(at.getTime() + 86_400_000)
  sequencer = new Sequencer(database, new LogStore(replicas), clock, {
    origin,
    signer: logKey,
    holder: 'test',
    retainUntil,
    witnesses: null,
  })
})
afterAll(() => database?.close())

/** As docs/OPERATING.md has it: the log's names and nothing else. */
async function openToEverybody(): Promise<void> {
  for (const [bucket, names] of [
    [objects.bucket, ['tile/*']],
    [heads.bucket, ['tile/*', 'checkpoint']],
  ] as const) {
    const Resource = names.map((name) => `arn:aws:s3:::${bucket}/${name}`)
    const Statement = [{ Effect: 'Allow', Principal: { AWS: ['*'] }, Action: ['s3:GetObject'], Resource }]
    await client.setBucketPolicy(bucket, JSON.stringify({ Version: '2012-10-17', Statement }))
  }
}

const anonymously = (bucket: string, path: string) => fetch(`${s3.url.replace(/\/$/, '')}/${bucket}/${path}`)

async function fromBuckets(path: string): Promise<Buffer | null> {
  const partial = path === 'checkpoint' || path.includes('.p/')
  const answer = await anonymously(partial ? heads.bucket : objects.bucket, path)
  return answer.status === 200 ? Buffer.from(await answer.arrayBuffer()) : null
}

test('anybody reads the whole log from the buckets with plain GETs, and finds it as the checkpoint says, while it grows', async () => {
  await openToEverybody()
  let size = 0
  for (const count of [3, 297, 256]) {
    size += count
    await seedEntries(database, { subject: `of-${count}`, count, at: clock.now() })
    await sequencer.run()
    expect(await readTiledLog(fromBuckets, Buffer.from(logKey.publicKey, 'base64'))).toMatchObject({ origin, size })
  }
})

test('what the log only commits to is not read with it', async () => {
  const body = Buffer.from('{}')
  await client.putObject(objects.bucket, 'events/a.json', body, body.length)
  expect((await anonymously(objects.bucket, 'events/a.json')).status).toBe(403)
  expect((await anonymously(objects.bucket, '')).status).toBe(403)
})
