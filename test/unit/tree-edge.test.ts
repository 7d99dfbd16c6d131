import { expect, test } from 'vitest'
import { proveConsistency, proveInclusion, rootFromTiles } from '../../src/format/tile-proof.js'
import { partialTiles, tilePath, type Tile } from '../../src/format/tile.js'
import { TreeEdge, type HashTile } from '../../src/format/tree-edge.js'
import { NaiveMerkle } from '../doubles/naive-merkle.js'

const sizeMax = 600
const oracle = new NaiveMerkle(Array.from({ length: sizeMax }, (_, at) => Buffer.from(`entry ${at}`)))
const leaf = (at: number) => oracle.root(at, at + 1)

/** A tree of a given size as a folder of tiles. */
function tilesOf(size: number): Map<string, Uint8Array> {
  const edge = new TreeEdge()
  const tiles: HashTile[] = []
  for (let at = 0; at < size; at += 1) tiles.push(...edge.append(leaf(at)))
  return new Map([...tiles, ...edge.partialTiles()].map(({ tile, bytes }) => [tilePath(tile), bytes]))
}

const reader =
  (tiles: Map<string, Uint8Array>, read: string[] = []) =>
  async (tile: Tile) => {
    read.push(tilePath(tile))
    return tiles.get(tilePath(tile))!
  }

/** Quicker than to compare arrays of bytes element by element. */
function expectSame(got: readonly Uint8Array[], expected: readonly Uint8Array[]): void {
  expect(Buffer.concat(got).toString('hex')).toBe(Buffer.concat(expected).toString('hex'))
}

test(`a growing tree has the oracle's root at every size up to ${sizeMax}`, () => {
  const edge = new TreeEdge()
  expect(edge.root()).toEqual(oracle.root(0, 0))
  for (let at = 0; at < sizeMax; at += 1) {
    edge.append(leaf(at))
    if (!oracle.root(0, at + 1).equals(edge.root())) expect(edge.size).toBe('a size with the right root')
  }
})

test.for([1, 255, 256, 257, 511, 512, 513, 600])('the tiles of a tree of %i leaves are those that the specification names', (size) => {
  const expected = Array.from({ length: Math.floor(size / 256) }, (_, index) => tilePath({ level: 0, index, width: 256 }))
  expect([...tilesOf(size).keys()].sort()).toEqual([...expected, ...partialTiles(size).map(tilePath)].sort())
})

test.for([1, 255, 256, 257, 511, 512, 513, 600])('every proof in a tree of %i leaves can be made from its tiles', async (size) => {
  const read = reader(tilesOf(size))
  for (let other = 1; other <= size; other += other > 40 && other < size - 40 ? 13 : 1) {
    expectSame(await proveInclusion(other - 1, size, read), oracle.path(other - 1, 0, size))
    expectSame(await proveConsistency(other, size, read), oracle.consistency(other, size))
    expectSame([await rootFromTiles(other, size, read)], [oracle.root(0, other)])
  }
})

test('an edge taken up again from its partial tiles goes on as if it had never been put down', () => {
  for (const size of [0, 1, 255, 256, 300, 512, 513]) {
    const through = new TreeEdge()
    for (let at = 0; at < size; at += 1) through.append(leaf(at))
    const resumed = through.copy()
    for (let at = size; at < sizeMax; at += 1) {
      const [again, expected] = [resumed.append(leaf(at)), through.append(leaf(at))]
      expectSame(
        again.map(({ bytes }) => bytes),
        expected.map(({ bytes }) => bytes),
      )
    }
    expectSame([resumed.root()], [oracle.root(0, sizeMax)])
  }
})

test('an edge that does not fit its size is a bug', () => {
  expect(() => new TreeEdge(2, [[leaf(0)]])).toThrow('fits its size')
  expect(() => new TreeEdge(256, [[]])).toThrow('all levels')
})

test('a tile too short or too long is refused before anything is computed from it', async () => {
  for (const sizeBytes of [0, 31, 33, 600 * 32, 8192]) {
    const read = async () => new Uint8Array(sizeBytes)
    await expect(proveInclusion(0, 88, read)).rejects.toThrow(expect.objectContaining({ code: 'TILE_INVALID' }))
  }
})
