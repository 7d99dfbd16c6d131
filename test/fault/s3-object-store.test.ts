import { getEventListeners } from 'node:events'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { EscrowError } from '../../src/core/errors.js'
import { documentBytesMax, partBytes, storeAttemptsMax } from '../../src/core/limits.js'
import { S3LogHeadStore } from '../../src/store/s3-log-head-store.js'
import { S3ObjectStore } from '../../src/store/s3-object-store.js'
import { bytesOf, codeOf, collect, inDays, key, put } from '../contract/object-store.contract.js'
import { refuse, WaywardS3Server, xml, type Wayward } from '../doubles/wayward-s3-server.js'

let server: WaywardS3Server
let store: S3ObjectStore
let heads: S3LogHeadStore
const name = key('a/object')
const bytes = bytesOf(100_000)
const crashes: unknown[] = []
const onCrash = (reason: unknown) => void crashes.push(reason)

beforeEach(async () => {
  process.on('unhandledRejection', onCrash).on('uncaughtExceptionMonitor', onCrash)
  server = new WaywardS3Server()
  const address = {
    url: await server.start(),
    accessKey: 'key',
    secretKey: 'secret-of-the-store',
    bucket: 'objects',
    timeoutMs: 200,
    retryPauseMs: 5,
  }
  store = new S3ObjectStore(address)
  heads = new S3LogHeadStore(address)
})
afterEach(async () => {
  await server.stop()
  await new Promise((resolve) => setImmediate(resolve))
  process.off('unhandledRejection', onCrash).off('uncaughtExceptionMonitor', onCrash)
  expect(crashes).toEqual([])
})

/** Go wrong at requests that match, so many times. */
function goWrong(matches: Parameters<typeof server.seen.filter>[0], how: Wayward, times = Infinity): void {
  let left = times
  server.wayward = (seen, response, after) => (matches(seen, 0, []) === true && left-- > 0 ? how(seen, response, after) : 'rightly')
}
const hang: Wayward = () => 'answered'
const reset: Wayward = (_seen, response) => (response.destroy(), 'answered')
const answer =
  (status: number, code: string, message?: string): Wayward =>
  (_seen, response) => (refuse(response, status, code, message), 'answered')

test('the double answers rightly unless it is told otherwise', async () => {
  await put(store, name, bytes, { retainUntil: inDays(1) })
  expect(await collect(store.get(name))).toEqual(Buffer.from(bytes))
  await put(store, key('a/parts'), bytesOf(partBytes + 1))
  expect((await store.stat(key('a/parts')))?.sizeBytes).toBe(partBytes + 1)
})

test('a store where nobody listens is unreachable', async () => {
  await server.stop()
  expect(await codeOf(store.stat(name))).toBe('STORE_UNREACHABLE')
  expect(await codeOf(put(store, name, bytes))).toBe('STORE_UNREACHABLE')
  expect(await store.inspect()).toMatchObject({ reachable: false, problems: [expect.stringMatching(/does not answer \(ECONNREFUSED/)] })
})

test('a store that accepts and never answers is given up in time', async () => {
  server.wayward = hang
  expect(await codeOf(store.stat(name))).toBe('STORE_UNREACHABLE')
  expect(server.count('HEAD')).toBe(storeAttemptsMax)
})

test('many requests under one signal are one listener of it, which ends them all and goes with the last of them', async () => {
  const stop = new AbortController()
  const listeners = () => getEventListeners(stop.signal, 'abort').length
  await put(store, name, bytes, { retainUntil: inDays(1) })
  const busy = Array.from({ length: 40 }, () => store.stat(name, stop.signal))
  await new Promise((resolve) => setImmediate(resolve))
  expect(listeners()).toBe(1)
  expect((await Promise.all(busy)).every((held) => held?.sizeBytes === bytes.length)).toBe(true)
  await vi.waitFor(() => expect(listeners()).toBe(0))

  server.wayward = hang
  const hanging = Array.from({ length: 40 }, () => store.stat(name, stop.signal))
  await vi.waitFor(() => expect(listeners()).toBe(1))
  stop.abort(new EscrowError('LEASE_LOST', 'another worker has the source'))
  for (const ended of await Promise.allSettled(hanging)) expect(ended).toMatchObject({ status: 'rejected', reason: { code: 'LEASE_LOST' } })
  expect(listeners()).toBe(0)
})

test.for(['stat', 'get', 'put', 'list', 'extend'] as const)(
  'an aborted signal ends a %s that hangs at once, with its reason',
  async (call) => {
    server.wayward = hang
    const stop = new AbortController()
    const running = {
      stat: () => store.stat(name, stop.signal),
      get: () => collect(store.get(name, {}, stop.signal)),
      put: () => store.openUpload(name, { retainUntil: inDays(1) }, stop.signal),
      list: () => store.list('', stop.signal)[Symbol.asyncIterator]().next(),
      extend: () => store.extendRetention(name, 'only', inDays(1), stop.signal),
    }[call]()
    const ended = codeOf(running)
    while (server.seen.length === 0) await new Promise((resolve) => setImmediate(resolve))
    stop.abort(new EscrowError('LEASE_LOST', 'another worker has the source'))
    expect(await ended).toBe('LEASE_LOST')
  },
)

test.for([500, 502, 503, 504])('a store that answers %i once is asked again, and for ever is unreachable', async (status) => {
  goWrong((seen) => seen.method === 'HEAD', answer(status, 'SlowDown'), 1)
  expect(await store.stat(name)).toBeNull()
  goWrong(() => true, answer(status, 'SlowDown'))
  expect(await codeOf(store.stat(name))).toBe('STORE_UNREACHABLE')
})

test.for([
  [403, 'AccessDenied', 'STORE_REFUSED'],
  [403, 'InvalidAccessKeyId', 'STORE_REFUSED'],
  [404, 'NoSuchBucket', 'STORE_REFUSED'],
  [400, 'BadDigest', 'STORE_SHORT_WRITE'],
  [507, 'QuotaExceeded', 'STORE_REFUSED'],
] as const)('%i %s at a put means %s', async ([status, s3, code]) => {
  goWrong((seen) => seen.method === 'PUT', answer(status, s3, 'words\u0007 of the\nstore'))
  const error: unknown = await put(store, name, bytes).catch((reason: unknown) => reason)
  expect(error).toMatchObject({ code, details: { s3 } })
  expect((error as Error).message).toMatch(new RegExp(`${s3}.*words.* of the store`))
  expect((error as Error).message).not.toMatch(/[^ -~]/)
})

test('a connection that breaks while an object is read is taken up where it broke', async () => {
  await put(store, name, bytesOf(3_000_000))
  let breaks = 0
  goWrong(
    (seen) => seen.method === 'GET' && !seen.query.has('retention'),
    (seen, response) => {
      const whole = server.objects.get(seen.key)!.body
      const from = Number(/bytes=(\d+)-/.exec(seen.range ?? '')?.[1] ?? 0)
      breaks += 1
      response.writeHead(from === 0 ? 200 : 206, { 'content-length': whole.length - from, 'x-amz-version-id': 'only' })
      response.write(whole.subarray(from, from + 700_000), () => setTimeout(() => response.destroy(), 20))
      return 'answered'
    },
    3,
  )
  expect(Buffer.compare(await collect(store.get(name)), bytesOf(3_000_000))).toBe(0)
  expect(breaks).toBe(3)
  expect(server.seen.filter((seen) => seen.range !== undefined).every((seen) => seen.query.get('versionId') === 'only')).toBe(true)
})

test('a store that always breaks off is unreachable, not an object that ends early', async () => {
  await put(store, name, bytes)
  goWrong(
    (seen) => seen.method === 'GET',
    (_seen, response) => {
      response.writeHead(200, { 'content-length': bytes.length, 'x-amz-version-id': 'only' })
      response.flushHeaders()
      response.destroy()
      return 'answered'
    },
  )
  expect(await codeOf(collect(store.get(name)))).toBe('STORE_UNREACHABLE')
})

test.for([
  ['a page that is no XML', 'not xml at all <<<'],
  [
    'a page of another kind',
    '<ListVersionsResult><IsTruncated>true</IsTruncated><Version><Key>a</Key><Size>1</Size></Version></ListVersionsResult>',
  ],
  [
    'an endless sequence of the same page',
    '<ListVersionsResult><IsTruncated>true</IsTruncated><NextKeyMarker>a</NextKeyMarker></ListVersionsResult>',
  ],
  ['a page without an end', `<ListVersionsResult>${' '.repeat(documentBytesMax + 1)}</ListVersionsResult>`],
] as const)('%s is no answer', async ([, text]) => {
  server.wayward = (_seen, response) => (xml(response, text), 'answered')
  const listing = (async () => {
    for await (const object of store.list('')) expect(object).toBeUndefined()
    throw new EscrowError('NOT_FOUND', 'the listing ended well')
  })()
  expect(await codeOf(listing)).toBe('STORE_UNREACHABLE')
})

test.for([100, partBytes + 100])(
  'a store that keeps other bytes of %i than were sent is found out before they count',
  async (sizeBytes) => {
    goWrong(
      (seen) => seen.method === 'PUT' && !seen.query.has('retention'),
      (seen, response, after) => {
        seen.body[0]! ^= 1
        after()
        response.setHeader('etag', '"0123456789abcdef0123456789abcdef"').setHeader('x-amz-version-id', 'only').end()
        return 'answered'
      },
      1,
    )
    expect(await codeOf(put(store, name, bytesOf(sizeBytes)))).toBe('STORE_SHORT_WRITE')
  },
)

test('a store that joins fewer parts than were sent is found out', async () => {
  goWrong(
    (seen) => seen.method === 'POST' && seen.query.has('uploadId'),
    (seen, response, after) => {
      after()
      const held = server.objects.get(seen.key)!
      server.objects.set(seen.key, { ...held, body: held.body.subarray(0, partBytes) })
      response.setHeader('x-amz-version-id', 'only')
      xml(response, '<CompleteMultipartUploadResult><ETag>"x"</ETag></CompleteMultipartUploadResult>')
      return 'answered'
    },
  )
  expect(await codeOf(put(store, name, bytesOf(2 * partBytes)))).toBe('STORE_SHORT_WRITE')
})

test.for([100, partBytes + 100])(
  'when the answer to storing %i bytes is lost, the object is found and locked, and not sent twice',
  async (sizeBytes) => {
    const visible = (seen: { method: string; query: URLSearchParams }) =>
      (seen.method === 'POST' && seen.query.has('uploadId')) || (seen.method === 'PUT' && [...seen.query].length === 0)
    goWrong(
      (seen) => visible(seen),
      (_seen, response, after) => {
        after()
        response.destroy()
        return 'answered'
      },
    )
    expect(await put(store, name, bytesOf(sizeBytes), { retainUntil: inDays(3) })).toMatchObject({ sizeBytes, retainUntil: inDays(3) })
    expect(server.seen.filter((seen) => visible(seen))).toHaveLength(1)
  },
)

test('when a part is lost on the way it is sent again', async () => {
  goWrong((seen) => seen.query.get('partNumber') === '1', reset, 1)
  await put(store, name, bytesOf(partBytes + 1))
  expect(server.seen.filter((seen) => seen.query.get('partNumber') === '1')).toHaveLength(2)
})

test('when a part cannot be sent the upload is removed at the store', async () => {
  goWrong((seen) => seen.query.get('partNumber') === '2', answer(403, 'AccessDenied'))
  const upload = await store.openUpload(name, { retainUntil: inDays(1) })
  const sending = (async () => {
    await upload.write(bytesOf(2 * partBytes + 1))
    await upload.complete()
  })()
  expect(await codeOf(sending)).toBe('STORE_REFUSED')
  await upload.abort()
  expect(server.count('DELETE', 'uploadId')).toBe(1)
  expect(server.objects.size).toBe(0)
})

test.for([
  ['ignores the lock', '<Retention></Retention>'],
  [
    'locks so that it can be lifted',
    `<Retention><Mode>GOVERNANCE</Mode><RetainUntilDate>${inDays(9).toISOString()}</RetainUntilDate></Retention>`,
  ],
  ['locks for too short', `<Retention><Mode>COMPLIANCE</Mode><RetainUntilDate>${inDays(0).toISOString()}</RetainUntilDate></Retention>`],
  ['answers with no date', '<Retention><Mode>COMPLIANCE</Mode><RetainUntilDate>for ever</RetainUntilDate></Retention>'],
] as const)('a store that %s does not count as having stored', async ([, retention]) => {
  goWrong(
    (seen) => seen.method === 'GET' && seen.query.has('retention'),
    (_seen, response) => (xml(response, retention), 'answered'),
  )
  expect(await codeOf(put(store, name, bytes))).toBe('RETENTION_REFUSED')
})

test('a store that refuses the lock does not count as having stored', async () => {
  goWrong((seen) => seen.method === 'PUT' && seen.query.has('retention'), answer(403, 'AccessDenied'))
  expect(await codeOf(put(store, name, bytes))).toBe('RETENTION_REFUSED')
})

test('a log head without an end is refused, and one that breaks off is read again', async () => {
  await heads.write('checkpoint', bytes)
  goWrong((seen) => seen.method === 'GET', reset, 2)
  expect(Buffer.from((await heads.read('checkpoint'))!)).toEqual(Buffer.from(bytes))
  goWrong(
    (seen) => seen.method === 'GET',
    (_seen, response) => {
      const more = () => {
        while (response.write(Buffer.alloc(1 << 20)) && !response.destroyed);
      }
      response.on('drain', more)
      more()
      return 'answered'
    },
  )
  await expect(heads.read('checkpoint')).rejects.toMatchObject({ code: 'STORE_REFUSED' })
})

test.for(['ftp://s3', 's3.example.ch', 'https://key:secret@s3', 'https://s3/path', 'https://s3?x=1', ''])(
  'the endpoint %j is refused',
  (url) => {
    expect(() => new S3ObjectStore({ url, accessKey: 'a', secretKey: 'b', bucket: 'objects' })).toThrow(
      expect.objectContaining({ code: 'CONFIG_INVALID' }),
    )
  },
)
