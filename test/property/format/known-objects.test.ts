import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { encodeKnownObjects, findUnknown, KnownObjectsKey } from '../../../src/format/known-objects.js'

const oid = fc.uint8Array({ minLength: 20, maxLength: 20 })
const key = fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => new KnownObjectsKey(bytes))
const hexOf = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')
async function* cut(bytes: Uint8Array, sizes: readonly number[]): AsyncGenerator<Uint8Array> {
  let offset = 0
  for (const size of sizes) yield bytes.slice(offset, (offset += size))
  yield bytes.slice(offset)
}

test('the unknown objects are exactly those that no deposit brought, however the files are cut', async () => {
  const sizes = fc.array(fc.nat(40), { maxLength: 20 })
  const property = fc.asyncProperty(
    key,
    fc.array(oid, { maxLength: 40 }),
    fc.array(fc.array(fc.nat(39)), { maxLength: 4 }),
    sizes,
    async (sourceKey, wanted, deposits, cuts) => {
      const brought = deposits.map((picks) => picks.flatMap((pick) => wanted[pick] ?? []))
      const files = await Promise.all(brought.map((oids) => encodeKnownObjects(sourceKey, oids)))
      const unknown = await findUnknown(
        sourceKey,
        files.map((file) => cut(file, cuts)),
        wanted,
      )
      const known = new Set(brought.flat().map(hexOf))
      expect(unknown.map(hexOf).toSorted()).toEqual(
        wanted
          .map(hexOf)
          .filter((id) => !known.has(id))
          .toSorted(),
      )
    },
  )
  await fc.assert(property)
})

test('the order in which objects come does not show', async () => {
  const property = fc.asyncProperty(key, fc.array(oid, { maxLength: 40 }), async (sourceKey, oids) => {
    expect(await encodeKnownObjects(sourceKey, oids.toReversed())).toEqual(await encodeKnownObjects(sourceKey, oids))
  })
  await fc.assert(property)
})
