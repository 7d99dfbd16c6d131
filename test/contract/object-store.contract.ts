// The promises of the object-store port. Every adapter runs this suite and adds only a factory.
import { createCipheriv, createHash } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { isEscrowError, type ErrorCode } from '../../src/core/errors.js'
import { partBytes, readBlockBytes } from '../../src/core/limits.js'
import { parseObjectKey, type ObjectKey } from '../../src/store/object-key.js'
import type { ObjectStore, ReadRange } from '../../src/store/object-store.js'

/** An empty store of its own, and what the suite has to know of it. */
export interface StoreUnderTest {
  readonly store: ObjectStore
  /** How many objects the listing test makes: more than one page where that is affordable. */
  readonly listed: number
  readonly close: () => Promise<void>
}

const second = 1000
const day = 24 * 60 * 60 * second
const loadedAt = Math.ceil(Date.now() / second) * second
/** So many days from when the suite was loaded, in whole seconds: some stores keep no milliseconds. */
export const inDays = (days: number): Date => new Date(loadedAt + days * day)
export const key = (text: string): ObjectKey => parseObjectKey(text)
/** Bytes that look random and are the same each time. */
export function bytesOf(sizeBytes: number, seed = 1): Uint8Array {
  const keystream = createCipheriv('aes-128-ctr', createHash('md5').update(`seed ${seed}`).digest(), Buffer.alloc(16))
  return keystream.update(Buffer.alloc(sizeBytes))
}
const digest = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')

export async function put(
  store: ObjectStore,
  name: ObjectKey,
  bytes: Uint8Array,
  options: { retainUntil?: Date; supersede?: boolean; block?: number } = {},
) {
  const { retainUntil = inDays(1), supersede = false, block = readBlockBytes } = options
  const upload = await store.openUpload(name, { retainUntil, supersede })
  for (let at = 0; at < bytes.length; at += block) await upload.write(bytes.subarray(at, at + block))
  return upload.complete()
}

export async function collect(blocks: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const all: Uint8Array[] = []
  for await (const block of blocks) all.push(block)
  return Buffer.concat(all)
}

/** The code that a refusal carries; fails when nothing is refused. */
export async function codeOf(work: Promise<unknown>): Promise<ErrorCode> {
  const error: unknown = await work.then(
    () => new Error('expected a refusal'),
    (reason: unknown) => reason,
  )
  if (!isEscrowError(error)) throw error
  return error.code
}

export function objectStoreContract(title: string, make: () => Promise<StoreUnderTest>): void {
  describe(title, () => {
    let subject: StoreUnderTest
    let store: ObjectStore
    beforeAll(async () => {
      subject = await make()
      store = subject.store
    })
    afterAll(() => subject?.close())

    test('a store that is as it must be reports no problem', async () => {
      expect(await store.inspect()).toMatchObject({ reachable: true, versioned: true, locked: true, problems: [] })
    })

    test.for([0, 1, readBlockBytes + 1, partBytes - 1, partBytes, partBytes + 1, 2 * partBytes + 3])(
      'an object of %i bytes reads back as it was written',
      async (sizeBytes) => {
        const [name, bytes, retainUntil] = [key(`sizes/${sizeBytes}`), bytesOf(sizeBytes), inDays(2)]
        const stored = await put(store, name, bytes, { retainUntil, block: 3 * readBlockBytes + 7 })
        expect(stored).toMatchObject({ key: name, sizeBytes, retainUntil })
        expect(await store.stat(name)).toEqual(stored)
        let longest = 0
        const hash = createHash('sha256')
        for await (const block of store.get(name)) {
          longest = Math.max(longest, block.length)
          hash.update(block)
        }
        expect(hash.digest('hex')).toBe(digest(bytes))
        expect(longest).toBeLessThanOrEqual(readBlockBytes)
      },
    )

    test('blocks that a reader keeps do not change', async () => {
      const bytes = bytesOf(3 * readBlockBytes, 5)
      await put(store, key('kept/blocks'), bytes)
      expect(digest(await collect(store.get(key('kept/blocks'))))).toBe(digest(bytes))
    })

    test('an upload keeps no reference to the bytes it was given', async () => {
      const upload = await store.openUpload(key('kept/reference'), { retainUntil: inDays(1) })
      const block = bytesOf(100)
      await upload.write(block)
      block.fill(0)
      await upload.complete()
      expect(await collect(store.get(key('kept/reference')))).toEqual(Buffer.from(bytesOf(100)))
    })

    test('nothing is visible before an upload is complete, and nothing after it is aborted', async () => {
      const name = key('aborted/object')
      const upload = await store.openUpload(name, { retainUntil: inDays(1) })
      await upload.write(bytesOf(partBytes + 5))
      await expectNothing(name)
      await upload.abort()
      await upload.abort()
      await expectNothing(name)
    })

    async function expectNothing(name: ObjectKey): Promise<void> {
      expect(await store.stat(name)).toBeNull()
      expect(await store.versions(name)).toEqual([])
      expect(await collectKeys('aborted/')).toEqual([])
      expect(await codeOf(collect(store.get(name)))).toBe('OBJECT_MISSING')
    }

    async function collectKeys(prefix: string): Promise<string[]> {
      const keys: string[] = []
      for await (const object of store.list(prefix)) keys.push(object.key)
      return keys
    }

    test('a key that has an object takes no second one', async () => {
      const name = key('once/object')
      const first = await put(store, name, bytesOf(10))
      expect(await codeOf(put(store, name, bytesOf(11)))).toBe('OBJECT_EXISTS')
      expect(await store.versions(name)).toEqual([first])
    })

    test('of two uploads of one key at once neither damages the other', async () => {
      const name = key('twice/object')
      const uploads = [await store.openUpload(name, { retainUntil: inDays(1) }), await store.openUpload(name, { retainUntil: inDays(1) })]
      await Promise.all(uploads.map((upload, index) => upload.write(bytesOf(1000 + index, index))))
      const ended = await Promise.allSettled(uploads.map((upload) => upload.complete()))
      const stored = ended.filter((outcome) => outcome.status === 'fulfilled').map((outcome) => outcome.value)
      expect(stored.length).toBeGreaterThan(0)
      for (const outcome of ended) if (outcome.status === 'rejected') expect(outcome.reason).toMatchObject({ code: 'OBJECT_EXISTS' })
      expect((await store.versions(name)).length).toBe(stored.length)
      for (const { versionId, sizeBytes } of stored) {
        expect(await collect(store.get(name, { versionId }))).toEqual(Buffer.from(bytesOf(sizeBytes, sizeBytes - 1000)))
      }
    })

    test('a superseded version stays readable under its version id, with its retention', async () => {
      const name = key('superseded/object')
      const made = [await put(store, name, bytesOf(20, 1), { retainUntil: inDays(1) })]
      for (const seed of [2, 3])
        made.unshift(await put(store, name, bytesOf(20 + seed, seed), { retainUntil: inDays(seed), supersede: true }))
      expect(await store.versions(name)).toEqual(made)
      expect(await store.stat(name)).toEqual(made[0])
      expect(await collect(store.get(name))).toEqual(Buffer.from(bytesOf(23, 3)))
      expect(await collect(store.get(name, { versionId: made[2]!.versionId }))).toEqual(Buffer.from(bytesOf(20, 1)))
      expect(await collectKeys('superseded/')).toEqual([name])
    })

    test('retention is lengthened and never shortened, version by version', async () => {
      const name = key('retained/object')
      const { versionId } = await put(store, name, bytesOf(5), { retainUntil: inDays(3) })
      expect(await store.extendRetention(name, versionId, inDays(5))).toMatchObject({ versionId, retainUntil: inDays(5) })
      expect((await store.extendRetention(name, versionId, inDays(1))).retainUntil).toEqual(inDays(5))
      const newer = await put(store, name, bytesOf(6), { retainUntil: inDays(2), supersede: true })
      await store.extendRetention(name, versionId, inDays(9))
      const held = (await store.versions(name)).map((version) => [version.versionId, version.retainUntil])
      expect(held).toEqual([
        [newer.versionId, inDays(2)],
        [versionId, inDays(9)],
      ])
    })

    test('a retention with milliseconds is never rounded down', async () => {
      const retainUntil = new Date(inDays(1).getTime() + 1)
      const stored = await put(store, key('retained/milliseconds'), bytesOf(1), { retainUntil })
      expect(stored.retainUntil!.getTime()).toBeGreaterThanOrEqual(retainUntil.getTime())
    })

    test('extending what is not there is refused', async () => {
      expect(await codeOf(store.extendRetention(key('retained/nothing'), 'v0001', inDays(1)))).toBe('OBJECT_MISSING')
    })

    test.for([
      [{ offset: 0, sizeBytes: 1 }, 0, 1],
      [{ offset: 7 }, 7, 3 * readBlockBytes],
      [{ offset: readBlockBytes - 1, sizeBytes: 2 }, readBlockBytes - 1, readBlockBytes + 1],
      [{ sizeBytes: 2 * readBlockBytes }, 0, 2 * readBlockBytes],
      [{ offset: 3 * readBlockBytes - 1 }, 3 * readBlockBytes - 1, 3 * readBlockBytes],
      [{ offset: 3 * readBlockBytes }, 0, 0],
      [{ offset: 5, sizeBytes: 0 }, 0, 0],
    ] as const)('the range %j gives exactly those bytes', async ([range, from, to]: readonly [ReadRange, number, number]) => {
      const [name, bytes] = [key('ranges/object'), bytesOf(3 * readBlockBytes)]
      if ((await store.stat(name)) === null) await put(store, name, bytes)
      expect(digest(await collect(store.get(name, range)))).toBe(digest(bytes.subarray(from, to)))
    })

    test.for([{ offset: 11 }, { offset: 4, sizeBytes: 7 }, { sizeBytes: 11 }, { versionId: 'v0999' }] as const)(
      'the range %j of an object of ten bytes is missing',
      async (range) => {
        if ((await store.stat(key('ranges/short'))) === null) await put(store, key('ranges/short'), bytesOf(10))
        expect(await codeOf(collect(store.get(key('ranges/short'), range)))).toBe('OBJECT_MISSING')
      },
    )

    test('a listing gives newest versions in key order, however many there are', async () => {
      const names = [
        'b',
        'a/z',
        'a-z',
        'a.z',
        'a0',
        'a/b/c',
        'A',
        '_x',
        ...Array.from({ length: subject.listed }, (_, index) => `many/${index}`),
      ]
      const keys = names.map((text) => key(`listed/${text}`))
      for (let at = 0; at < keys.length; at += 25) await Promise.all(keys.slice(at, at + 25).map((name) => put(store, name, bytesOf(3))))
      await put(store, key('listed/b'), bytesOf(4), { supersede: true })
      const listed: string[] = []
      for await (const object of store.list('listed/')) {
        listed.push(object.key)
        expect(object.sizeBytes).toBe(object.key === 'listed/b' ? 4 : 3)
        if (object.key === 'listed/b') expect(object.versionId).toBe((await store.stat(object.key))?.versionId)
      }
      expect(listed).toEqual(keys.toSorted())
      expect(await collectKeys('listed/a')).toEqual(keys.filter((name) => name.startsWith('listed/a')).toSorted())
      expect(await collectKeys('listed/nothing')).toEqual([])
      expect(await collectKeys('nothing/at/all/')).toEqual([])
    })

    test.for([
      '../outside',
      'a/../../b',
      '/etc/passwd',
      'a//b',
      '.incoming/x',
      'a/.versions/b',
      'a\\b',
      'a\0b',
      'ä',
      ' ',
      `a/${'b'.repeat(900)}`,
    ])('the key %j is refused before anything is done', async (text) => {
      expect(() => parseObjectKey(text)).toThrow(expect.objectContaining({ code: 'OBJECT_KEY_INVALID' }))
      expect(await codeOf(put(store, text as ObjectKey, bytesOf(1)))).toBe('OBJECT_KEY_INVALID')
      expect(await codeOf(collect(store.get(text as ObjectKey)))).toBe('OBJECT_KEY_INVALID')
      expect(await codeOf(store.stat(text as ObjectKey))).toBe('OBJECT_KEY_INVALID')
      expect(await codeOf(collectKeys(`${text}/`))).toBe('OBJECT_KEY_INVALID')
    })

    test('the longest key, and names that look like ours, are keys like others', async () => {
      const longest = Array.from({ length: 9 }, () => 'k'.repeat(99)).join('/')
      const names = [longest, 'odd/x', 'odd/x.lock', 'odd/x.d', 'odd/x.d.lock', 'odd/--option', 'odd/v0001', 'odd/con']
      for (const [index, text] of names.entries()) await put(store, key(text), bytesOf(index + 1, index))
      for (const text of names) await put(store, key(text), bytesOf(50), { supersede: true })
      for (const [index, text] of names.entries()) {
        const [newest, oldest] = await store.versions(key(text))
        expect([newest?.sizeBytes, oldest?.sizeBytes]).toEqual([50, index + 1])
      }
    })

    test('an aborted signal ends an upload and a read, and leaves the store usable', async () => {
      const stop = new AbortController()
      const upload = await store.openUpload(key('stopped/upload'), { retainUntil: inDays(1) }, stop.signal)
      await upload.write(bytesOf(10))
      await put(store, key('stopped/read'), bytesOf(3 * readBlockBytes))
      const reading = store.get(key('stopped/read'), {}, stop.signal)[Symbol.asyncIterator]()
      await reading.next()
      stop.abort(new Error('enough'))
      await expect(readOn(reading)).rejects.toThrow('enough')
      await expect(upload.complete()).rejects.toThrow('enough')
      await upload.abort()
      expect(await store.stat(key('stopped/upload'))).toBeNull()
      await expect(store.stat(key('stopped/read'), stop.signal)).rejects.toThrow('enough')
      expect((await store.stat(key('stopped/read')))?.sizeBytes).toBe(3 * readBlockBytes)
    })

    test('a reader may stop early', async () => {
      await put(store, key('stopped/early'), bytesOf(3 * readBlockBytes))
      for await (const block of store.get(key('stopped/early'))) {
        expect(block.length).toBeGreaterThan(0)
        break
      }
      expect((await collect(store.get(key('stopped/early'), { sizeBytes: 4 }))).length).toBe(4)
    })
  })
}

async function readOn(blocks: AsyncIterator<Uint8Array>): Promise<void> {
  while ((await blocks.next()).done !== true);
}
