/**
 * The right edge of a growing tree: on every level of tiles, the hashes that do not fill a tile yet. It is all one needs to append
 * leaves, to emit the tiles of c2sp.org/tlog-tiles and to know the root; at most 255 hashes on each of 7 levels.
 */
import { tileWidth } from '../core/limits.js'
import { assert } from '../core/errors.js'
import { emptyRoot, hashBytes, joinHashes, perfectNodes, perfectRoot } from './merkle.js'
import type { Tile } from './tile.js'

/** A tile of hashes with its bytes. */
export interface HashTile {
  readonly tile: Tile & { readonly level: number }
  readonly bytes: Uint8Array
}

/** A mutable tree of which only the right edge is kept. */
export class TreeEdge {
  #size: number
  readonly #levels: Uint8Array[][]

  /**
   * @param size - leaves of the tree; 0 for a new one.
   * @param levels - for each level of tiles the hashes of its partial tile, empty where it has none; as `partialTiles(size)` says.
   */
  constructor(size = 0, levels: readonly (readonly Uint8Array[])[] = []) {
    const widths = levels.map((hashes) => hashes.length)
    assert(
      widths.every((width, level) => width === Math.floor(size / tileWidth ** level) % tileWidth),
      'an edge that fits its size',
    )
    assert(Math.floor(size / tileWidth ** levels.length) === 0, 'an edge with all levels of its size')
    this.#size = size
    this.#levels = levels.map((hashes) => [...hashes])
  }

  /** Leaves so far. */
  get size(): number {
    return this.#size
  }

  /** Another edge that grows on its own. */
  copy(): TreeEdge {
    return new TreeEdge(this.#size, this.#levels)
  }

  /**
   * Append a leaf.
   *
   * @returns the tiles that it completes, lowest level first; usually none.
   */
  append(leafHash: Uint8Array): readonly HashTile[] {
    this.#size += 1
    return this.#push(0, leafHash)
  }

  /**
   * Append 256 leaves at once.
   *
   * @param hashes - the bytes of a full tile of level 0; the size so far must be a multiple of 256.
   * @returns the tiles above that it completes; usually none.
   */
  appendTile(hashes: Uint8Array): readonly HashTile[] {
    assert(this.#size % tileWidth === 0 && hashes.length === tileWidth * hashBytes, 'a full tile at a tile boundary')
    this.#size += tileWidth
    this.#levels[0] ??= []
    return this.#push(1, perfectRoot(hashes))
  }

  #push(from: number, first: Uint8Array): readonly HashTile[] {
    const complete: HashTile[] = []
    let hash: Uint8Array | null = first
    for (let level = from; hash !== null; level += 1) {
      const hashes = (this.#levels[level] ??= [])
      hashes.push(hash)
      hash = null
      if (hashes.length < tileWidth) break
      const bytes = Buffer.concat(hashes)
      complete.push({ tile: { level, index: this.#size / tileWidth ** (level + 1) - 1, width: tileWidth }, bytes })
      this.#levels[level] = []
      hash = perfectRoot(bytes)
    }
    return complete
  }

  /** The partial tiles as they are now, lowest level first; levels that end with a full tile have none. */
  partialTiles(): readonly HashTile[] {
    return this.#levels.flatMap((hashes, level) => {
      const index = Math.floor(this.#size / tileWidth ** (level + 1))
      return hashes.length === 0 ? [] : [{ tile: { level, index, width: hashes.length }, bytes: Buffer.concat(hashes) }]
    })
  }

  /** The root of the tree. */
  root(): Uint8Array {
    let right: Uint8Array[] = []
    for (const hashes of this.#levels) {
      if (hashes.length === 0) continue
      const bytes = Buffer.concat(hashes)
      const nodes = perfectNodes({ start: 0, end: hashes.length }).map(({ level, index }) => {
        const width = 2 ** level * hashBytes
        return perfectRoot(bytes.subarray(index * width, (index + 1) * width))
      })
      // Larger subtrees stand to the left: what the levels below joined is the right-most.
      right = [joinHashes([...nodes, ...right])]
    }
    return right[0] ?? emptyRoot()
  }
}
