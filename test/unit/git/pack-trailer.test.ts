import { createHash } from 'node:crypto'
import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { PackTrailer, type PackSummary } from '../../../src/git/pack-trailer.js'
import { inChunks } from '../../doubles/git-fixture.js'

/** Bytes that have the frame of a pack: nobody looks at what is in between. */
function packOf(objectFormat: 'sha1' | 'sha256', objectCount: number, bodyBytes: number): Buffer {
  const header = Buffer.from('PACK\0\0\0\u0002\0\0\0\0', 'latin1')
  header.writeUInt32BE(objectCount, 8)
  const body = Buffer.concat([header, Buffer.alloc(bodyBytes, 7)])
  return Buffer.concat([body, createHash(objectFormat).update(body).digest()])
}

async function follow(objectFormat: 'sha1' | 'sha256', bytes: Uint8Array, chunkBytes: number): Promise<PackSummary> {
  const trailer = new PackTrailer(objectFormat)
  for await (const chunk of inChunks(bytes, chunkBytes)) trailer.update(chunk)
  return trailer.finish()
}

test.for(['sha1', 'sha256'] as const)('a pack of %s is read alike in chunks of any size', async (objectFormat) => {
  const anyPack = fc.tuple(fc.nat(0xffff_ffff), fc.nat(200), fc.integer({ min: 1, max: 300 }))
  await fc.assert(
    fc.asyncProperty(anyPack, async ([objectCount, bodyBytes, chunkBytes]) => {
      const pack = packOf(objectFormat, objectCount, bodyBytes)
      const packChecksum = pack.subarray(-createHash(objectFormat).digest().length).toString('hex')
      expect(await follow(objectFormat, pack, chunkBytes)).toEqual({ packChecksum, objectCount, sizeBytes: pack.length })
    }),
  )
})

test.for(['sha1', 'sha256'] as const)('a pack of %s that is cut short, longer or changed anywhere is refused', async (objectFormat) => {
  const pack = packOf(objectFormat, 3, 100)
  const wrong = [...pack.keys()].flatMap((at) => {
    const flipped = Buffer.from(pack)
    flipped.writeUInt8(pack.readUInt8(at) ^ 1, at)
    return [pack.subarray(0, at), flipped]
  })
  for (const bytes of [...wrong, Buffer.concat([pack, Buffer.alloc(1)])])
    await expect(follow(objectFormat, bytes, 33)).rejects.toMatchObject({ code: 'PACK_CORRUPT' })
})

test('what has a good trailer and is no pack of a known version is refused', async () => {
  for (const header of ['KCAP\0\0\0\u0002', 'PACK\0\0\0\u0004', 'PACK\0\0\u0001\u0002']) {
    const body = Buffer.from(`${header}\0\0\0\0`, 'latin1')
    const bytes = Buffer.concat([body, createHash('sha1').update(body).digest()])
    await expect(follow('sha1', bytes, 1000)).rejects.toMatchObject({ code: 'PACK_CORRUPT' })
  }
})
