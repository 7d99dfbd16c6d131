import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { leafHash } from '../../../src/format/merkle.js'
import { formatListedLeaf, scanLeafList } from '../../../src/format/leaf-list.js'
import { formatLogEntry } from '../../../src/format/log-entry.js'
import { multiProofRanges, verifyMultiProof } from '../../../src/format/multi-proof.js'
import { sha256 } from '../../../src/crypto/digest.js'
import { NaiveMerkle } from '../../doubles/naive-merkle.js'

const entries = Array.from({ length: 600 }, (_, at) => ({
  tag: sha256(Buffer.from(`tag ${at % 7}`)),
  digest: sha256(Buffer.from(`event ${at}`)),
}))
const hashes = entries.map((entry) => Buffer.from(leafHash(formatLogEntry(entry))))
const naive = new NaiveMerkle(entries.map((entry) => formatLogEntry(entry)))
const proofOf = (indexes: readonly number[], size: number) =>
  multiProofRanges(indexes, size).map(({ start, end }) => naive.root(start, end))
const leavesOf = (indexes: readonly number[]) => indexes.map((index) => ({ index, hash: hashes[index]! }))

const sample = fc.integer({ min: 1, max: 300 }).chain((size) =>
  fc.tuple(
    fc.constant(size),
    fc.uniqueArray(fc.integer({ min: 0, max: size - 1 }), { minLength: 1, maxLength: 20 }).map((all) => all.toSorted((a, b) => a - b)),
  ),
)

test('leaves of any tree are proven together, and only by the right hashes at the right places', () => {
  fc.assert(
    fc.property(sample, fc.nat(), ([size, indexes], pick) => {
      const claim = { size, root: naive.root(0, size) }
      const proof = proofOf(indexes, size)
      const leaves = leavesOf(indexes)
      verifyMultiProof(claim, leaves, proof)
      const refused = (change: () => void) => expect(change).toThrowError(expect.objectContaining({ code: 'PROOF_INVALID' }))
      const other = { ...leaves[pick % leaves.length]!, hash: hashes[599]! }
      refused(() => verifyMultiProof(claim, leaves.with(pick % leaves.length, other), proof))
      refused(() => verifyMultiProof(claim, leaves, [...proof, hashes[0]!]))
      refused(() => verifyMultiProof({ ...claim, root: hashes[1]! }, leaves, proof))
      if (proof.length > 0) refused(() => verifyMultiProof(claim, leaves, proof.slice(1)))
      if (proof.length > 0) refused(() => verifyMultiProof(claim, leaves, proof.with(pick % proof.length, hashes[598]!)))
    }),
    { numRuns: 200 },
  )
})

test.for<[string, readonly number[]]>([
  ['no leaf', []],
  ['leaves out of order', [3, 1]],
  ['a leaf twice', [3, 3]],
  ['a leaf beyond the tree', [9]],
  ['a place that is no number', [Number.NaN]],
  ['a place before the first', [-1]],
])('%s is refused', ([, indexes]) => {
  const claim = { size: 9, root: naive.root(0, 9) }
  const leaves = indexes.map((index) => ({ index, hash: hashes[0]! }))
  expect(() => verifyMultiProof(claim, leaves, [])).toThrowError(expect.objectContaining({ code: 'PROOF_INVALID' }))
})

test.for([0, 1, 255, 256, 257, 511, 512, 600])(
  'a list of %i leaves leads to the root, in pieces of any size, and shows every leaf of a tag',
  async (size) => {
    const sizes = [0, 1, 255, 256, 300, 512].filter((one) => one <= size)
    const bytes = Buffer.concat(entries.slice(0, size).map((entry) => formatListedLeaf(entry)))
    for (const pieceBytes of [1 << 20, 64, 61]) {
      const pieces = Array.from({ length: Math.ceil(bytes.length / pieceBytes) }, (_, at) =>
        bytes.subarray(at * pieceBytes, (at + 1) * pieceBytes),
      )
      const scanned = await scanLeafList(pieces, { tag: entries[3]!.tag, sizeMax: size, sizes })
      for (const one of sizes.filter((some) => some > 0)) expect(scanned.rootsAt.get(one)).toEqual(naive.root(0, one))
      expect(scanned.size).toBe(size)
      expect(Buffer.from(scanned.root)).toEqual(naive.root(0, size))
      expect(scanned.places).toEqual(Array.from({ length: size }, (_, at) => at).filter((at) => at % 7 === 3))
    }
    if (size > 0)
      await expect(scanLeafList([bytes], { tag: entries[3]!.tag, sizeMax: size - 1 })).rejects.toMatchObject({ code: 'FORMAT_INVALID' })
    if (size > 0)
      await expect(scanLeafList([bytes.subarray(1)], { tag: entries[3]!.tag, sizeMax: size })).rejects.toMatchObject({
        code: 'FORMAT_INVALID',
      })
  },
)
