// A replica set of two operators of different kinds: a bucket under object lock and a folder.
import { chmod, mkdtemp, open, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Client } from 'minio'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { SystemClock, SystemEntropy } from '../../src/core/environment.js'
import { partBytes } from '../../src/core/limits.js'
import { checkReplicas } from '../../src/store/check-replicas.js'
import { expectedOf, sha256Hex } from '../../src/store/expected-object.js'
import { FsLogHeadStore } from '../../src/store/fs-log-head-store.js'
import { FsObjectStore } from '../../src/store/fs-object-store.js'
import { makeStoreFolder } from '../../src/store/fs-store-folder.js'
import { GrowingFile } from '../../src/store/growing-file.js'
import { ReplicaSet } from '../../src/store/replica-set.js'
import { requireEvery } from '../../src/store/replica.js'
import { makeStoreBuckets } from '../../src/store/s3-bucket.js'
import { S3LogHeadStore } from '../../src/store/s3-log-head-store.js'
import { S3ObjectStore } from '../../src/store/s3-object-store.js'
import { serviceAddress } from '../services/addresses.js'
import { bytesOf, collect, inDays, key } from './object-store.contract.js'

let home: string
let set: ReplicaSet
let raw: Client
const bucket = `escrow-set-${process.pid}-${Date.now().toString(36)}`
const retainUntil = inDays(1)

beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'escrow-set-'))
  await makeStoreFolder(join(home, 'folder'))
  const s3 = { url: serviceAddress('s3'), accessKey: serviceAddress('s3AccessKey'), secretKey: serviceAddress('s3SecretKey') }
  const [objects, heads] = [
    { ...s3, bucket },
    { ...s3, bucket: `${bucket}-heads` },
  ]
  await makeStoreBuckets(objects, heads)
  const { hostname, port } = new URL(s3.url)
  raw = new Client({
    endPoint: hostname,
    port: Number(port),
    useSSL: false,
    accessKey: s3.accessKey,
    secretKey: s3.secretKey,
    region: 'us-east-1',
  })
  const folder = new FsObjectStore(join(home, 'folder'), new SystemClock(), new SystemEntropy())
  set = new ReplicaSet([
    { name: 'bucket', store: new S3ObjectStore(objects), heads: new S3LogHeadStore(heads), country: 'CH', control: 'CH' },
    { name: 'folder', store: folder, heads: new FsLogHeadStore(join(home, 'folder'), new SystemEntropy()), country: 'DE', control: 'DE' },
  ])
})
afterAll(() => rm(home, { recursive: true }))

test('both pass the start-up check', async () => {
  expect(await checkReplicas(set.replicas, () => [])).toHaveLength(2)
})

test('a sealed file is uploaded to both while it grows, damaged in each, and repaired from the other', async () => {
  const name = key('agreements/a/x.bundle.age')
  const sealed = bytesOf(3 * partBytes + 77)
  const expected = {
    ...expectedOf(sealed),
    partBytes,
    partSha256: [0, 1, 2, 3].map((part) => sha256Hex(sealed.subarray(part * partBytes, (part + 1) * partBytes))),
  }
  const path = join(home, 'sealed')
  const scratch = await open(path, 'w')
  const file = new GrowingFile(path)
  let commit: (what: typeof expected) => void = () => undefined
  const uploading = set.uploadGrowingFile(name, { file, commit: new Promise((resolve) => (commit = resolve)) }, { retainUntil })
  for (let at = 0; at < sealed.length; at += 1_000_003) {
    const piece = sealed.subarray(at, at + 1_000_003)
    await scratch.write(piece)
    file.advance(at + piece.length)
  }
  await scratch.close()
  file.finish(sealed.length)
  expect((await set.stat(name)).held.map(({ object }) => object)).toEqual([null, null])
  commit(expected)
  expect(requireEvery(await uploading).map(({ object }) => [object.sizeBytes, object.retainUntil])).toEqual([
    [sealed.length, retainUntil],
    [sealed.length, retainUntil],
  ])

  await chmod(join(home, 'folder', name), 0o644)
  await writeFile(join(home, 'folder', name), sealed.toReversed())
  expect(await set.repairObject(name, expected, { target: 'folder', retainUntil })).toMatchObject({ supersedes: 'v0001' })

  // Nobody can change the locked version, but whoever holds the key can put another over it.
  await raw.putObject(bucket, name, Buffer.from('other bytes'))
  const bad = (await set.named('bucket').store.stat(name))?.versionId
  const faults: string[] = []
  const read = await collect(
    set.readVerifiedStream(name, expected, { onFault: ({ replica, error }) => faults.push(`${replica} ${error.code}`) }),
  )
  expect(sha256Hex(read)).toBe(expected.sha256)
  expect(faults[0]).toMatch(/^bucket OBJECT_(?:MISSING|CORRUPT)$/)
  const repair = await set.repairObject(name, expected, { target: 'bucket', retainUntil })
  expect(repair.supersedes).toBe(bad)
  expect(await set.named('bucket').store.versions(name)).toHaveLength(3)
})

test('a document stored again after a lost answer is adopted and its retention lengthened', async () => {
  const name = key('agreements/a/manifest.json')
  const document = bytesOf(3000)
  const first = requireEvery(await set.putBytes(name, document, { retainUntil }))
  const again = requireEvery(await set.putBytes(name, document, { retainUntil: inDays(5) }))
  expect(again.map(({ object }) => object)).toEqual(first.map(({ object }) => ({ ...object, retainUntil: inDays(5) })))
})
