import { createHash } from 'node:crypto'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { AsideDigester, AsidePartsDigester } from '../../../src/crypto/aside-digester.js'
import { PartsDigester } from '../../../src/crypto/digest.js'
import { BuffersInTurn, threadMemory } from '../../../src/crypto/thread-memory.js'
import { SeededEntropy } from '../../doubles/seeded-entropy.js'

const MiB = 1024 * 1024
const bytes = new SeededEntropy('aside-digester.test').bytes(5 * MiB)
const hexOf = (of: Uint8Array) => createHash('sha256').update(of).digest('hex')

/** The parts of bytes by what the format says, not by our code: each but the last full, and nothing at all is one empty part. */
function partsOf(of: Uint8Array, partBytes: number): readonly string[] {
  const parts = Array.from({ length: Math.max(1, Math.ceil(of.length / partBytes)) }, (_, part) => part * partBytes)
  return parts.map((from) => hexOf(of.subarray(from, from + partBytes)))
}

const size = fc.oneof(fc.integer({ min: 0, max: 5 * MiB }), fc.constantFrom(0, 1, MiB - 1, MiB, MiB + 1, 2 * MiB, 3 * MiB, 4 * MiB))
const partSize = fc.oneof(fc.integer({ min: 200_000, max: 5 * MiB }), fc.constantFrom(MiB, 2 * MiB, MiB + 1, 3 * MiB - 1))
const pieceSize = fc.integer({ min: 50_000, max: 2 * MiB })

describe('digests that another thread makes', () => {
  test('are those of the whole and of each part, whatever the pieces, and the caller may write over a piece once it was taken', async () => {
    await fc.assert(
      fc.asyncProperty(size, partSize, pieceSize, fc.boolean(), async (sizeBytes, partBytes, pieceBytes, inPlace) => {
        const whole = bytes.subarray(0, sizeBytes)
        const expected = { sha256: hexOf(whole), sizeBytes, partBytes, partSha256: partsOf(whole, partBytes) }
        const [aside, here, plain] = [new AsidePartsDigester(partBytes), new PartsDigester(partBytes), new AsideDigester()]
        const buffer = inPlace ? threadMemory(pieceBytes) : new Uint8Array(pieceBytes)
        for (let at = 0; at < sizeBytes; at += pieceBytes) {
          const piece = buffer.subarray(0, Math.min(pieceBytes, sizeBytes - at))
          piece.set(whole.subarray(at, at + pieceBytes))
          here.update(piece)
          await Promise.all([aside.update(piece), plain.update(piece)])
          buffer.fill(0)
        }
        expect(await aside.finish()).toEqual(expected)
        expect(here.finish()).toEqual(expected)
        expect(await plain.finish()).toEqual({ sha256: expected.sha256, sizeBytes })
      }),
      { numRuns: 25 },
    )
  })

  test('one of two buffers in turn is filled while the other is hashed', async () => {
    const [digester, turns, pieceBytes] = [new AsideDigester(), new BuffersInTurn(), 700_001]
    let taken: Promise<void> | null = null
    for (let at = 0; at < bytes.length; at += pieceBytes) {
      const piece = turns.take(Math.min(pieceBytes, bytes.length - at))
      piece.set(bytes.subarray(at, at + pieceBytes))
      await taken
      taken = digester.update(piece)
    }
    await taken
    expect(await digester.finish()).toEqual({ sha256: hexOf(bytes), sizeBytes: bytes.length })
  })

  test('several streams at once do not meet', async () => {
    const digestOf = async (from: number) => {
      const digester = new AsideDigester()
      for (let at = from; at < bytes.length; at += 300_000) await digester.update(bytes.subarray(at, at + 300_000))
      return digester.finish()
    }
    const starts = [0, 1, 2, 3, 4, 5, 6, 7].map((number) => number * 400_001)
    const found = await Promise.all(starts.map(digestOf))
    expect(found.map(({ sha256 }) => sha256)).toEqual(starts.map((from) => hexOf(bytes.subarray(from))))
  })

  test('a stream that is given up keeps nobody waiting', async () => {
    const digester = new AsideDigester()
    await digester.update(bytes)
    const finished = digester.finish()
    digester.drop()
    digester.drop()
    await expect(finished).rejects.toThrow('given up')
    await expect(digester.update(bytes)).rejects.toThrow('given up')
  })
})
