/**
 * The log's right edge, from what is stored: leaves from the index, upper levels from tiles. Nothing is believed before it leads to the root
 * of the head; a lost partial tile is made again from the full tiles below it.
 */
import { EscrowError, isEscrowError } from '../core/errors.js'
import { tileWidth } from '../core/limits.js'
import { formatLogEntry } from '../format/log-entry.js'
import { leafHash, perfectRoot, sameHash } from '../format/merkle.js'
import { parseHashTile, partialTiles, type Tile } from '../format/tile.js'
import type { ReadTile } from '../format/tile-proof.js'
import { TreeEdge } from '../format/tree-edge.js'
import type { LogEntryRow } from './log.table.js'
import type { LogStore } from './log-store.js'

/** One leaf as the index has it. */
export interface Leaf {
  readonly entry: Uint8Array
  readonly hash: Uint8Array
}

/**
 * The leaf of a row, made anew from tag and digest.
 *
 * @throws EscrowError `LOG_INCONSISTENT` when the row names another hash: the index is damaged.
 */
export function leafOf(row: LogEntryRow): Leaf {
  const entry = formatLogEntry({ tag: Buffer.from(row.tag, 'hex'), digest: Buffer.from(row.eventDigest, 'hex') })
  const hash = leafHash(entry)
  if (Buffer.from(hash).toString('hex') === row.leafHash) return { entry, hash }
  throw new EscrowError('LOG_INCONSISTENT', `expected entry ${row.entryId} to have the leaf ${row.leafHash}`)
}

/**
 * The edge of the published log.
 *
 * @param head - size and root, from the index.
 * @param lastLeaves - the leaf hashes of the partial tile of level 0, from the index.
 * @throws EscrowError `LOG_INCONSISTENT` when no replica's tiles lead to the root; `STORE_*` when none can be read
 */
export async function loadEdge(
  head: { readonly size: number; readonly root: Uint8Array },
  lastLeaves: readonly Uint8Array[],
  store: LogStore,
  signal?: AbortSignal,
): Promise<TreeEdge> {
  const attempts: readonly ((read: ReadTile) => ReadUpper)[] = [(read) => partialTile(read), (read) => fullTilesBelow(read)]
  for (const how of attempts) {
    try {
      return await store.firstGood(async (replica) => {
        const edge = new TreeEdge(head.size, await levelsOf(head.size, lastLeaves, how(store.reader(replica, signal))))
        if (sameHash(edge.root(), head.root)) return edge
        throw new EscrowError('TILE_INVALID', `the tiles at ${replica.name} lead to another root than the head's, at size ${head.size}`)
      })
    } catch (error) {
      if (!isEscrowError(error, 'TILE_INVALID')) throw error
    }
  }
  throw new EscrowError('LOG_INCONSISTENT', `no replica's tiles lead to the root of the head, at size ${head.size}`)
}

type ReadUpper = (tile: Tile & { readonly level: number }) => Promise<readonly Uint8Array[]>

const partialTile =
  (read: ReadTile): ReadUpper =>
  async (tile) =>
    parseHashTile(await read(tile), tile.width)

/** Each hash of a tile is the root of a full tile below. */
const fullTilesBelow =
  (read: ReadTile): ReadUpper =>
  async ({ level, index, width }) => {
    const hashes: Uint8Array[] = []
    for (let at = 0; at < width; at += 1) {
      const bytes = await read({ level: level - 1, index: index * tileWidth + at, width: tileWidth })
      parseHashTile(bytes, tileWidth)
      hashes.push(perfectRoot(bytes))
    }
    return hashes
  }

async function levelsOf(size: number, lastLeaves: readonly Uint8Array[], readUpper: ReadUpper): Promise<(readonly Uint8Array[])[]> {
  const levels: (readonly Uint8Array[])[] = []
  for (let hashes = size; hashes > 0; hashes = Math.floor(hashes / tileWidth)) levels.push([])
  for (const tile of partialTiles(size)) levels[tile.level] = tile.level === 0 ? lastLeaves : await readUpper(tile)
  return levels
}
