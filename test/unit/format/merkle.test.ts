import { expect, test } from 'vitest'
import { EscrowError } from '../../../src/core/errors.js'
import {
  consistencyRanges,
  emptyRoot,
  inclusionRanges,
  joinHashes,
  leafHash,
  leafHashes,
  nodeHash,
  perfectNodes,
  verifyConsistency,
  verifyInclusion,
  type LeafRange,
} from '../../../src/format/merkle.js'
import { NaiveMerkle } from '../../doubles/naive-merkle.js'
import vectors from '../../vectors/merkle.json' with { type: 'json' }

const hex = (text: string) => new Uint8Array(Buffer.from(text, 'hex'))
const entries = vectors.entries.map(hex)
const sizeMax = 300
const oracle = new NaiveMerkle(Array.from({ length: sizeMax }, (_, at) => Buffer.from(`entry ${at}`)))

test('leaf, node and empty hashes are those of the reference tree', () => {
  expect(Buffer.from(emptyRoot()).toString('hex')).toBe(vectors.emptyRoot)
  expect(entries.map((entry) => Buffer.from(leafHash(entry)).toString('hex'))).toEqual(vectors.leafHashes)
  const [one = '', two = ''] = vectors.leafHashes
  expect(Buffer.from(nodeHash(hex(one), hex(two))).toString('hex')).toBe(vectors.roots[1])
})

test('many leaf hashes at once are those of each entry, whatever its length', () => {
  const many = [0, 1, 105, 1023, 1024, 1025, 65_535].map((sizeBytes) => new Uint8Array(sizeBytes).fill(sizeBytes))
  expect(Buffer.from(leafHashes(many)).equals(Buffer.concat(many.map((entry) => leafHash(entry))))).toBe(true)
})

test('the oracle agrees with the reference tree, so that it may judge', () => {
  const reference = new NaiveMerkle(entries)
  expect(vectors.roots.map((_, at) => reference.root(0, at + 1).toString('hex'))).toEqual(vectors.roots)
})

test.for(vectors.inclusion)('the published inclusion proof of leaf $index in $size verifies', ({ index, size, proof }) => {
  const claim = { index, size, leafHash: hex(vectors.leafHashes[index]!), root: hex(vectors.roots[size - 1]!) }
  verifyInclusion(claim, proof.map(hex))
})

test.for(vectors.consistency)('the published consistency proof from $oldSize to $newSize verifies', ({ oldSize, newSize, proof }) => {
  const claim = { oldSize, newSize, oldRoot: hex(vectors.roots[oldSize - 1]!), newRoot: hex(vectors.roots[newSize - 1]!) }
  verifyConsistency(claim, proof.map(hex))
})

/** The hash of a range by way of its perfect subtrees, as a reader of tiles finds it. */
function hashOf(range: LeafRange): Uint8Array {
  return joinHashes(perfectNodes(range).map(({ level, index }) => oracle.root(index * 2 ** level, (index + 1) * 2 ** level)))
}

test(`every inclusion proof of every tree up to ${sizeMax} leaves is the oracle's, and verifies`, () => {
  for (let size = 1; size <= sizeMax; size += 1) {
    const root = oracle.root(0, size)
    for (let index = 0; index < size; index += 1) {
      const proof = inclusionRanges(index, size).map(hashOf)
      const expected = oracle.path(index, 0, size)
      if (!Buffer.concat(proof).equals(Buffer.concat(expected))) expect(proof, `leaf ${index} of ${size}`).toEqual(expected)
      verifyInclusion({ index, size, leafHash: oracle.root(index, index + 1), root }, proof)
    }
  }
})

test(`every consistency proof between trees up to ${sizeMax} leaves is the oracle's, and verifies`, () => {
  for (let newSize = 1; newSize <= sizeMax; newSize += 1) {
    const newRoot = oracle.root(0, newSize)
    for (let oldSize = 1; oldSize <= newSize; oldSize += 1) {
      const proof = consistencyRanges(oldSize, newSize).map(hashOf)
      const expected = oracle.consistency(oldSize, newSize)
      if (!Buffer.concat(proof).equals(Buffer.concat(expected))) expect(proof, `${oldSize} to ${newSize}`).toEqual(expected)
      verifyConsistency({ oldSize, newSize, oldRoot: oracle.root(0, oldSize), newRoot }, proof)
    }
  }
})

test('the empty tree is the beginning of every tree, and of no tree under another root', () => {
  const newRoot = oracle.root(0, 7)
  verifyConsistency({ oldSize: 0, newSize: 7, oldRoot: emptyRoot(), newRoot }, [])
  expect(() => verifyConsistency({ oldSize: 0, newSize: 7, oldRoot: newRoot, newRoot }, [])).toThrow(EscrowError)
  expect(() => verifyConsistency({ oldSize: 0, newSize: 7, oldRoot: emptyRoot(), newRoot }, [newRoot])).toThrow(EscrowError)
})

/** Wrong in one thing each; what is left out stays right. */
const wrongInclusions = [
  ['another index', { index: 4 }],
  ['an index at the size', { index: 7, size: 7 }],
  ['a negative index', { index: -1 }],
  ['a fractional index', { index: 0.5 }],
  ['a size with fewer levels', { size: 4 }],
  ['a size with more levels', { size: 9 }],
  ['a size beyond safe integers', { size: 2 ** 53 }],
  ['a size of 0', { index: 0, size: 0 }],
  ['another leaf', { leafHash: oracle.root(4, 5) }],
  ['a short leaf hash', { leafHash: new Uint8Array(31) }],
  ['another root', { root: oracle.root(0, 6) }],
  ['an empty root', { root: new Uint8Array(0) }],
] as const

test.for(wrongInclusions)('an inclusion proof with %s is refused', ([, wrong]) => {
  const claim = { index: 3, size: 7, leafHash: oracle.root(3, 4), root: oracle.root(0, 7), ...wrong }
  expect(() => verifyInclusion(claim, oracle.path(3, 0, 7))).toThrow(expect.objectContaining({ code: 'PROOF_INVALID' }))
})

test.for(['longer', 'shorter', 'reversed', 'of wrong width', 'endless'])('an inclusion proof that is %s is refused', (how) => {
  const good = oracle.path(3, 0, 7)
  const bad: Record<string, Uint8Array[]> = {
    longer: [...good, good[0]!],
    shorter: good.slice(1),
    reversed: good.toReversed(),
    'of wrong width': [...good.slice(1), new Uint8Array(33)],
    endless: Array.from({ length: 1000 }, () => good[0]!),
  }
  const claim = { index: 3, size: 7, leafHash: oracle.root(3, 4), root: oracle.root(0, 7) }
  expect(() => verifyInclusion(claim, bad[how]!)).toThrow(expect.objectContaining({ code: 'PROOF_INVALID' }))
})

const wrongConsistencies = [
  ['another old size', { oldSize: 4 }],
  ['a new size with more levels', { newSize: 9 }],
  ['an old size above the new one', { oldSize: 9 }],
  ['a negative size', { oldSize: -1 }],
  ['another old root', { oldRoot: oracle.root(0, 4) }],
  ['another new root', { newRoot: oracle.root(0, 8) }],
  ['swapped roots', { oldRoot: oracle.root(0, 7), newRoot: oracle.root(0, 5) }],
] as const

test.for(wrongConsistencies)('a consistency proof with %s is refused', ([, wrong]) => {
  const claim = { oldSize: 5, newSize: 7, oldRoot: oracle.root(0, 5), newRoot: oracle.root(0, 7), ...wrong }
  expect(() => verifyConsistency(claim, oracle.consistency(5, 7))).toThrow(expect.objectContaining({ code: 'PROOF_INVALID' }))
})

test('two roots for one size are refused, whatever the proof', () => {
  const claim = { oldSize: 5, newSize: 5, oldRoot: oracle.root(0, 5), newRoot: oracle.root(0, 4) }
  expect(() => verifyConsistency(claim, [])).toThrow(expect.objectContaining({ code: 'PROOF_INVALID' }))
})

test('proofs in the largest tree that a safe integer can count are short', () => {
  const size = Number.MAX_SAFE_INTEGER
  expect(inclusionRanges(size - 1, size).length).toBeLessThanOrEqual(53)
  expect(consistencyRanges(size - 1, size).length).toBeLessThanOrEqual(54)
})
