import { createHmac } from 'node:crypto'
import { expect, test } from 'vitest'
import { encodeKnownObjects, findUnknown, KnownObjectsKey } from '../../../src/format/known-objects.js'
import vectors from '../../vectors/known-objects.json' with { type: 'json' }

const fromHex = (hex: string) => new Uint8Array(Buffer.from(hex, 'hex'))
const keyOf = (byte: number) => new KnownObjectsKey(new Uint8Array(32).fill(byte))
const oidOf = (index: number) => fromHex(index.toString(16).padStart(40, '0'))
async function* pieces(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  const reused = new Uint8Array(size)
  for (let offset = 0; offset < bytes.length; offset += size) {
    // The same memory again and again, as a reader of files hands it out.
    reused.set(bytes.subarray(offset, offset + size))
    yield reused.subarray(0, Math.min(size, bytes.length - offset))
  }
}
const read = (bytes: Uint8Array, key = keyOf(1)) => findUnknown(key, [pieces(bytes, 64)], [oidOf(1)])

test.for(vectors.files)('vector: $name', async ({ key, oids, fingerprint, file }) => {
  const sourceKey = new KnownObjectsKey(fromHex(key))
  expect(sourceKey.fingerprint).toBe(fingerprint)
  const bytes = await encodeKnownObjects(sourceKey, oids.map(fromHex))
  expect(Buffer.from(bytes).toString('hex')).toBe(file)
})

test.for([20, 32, 7, 0, 64, 1000])('the HMAC of %i bytes is that of the standard', (size) => {
  const key = Uint8Array.from({ length: 32 }, (_, index) => index * 7)
  const message = Uint8Array.from({ length: size }, (_, index) => index)
  expect(new KnownObjectsKey(key).mac(message)).toBe(createHmac('sha256', key).update(message).digest('binary'))
})

test.for([0, 1, 2, 1023, 1024, 1025])('%i objects are known afterwards, and no other', async (count) => {
  const key = keyOf(1)
  const oids = Array.from({ length: count }, (_, index) => oidOf(index))
  const file = await encodeKnownObjects(key, oids)
  const strangers = [oidOf(count), oidOf(count + 1)]
  expect(await findUnknown(key, [pieces(file, 4096)], [...oids, ...strangers])).toHaveLength(2)
  expect(new Set(await findUnknown(key, [pieces(file, 4096)], strangers))).toEqual(new Set(strangers))
})

test('an object is known when any deposit of the chain brought it', async () => {
  const key = keyOf(1)
  const files = await Promise.all([[1, 2], [3], []].map((oids) => encodeKnownObjects(key, oids.map(oidOf))))
  const unknown = await findUnknown(
    key,
    files.map((file) => pieces(file, 11)),
    [1, 2, 3, 4].map(oidOf),
  )
  expect(unknown).toEqual([oidOf(4)])
})

test('with no deposit at all everything is unknown', async () => {
  expect(await findUnknown(keyOf(1), [], [oidOf(1)])).toEqual([oidOf(1)])
})

test('an id that is wanted twice and unknown is reported, and known counts for both', async () => {
  const file = await encodeKnownObjects(keyOf(1), [oidOf(1)])
  expect(await findUnknown(keyOf(1), [pieces(file, 8)], [oidOf(1), oidOf(1), oidOf(2)])).toEqual([oidOf(2)])
})

test('ids may come in batches from a stream', async () => {
  async function* stream() {
    yield [oidOf(2)]
    yield []
    yield [oidOf(1)]
  }
  expect(await encodeKnownObjects(keyOf(1), stream())).toEqual(await encodeKnownObjects(keyOf(1), [oidOf(1), oidOf(2)]))
})

test('every file is read to its end, so that a digest check around it takes place', async () => {
  const file = await encodeKnownObjects(keyOf(1), [oidOf(1), oidOf(2), oidOf(3)])
  let ended = 0
  async function* checked() {
    yield* pieces(file, 16)
    ended++
  }
  expect(await findUnknown(keyOf(1), [checked(), checked()], [oidOf(1)])).toEqual([])
  expect(ended).toBe(2)
})

test('a file under another key is refused, not taken for one that knows nothing', async () => {
  const file = await encodeKnownObjects(keyOf(2), [oidOf(1)])
  await expect(read(file)).rejects.toMatchObject({ code: 'KEY_INVALID' })
})

test.for(vectors.refused)('refused: $name', async ({ file }) => {
  await expect(read(fromHex(file))).rejects.toMatchObject({ code: 'FORMAT_INVALID' })
})

test('a file cut anywhere is refused', async () => {
  const file = await encodeKnownObjects(keyOf(1), [oidOf(1), oidOf(2)])
  expect(await read(file)).toEqual([])
  for (let size = 0; size < file.length; size++)
    await expect(read(file.subarray(0, size))).rejects.toMatchObject({ code: 'FORMAT_INVALID' })
})

test('a header that never ends is refused long before it could fill the memory', async () => {
  let blocks = 0
  async function* endless() {
    for (; blocks < 1000; blocks++) yield new Uint8Array(1024).fill(0x20)
  }
  await expect(findUnknown(keyOf(1), [endless()], [oidOf(1)])).rejects.toMatchObject({ code: 'FORMAT_INVALID' })
  expect(blocks).toBe(0)
})

test('the file shows neither ids nor how they were made', async () => {
  const [one, two] = await Promise.all([1, 2].map((byte) => encodeKnownObjects(keyOf(byte), [oidOf(1)])))
  expect(one).not.toEqual(two)
})
