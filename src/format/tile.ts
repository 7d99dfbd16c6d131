/**
 * Tiles: the tree and its entries as static files (c2sp.org/tlog-tiles). A tile of level L holds up to 256 hashes; hash i of tile n is
 * the root over the leaves [(n * 256 + i) * 256^L, (n * 256 + i + 1) * 256^L). Entry bundles hold the entries behind level 0.
 *
 * Paths may come from an HTTP request and contents from any store: both are attacker-controlled.
 */
import { tileWidth } from '../core/limits.js'
import { EscrowError, assert } from '../core/errors.js'
import { hashBytes } from './merkle.js'

/** Which tile. */
export interface Tile {
  /** 0 to 63 for hashes, or the bundle of entries behind a tile of level 0. */
  readonly level: number | 'entries'
  /** Position among the tiles of the level. */
  readonly index: number
  /** How many hashes or entries: 256 when full, 1 to 255 when partial. */
  readonly width: number
}

/** The specification's ceiling; a log of 2^53 entries needs 7 levels. */
const levelMax = 63
/** An entry's length is a uint16. */
export const entryBytesMax = 65_535
const pathBytesMax = 100

const pathPattern = /^tile\/(entries|0|[1-9]\d?)\/((?:x\d{3}\/)*\d{3})(?:\.p\/([1-9]\d{0,2}))?$/

/**
 * Where a tile lies below the log's prefix, for example `tile/0/x001/x234/067` or `tile/1/000.p/17`.
 *
 * Source: c2sp.org/tlog-tiles, "Merkle Tree".
 */
export function tilePath(tile: Tile): string {
  assert(tile.width >= 1 && tile.width <= tileWidth, 'a tile width of 1 to 256')
  const digits = String(tile.index)
  const groups = digits.padStart(Math.ceil(digits.length / 3) * 3, '0').match(/\d{3}/g) ?? []
  const place = groups.map((group, at) => (at < groups.length - 1 ? `x${group}` : group)).join('/')
  return `tile/${tile.level}/${place}${tile.width < tileWidth ? `.p/${tile.width}` : ''}`
}

/**
 * The tile that a path names.
 *
 * @param path - attacker-controlled; only the one canonical spelling passes.
 * @throws EscrowError `TILE_INVALID`
 */
export function parseTilePath(path: string): Tile {
  const match = path.length <= pathBytesMax ? pathPattern.exec(path) : null
  if (match === null) throw new EscrowError('TILE_INVALID', 'expected a path like tile/0/x001/234 or tile/entries/000.p/7')
  const [, level = '', place = '', width = String(tileWidth)] = match
  const tile = {
    level: level === 'entries' ? ('entries' as const) : Number(level),
    index: Number(place.replaceAll(/[x/]/g, '')),
    width: Number(width),
  }
  if (
    (tile.level !== 'entries' && tile.level > levelMax) ||
    !Number.isSafeInteger(tile.index) ||
    tile.width > tileWidth ||
    tilePath(tile) !== path
  ) {
    throw new EscrowError('TILE_INVALID', 'expected a tile path in its one canonical spelling')
  }
  return tile
}

/**
 * The tiles of hashes that a tree of `size` leaves has at its right edge and that are partial, lowest level first.
 *
 * @returns empty for the empty tree and wherever a level ends with a full tile.
 */
export function partialTiles(size: number): (Tile & { readonly level: number })[] {
  assert(Number.isSafeInteger(size) && size >= 0, 'a tree size')
  const tiles: (Tile & { readonly level: number })[] = []
  for (let [level, hashes] = [0, size]; hashes > 0; level += 1, hashes = Math.floor(hashes / tileWidth)) {
    if (hashes % tileWidth > 0) tiles.push({ level, index: Math.floor(hashes / tileWidth), width: hashes % tileWidth })
  }
  return tiles
}

/**
 * The tile that holds a node of the given level (in levels of tiles) in a tree of `size` leaves, as wide as the tree has it.
 *
 * @param hashIndex - position among the hashes of that level; must exist.
 */
export function tileOf(level: number, hashIndex: number, size: number): Tile & { readonly level: number } {
  const hashes = Math.floor(size / tileWidth ** level)
  assert(hashIndex >= 0 && hashIndex < hashes, 'a hash that the tree has')
  const index = Math.floor(hashIndex / tileWidth)
  return { level, index, width: Math.min(tileWidth, hashes - index * tileWidth) }
}

/**
 * The hashes of a tile.
 *
 * @param bytes - attacker-controlled.
 * @param width - how many hashes it must hold, 1 to 256.
 * @returns views into `bytes`.
 * @throws EscrowError `TILE_INVALID`
 */
export function parseHashTile(bytes: Uint8Array, width: number): Uint8Array[] {
  if (bytes.length !== width * hashBytes) {
    throw new EscrowError('TILE_INVALID', `expected ${width * hashBytes} bytes of hashes, got ${bytes.length}`)
  }
  return Array.from({ length: width }, (_, at) => bytes.subarray(at * hashBytes, (at + 1) * hashBytes))
}

/** The bytes of a tile of hashes. */
export function formatHashTile(hashes: readonly Uint8Array[]): Uint8Array {
  assert(hashes.length >= 1 && hashes.length <= tileWidth && hashes.every((one) => one.length === hashBytes), '1 to 256 hashes')
  return concatenate(hashes)
}

/**
 * The entries of an entry bundle: each behind its length as a big-endian uint16.
 *
 * @param bytes - attacker-controlled.
 * @param width - how many entries it must hold, 1 to 256.
 * @returns views into `bytes`.
 * @throws EscrowError `TILE_INVALID`
 */
export function parseEntryBundle(bytes: Uint8Array, width: number): Uint8Array[] {
  const entries: Uint8Array[] = []
  let offset = 0
  while (offset + 2 <= bytes.length && entries.length < width) {
    const sizeBytes = (bytes[offset] ?? 0) * 256 + (bytes[offset + 1] ?? 0)
    entries.push(bytes.subarray(offset + 2, offset + 2 + sizeBytes))
    offset += 2 + sizeBytes
  }
  if (entries.length !== width || offset !== bytes.length) {
    throw new EscrowError('TILE_INVALID', `expected exactly ${width} whole entries in the bundle`)
  }
  return entries
}

/** The bytes of an entry bundle. */
export function formatEntryBundle(entries: readonly Uint8Array[]): Uint8Array {
  assert(entries.length >= 1 && entries.length <= tileWidth && entries.every((one) => one.length <= entryBytesMax), '1 to 256 entries')
  return concatenate(entries.flatMap((entry) => [Uint8Array.of(entry.length >> 8, entry.length & 0xff), entry]))
}

function concatenate(pieces: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(pieces))
}
