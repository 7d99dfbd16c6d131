import { Client } from 'minio'
import { beforeAll, describe, expect, test } from 'vitest'
import { partBytes } from '../../src/core/limits.js'
import { S3LogHeadStore } from '../../src/store/s3-log-head-store.js'
import { S3ObjectStore } from '../../src/store/s3-object-store.js'
import { makeStoreBuckets } from '../../src/store/s3-bucket.js'
import type { S3Address } from '../../src/store/s3-connection.js'
import { serviceAddress } from '../services/addresses.js'
import { bytesOf, codeOf, collect, inDays, key, objectStoreContract, put } from './object-store.contract.js'

/** A pair of fresh buckets; what they lock stays until their store is thrown away. */
async function freshBuckets(): Promise<{ objects: S3Address; heads: S3Address }> {
  const s3 = { url: serviceAddress('s3'), accessKey: serviceAddress('s3AccessKey'), secretKey: serviceAddress('s3SecretKey') }
  const name = `escrow-${process.pid}-${Date.now().toString(36)}-${Math.random().toString(36).slice(2, 8)}`
  const objects = { ...s3, bucket: name }
  const heads = { ...s3, bucket: `${name}-heads` }
  await makeStoreBuckets(objects, heads)
  return { objects, heads }
}

objectStoreContract('an object store in S3', async () => {
  const { objects } = await freshBuckets()
  return { store: new S3ObjectStore(objects), listed: 60, close: async () => undefined }
})

describe('S3 with object lock', () => {
  let objects: S3Address
  let heads: S3Address
  let raw: Client
  beforeAll(async () => {
    ;({ objects, heads } = await freshBuckets())
    const url = new URL(objects.url)
    const { accessKey, secretKey } = objects
    raw = new Client({ endPoint: url.hostname, port: Number(url.port), useSSL: false, accessKey, secretKey, region: 'us-east-1' })
  })

  test('making buckets that exist changes nothing', async () => {
    await makeStoreBuckets(objects, heads)
    expect((await new S3ObjectStore(objects).inspect()).problems).toEqual([])
  })

  test('a bucket without object lock, or none at all, is reported in words', async () => {
    expect(await new S3ObjectStore(heads).inspect()).toEqual({
      reachable: true,
      versioned: false,
      locked: false,
      problems: [expect.stringContaining('versioning'), expect.stringContaining('object lock')],
    })
    const nowhere = new S3ObjectStore({ ...objects, bucket: 'escrow-that-is-not-there' })
    expect(await nowhere.inspect()).toMatchObject({ reachable: false, problems: ['there is no bucket escrow-that-is-not-there'] })
    expect(await codeOf(nowhere.stat(key('a')))).toBe('STORE_REFUSED')
    expect(await codeOf(collect(nowhere.get(key('a'))))).toBe('STORE_REFUSED')
    expect(await codeOf(put(nowhere, key('a'), bytesOf(1)))).toBe('STORE_REFUSED')
  })

  test.for([1000, partBytes + 1000])(
    'a locked version of %i bytes cannot be deleted with the full rights of its owner',
    async (sizeBytes) => {
      const store = new S3ObjectStore(objects)
      const name = key(`locked/${sizeBytes}`)
      const { versionId } = await put(store, name, bytesOf(sizeBytes), { retainUntil: inDays(1) })
      await expect(raw.removeObject(objects.bucket, name, { versionId })).rejects.toMatchObject({ code: 'AccessDenied' })
      await expect(raw.removeObject(objects.bucket, name, { versionId, governanceBypass: true })).rejects.toMatchObject({
        code: 'AccessDenied',
      })
      const sooner = { mode: 'COMPLIANCE', retainUntilDate: inDays(0.5).toISOString(), versionId } as Parameters<
        Client['putObjectRetention']
      >[2]
      await expect(raw.putObjectRetention(objects.bucket, name, sooner)).rejects.toMatchObject({ code: 'AccessDenied' })
      expect((await store.stat(name))?.retainUntil).toEqual(inDays(1))
    },
  )

  test('a listing of more than one page gives every key and every version once', async () => {
    const names = Array.from({ length: 1010 }, (_, index) => `paged/a/${index}`)
    for (let at = 0; at < names.length; at += 20)
      await Promise.all(names.slice(at, at + 20).map((name) => raw.putObject(objects.bucket, name, Buffer.from('x'))))
    const store = new S3ObjectStore(objects)
    const listed: string[] = []
    for await (const object of store.list('paged/')) listed.push(object.key)
    expect(listed).toEqual(names.toSorted())
    for (let at = 0; at < 1010; at += 20)
      await Promise.all(Array.from({ length: 20 }, () => raw.putObject(objects.bucket, 'paged/b/one', Buffer.from('y'))))
    await raw.putObject(objects.bucket, 'paged/b/one-more', Buffer.from('z'))
    const again: string[] = []
    for await (const object of store.list('paged/b')) again.push(object.key)
    expect(again).toEqual(['paged/b/one', 'paged/b/one-more'])
  })

  test('a delete marker hides an object but takes nothing away', async () => {
    const store = new S3ObjectStore(objects)
    const name = key('marked/object')
    const held = await put(store, name, bytesOf(50))
    await raw.removeObject(objects.bucket, name)
    expect(await store.stat(name)).toBeNull()
    for await (const object of store.list('marked/')) expect(object).toBeUndefined()
    expect(await store.versions(name)).toEqual([held])
    expect(await collect(store.get(name, { versionId: held.versionId }))).toEqual(Buffer.from(bytesOf(50)))
    const next = await put(store, name, bytesOf(60, 2))
    expect(await store.versions(name)).toEqual([next, held])
  })

  test('an object that somebody put without a lock reads as unlocked, and can be locked', async () => {
    const store = new S3ObjectStore(objects)
    await raw.putObject(objects.bucket, 'foreign/object', Buffer.from('x'))
    const held = (await store.stat(key('foreign/object')))!
    expect(held.retainUntil).toBeNull()
    expect((await store.extendRetention(held.key, held.versionId, inDays(2))).retainUntil).toEqual(inDays(2))
  })

  test('keys that are not ours are passed over', async () => {
    await raw.putObject(objects.bucket, 'odd keys/ä b', Buffer.from('x'))
    await raw.putObject(objects.bucket, '.hidden', Buffer.from('x'))
    for await (const object of new S3ObjectStore(objects).list('')) expect(object.key).toMatch(/^[\w./-]+$/)
  })

  test('an aborted upload leaves no part behind', async () => {
    const upload = await new S3ObjectStore(objects).openUpload(key('parts/object'), { retainUntil: inDays(1) })
    await upload.write(bytesOf(2 * partBytes))
    await upload.abort()
    const left: unknown[] = []
    for await (const part of raw.listIncompleteUploads(objects.bucket, 'parts/', true)) left.push(part)
    expect(left).toEqual([])
  })

  test('a stale upload of the same key does not end up in a new one', async () => {
    await raw.initiateNewMultipartUpload(objects.bucket, 'stale/object', {})
    const bytes = bytesOf(2 * partBytes + 5)
    await put(new S3ObjectStore(objects), key('stale/object'), bytes)
    expect(Buffer.compare(await collect(new S3ObjectStore(objects).get(key('stale/object'))), bytes)).toBe(0)
  })

  test('a wrong secret is a refusal, and does not show the secret', async () => {
    const store = new S3ObjectStore({ ...objects, secretKey: 'not-the-secret-key' })
    const error: unknown = await put(store, key('refused/object'), bytesOf(1)).catch((reason: unknown) => reason)
    expect(error).toMatchObject({ code: 'STORE_REFUSED' })
    expect(String(error)).not.toContain('not-the-secret-key')
    expect(await store.inspect()).toMatchObject({ reachable: false })
  })

  test('a log head is replaced whole and is not locked', async () => {
    const store = new S3LogHeadStore(heads)
    expect(await store.read('checkpoint')).toBeNull()
    await store.write('checkpoint', bytesOf(10))
    await store.write('checkpoint', bytesOf(20))
    await store.write('tile/0/x001/000.p/7', bytesOf(0))
    expect(Buffer.from((await store.read('checkpoint'))!)).toEqual(Buffer.from(bytesOf(20)))
    expect((await store.read('tile/0/x001/000.p/7'))!.length).toBe(0)
    await expect(store.write('../x', bytesOf(1))).rejects.toMatchObject({ code: 'OBJECT_KEY_INVALID' })
    await raw.removeObject(heads.bucket, 'checkpoint')
    expect(await store.read('checkpoint')).toBeNull()
    await expect(new S3LogHeadStore({ ...heads, bucket: 'escrow-that-is-not-there' }).read('checkpoint')).rejects.toMatchObject({
      code: 'STORE_REFUSED',
    })
  })
})
