/**
 * Proofs from tiles: whoever can read a log's tiles, from a store, a folder or a web server, can make every proof. What is read is
 * attacker-controlled, so a proof made here is worth nothing before it is verified against a root one trusts.
 */
import { tileWidth } from '../core/limits.js'
import {
  consistencyRanges,
  hashBytes,
  inclusionRanges,
  joinHashes,
  perfectNodes,
  perfectRoot,
  type LeafRange,
  type TreeNode,
} from './merkle.js'
import { parseHashTile, tileOf, tilePath, type Tile } from './tile.js'

/** Reads the bytes of a tile. May give anything; must be of bounded length. */
export type ReadTile = (tile: Tile) => Promise<Uint8Array>

/** Levels of the tree in one level of tiles: 256 = 2^8. */
const levelsOfTile = Math.log2(tileWidth)

/**
 * Make an inclusion proof.
 *
 * @param size - leaves of the tree that the proof is for.
 * @param tilesSize - leaves of the tree whose tiles `read` has: at least `size`, for partial tiles of old trees may be gone.
 * @returns the siblings from the leaf up. In a tree of ten million leaves it takes at most six tiles.
 * @throws EscrowError `TILE_INVALID` and whatever `read` throws.
 */
export async function proveInclusion(index: number, size: number, read: ReadTile, tilesSize = size): Promise<Uint8Array[]> {
  return proveRanges(inclusionRanges(index, size), tilesSize, read)
}

/** Make a consistency proof between two trees, from the tiles of the larger. @throws as `proveInclusion` */
export async function proveConsistency(oldSize: number, newSize: number, read: ReadTile, tilesSize = newSize): Promise<Uint8Array[]> {
  return proveRanges(consistencyRanges(oldSize, newSize), tilesSize, read)
}

/**
 * The root of the first `oldSize` leaves, from the tiles of a tree of `size` leaves.
 *
 * @param oldSize - 1 to size.
 */
export async function rootFromTiles(oldSize: number, size: number, read: ReadTile): Promise<Uint8Array> {
  const [root] = await proveRanges([{ start: 0, end: oldSize }], size, read)
  return root ?? new Uint8Array(0)
}

/** The hash of each range; every tile is read once. @throws as `proveInclusion` */
export async function proveRanges(ranges: readonly LeafRange[], size: number, read: ReadTile): Promise<Uint8Array[]> {
  const nodes = ranges.map((range) => perfectNodes(range))
  const tiles = new Map<string, Tile>()
  for (const tile of nodes.flat().map((node) => placeOf(node, size).tile)) tiles.set(tilePath(tile), tile)
  const bytes = new Map<string, Uint8Array>()
  await Promise.all(
    [...tiles].map(async ([path, tile]) => {
      const content = await read(tile)
      parseHashTile(content, tile.width)
      bytes.set(path, content)
    }),
  )
  return nodes.map((some) => joinHashes(some.map((node) => hashOf(node, size, bytes))))
}

/** The tile that a node is computed from, and which of its hashes. */
function placeOf(node: TreeNode, size: number): { readonly tile: Tile; readonly first: number; readonly count: number } {
  const tileLevel = Math.floor(node.level / levelsOfTile)
  const count = 2 ** (node.level % levelsOfTile)
  const tile = tileOf(tileLevel, node.index * count, size)
  return { tile, first: (node.index * count) % tileWidth, count }
}

function hashOf(node: TreeNode, size: number, tiles: ReadonlyMap<string, Uint8Array>): Uint8Array {
  const { tile, first, count } = placeOf(node, size)
  const bytes = tiles.get(tilePath(tile)) ?? new Uint8Array(0)
  return perfectRoot(bytes.subarray(first * hashBytes, (first + count) * hashBytes))
}
