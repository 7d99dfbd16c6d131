import { expect, test } from 'vitest'
import {
  entryBytesMax,
  formatEntryBundle,
  formatHashTile,
  parseEntryBundle,
  parseHashTile,
  parseTilePath,
  partialTiles,
  tileOf,
  tilePath,
  type Tile,
} from '../../../src/format/tile.js'
import vectors from '../../vectors/tile.json' with { type: 'json' }

const refused = (code: string) => expect.objectContaining({ name: 'EscrowError', code })

test.for(vectors.paths)('tile $level/$index of width $width lies at $path', ({ path, ...tile }) => {
  expect(tilePath(tile as Tile)).toBe(path)
  expect(parseTilePath(path)).toEqual(tile)
})

test.for(vectors.refusedPaths)('%j is no tile path', (path) => {
  expect(() => parseTilePath(path)).toThrow(refused('TILE_INVALID'))
})

test.for(vectors.partial)('a tree of $size leaves has the partial tiles of the specification', ({ size, paths }) => {
  expect(partialTiles(size).map(tilePath)).toEqual(paths)
})

test.for([
  [0, 0, 1, 1],
  [0, 255, 256, 256],
  [0, 256, 257, 1],
  [0, 69_999, 70_000, 112],
  [1, 272, 70_000, 17],
  [1, 0, 70_000, 256],
  [2, 0, 70_000, 1],
])('level %i, hash %i of a tree of %i is in a tile of width %i', ([level = 0, hash = 0, size = 0, width = 0]) => {
  expect(tileOf(level, hash, size)).toEqual({ level, index: Math.floor(hash / 256), width })
})

test.for([1, 2, 255, 256])('a tile of %i hashes reads back', (width) => {
  const hashes = Array.from({ length: width }, (_, at) => new Uint8Array(32).fill(at))
  expect(parseHashTile(formatHashTile(hashes), width)).toEqual(hashes)
})

test.for([
  ['empty', 0, 1],
  ['short by one byte', 63, 2],
  ['long by one byte', 65, 2],
  ['one hash too wide', 96, 2],
] as const)('a tile that is %s is refused', ([, sizeBytes, width]) => {
  expect(() => parseHashTile(new Uint8Array(sizeBytes), width)).toThrow(refused('TILE_INVALID'))
})

test.for([0, 1, 255, 256, entryBytesMax - 1, entryBytesMax])('an entry of %i bytes reads back from its bundle', (sizeBytes) => {
  const entries = [new Uint8Array(sizeBytes).fill(7), new Uint8Array(3)]
  expect(parseEntryBundle(formatEntryBundle(entries), 2)).toEqual(entries)
})

test.for([
  ['is empty', []],
  ['ends in a length', [0, 1, 9, 0]],
  ['has a length beyond its end', [0, 1, 9, 0, 2, 9]],
  ['has an entry too few', [0, 1, 9]],
  ['has an entry too many', [0, 1, 9, 0, 1, 9, 0, 1, 9]],
  ['has a byte too many', [0, 1, 9, 0, 1, 9, 0]],
] as const)('an entry bundle that %s is refused', ([, bytes]) => {
  expect(() => parseEntryBundle(Uint8Array.from(bytes), 2)).toThrow(refused('TILE_INVALID'))
})
