/**
 * A log read from its root down: every tile and every entry is proven before it is given, one by one, from whichever copy is good. So a
 * log can be read whole although every copy of it has lost something else. What the readers give is attacker-controlled; only the root is
 * trusted.
 */
import { tileWidth } from '../core/limits.js'
import { EscrowError, isEscrowError } from '../core/errors.js'
import type { Checkpoint } from './checkpoint.js'
import { leafHash, perfectRoot, sameHash } from './merkle.js'
import type { ReadTile } from './tile-proof.js'
import { parseEntryBundle, parseHashTile, partialTiles, tileOf, tilePath, type Tile } from './tile.js'
import { TreeEdge } from './tree-edge.js'

/** A leaf that the root was proven to hold. */
export interface ProvenLeaf {
  readonly index: number
  readonly entry: Uint8Array
  readonly hash: Uint8Array
}

type HashTileOf = Tile & { readonly level: number }

/** Entry bundles asked for at once. */
const readAhead = 16

/**
 * Every leaf of a log in order, an entry bundle at a time.
 *
 * @param checkpoint - verified.
 * @param readers - one for each copy of the log, in the order in which they are tried.
 * @throws EscrowError `LOG_INCONSISTENT` where no copy gives what the root says
 */
export async function* readLeaves(checkpoint: Checkpoint, readers: readonly ReadTile[]): AsyncGenerator<readonly ProvenLeaf[]> {
  const { size } = checkpoint
  if (size === 0) return
  const tiles = await ProvenTiles.of(checkpoint, readers)
  const bundles = Math.ceil(size / tileWidth)
  for (let first = 0; first < bundles; first += readAhead) {
    const wanted = Array.from({ length: Math.min(readAhead, bundles - first) }, (_, at) => first + at)
    yield* await Promise.all(wanted.map((index) => tiles.leaves(index)))
  }
}

/** Tiles of one tree, each compared with the hash that its parent has for it. */
class ProvenTiles {
  readonly #full = new Map<number, { readonly index: number; readonly hashes: Promise<readonly Uint8Array[]> }>()

  private constructor(
    private readonly size: number,
    private readonly readers: readonly ReadTile[],
    private readonly edge: ReadonlyMap<number, readonly Uint8Array[]>,
  ) {}

  /** Begin with the right edge, whose tiles prove each other: together they lead to the root. */
  static async of({ size, root }: Checkpoint, readers: readonly ReadTile[]): Promise<ProvenTiles> {
    const faults: string[] = []
    for (const how of [fromPartialTile, fromTilesBelow]) {
      for (const read of readers) {
        const levels = await attempt(() => edgeLevels(size, read, how), faults)
        if (levels !== null && sameHash(new TreeEdge(size, levels).root(), root))
          return new ProvenTiles(size, readers, new Map(levels.entries()))
      }
    }
    throw inconsistent(`the right edge of ${size} leaves`, faults)
  }

  async leaves(bundle: number): Promise<readonly ProvenLeaf[]> {
    const tile = tileOf(0, bundle * tileWidth, this.size)
    const hashes = await this.#hashes(tile)
    const place: Tile = { ...tile, level: 'entries' }
    const faults: string[] = []
    for (const read of this.readers) {
      const entries = await attempt(async () => parseEntryBundle(await read(place), tile.width), faults)
      const good = entries?.every((entry, at) => sameHash(leafHash(entry), hashes[at] ?? entry)) ?? false
      if (entries !== null && good) {
        return entries.map((entry, at) => ({ index: bundle * tileWidth + at, entry, hash: hashes[at] ?? entry }))
      }
    }
    throw inconsistent(tilePath(place), faults)
  }

  /** Neighbours ask for the same parents, so the last tile of each level is kept. */
  #hashes(tile: HashTileOf): Promise<readonly Uint8Array[]> {
    if (tile.width < tileWidth) return Promise.resolve(this.edge.get(tile.level) ?? [])
    const kept = this.#full.get(tile.level)
    if (kept?.index === tile.index) return kept.hashes
    const hashes = this.#readFull(tile)
    hashes.catch(() => undefined)
    this.#full.set(tile.level, { index: tile.index, hashes })
    return hashes
  }

  async #readFull(tile: HashTileOf): Promise<readonly Uint8Array[]> {
    const parent = await this.#hashes(tileOf(tile.level + 1, tile.index, this.size))
    const expected = parent[tile.index % tileWidth]
    const faults: string[] = []
    for (const read of this.readers) {
      const bytes = await attempt(async () => {
        const given = await read(tile)
        parseHashTile(given, tileWidth)
        return given
      }, faults)
      if (bytes !== null && expected !== undefined && sameHash(perfectRoot(bytes), expected)) return parseHashTile(bytes, tileWidth)
    }
    throw inconsistent(tilePath(tile), faults)
  }
}

type ReadPartial = (tile: HashTileOf, read: ReadTile) => Promise<readonly Uint8Array[]>

async function edgeLevels(size: number, read: ReadTile, how: ReadPartial): Promise<(readonly Uint8Array[])[]> {
  const levels: (readonly Uint8Array[])[] = []
  for (let hashes = size; hashes > 0; hashes = Math.floor(hashes / tileWidth)) levels.push([])
  for (const tile of partialTiles(size)) levels[tile.level] = await how(tile, read)
  return levels
}

const fromPartialTile: ReadPartial = async (tile, read) => parseHashTile(await read(tile), tile.width)

/** Partial tiles lie unlocked and may be gone: what they say is also in the full tiles, and in the entries, below. */
const fromTilesBelow: ReadPartial = async ({ level, index, width }, read) => {
  if (level === 0) return parseEntryBundle(await read({ level: 'entries', index, width }), width).map((entry) => leafHash(entry))
  const hashes: Uint8Array[] = []
  for (let at = 0; at < width; at += 1) {
    const bytes = await read({ level: level - 1, index: index * tileWidth + at, width: tileWidth })
    parseHashTile(bytes, tileWidth)
    hashes.push(perfectRoot(bytes))
  }
  return hashes
}

async function attempt<T>(work: () => Promise<T>, faults: string[]): Promise<T | null> {
  try {
    return await work()
  } catch (error) {
    if (!isEscrowError(error)) throw error
    faults.push(error.message)
    return null
  }
}

function inconsistent(what: string, faults: readonly string[]): EscrowError {
  const heard = faults.length === 0 ? '' : `: ${faults.slice(0, 4).join('; ')}`
  return new EscrowError('LOG_INCONSISTENT', `no copy of the log gives ${what} as the checkpoint has it${heard}`)
}
