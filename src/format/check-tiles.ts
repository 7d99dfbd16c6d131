/**
 * Recompute a whole log from its entry bundles and compare it with its tiles and its checkpoint. A difference is a finding, not an
 * exception: the check goes on and says all that is wrong. Everything read is attacker-controlled; only the checkpoint is trusted.
 */
import { tileWidth } from '../core/limits.js'
import { EscrowError } from '../core/errors.js'
import type { Checkpoint } from './checkpoint.js'
import { leafHashes, sameHash } from './merkle.js'
import { readAhead } from './read-ahead.js'
import { parseEntryBundle, parseHashTile, tileOf, tilePath, type Tile } from './tile.js'
import type { ReadTile } from './tile-proof.js'
import { TreeEdge, type HashTile } from './tree-edge.js'

/** Something that is not as the checkpoint says. */
export interface TileFinding {
  /** The file, or `checkpoint`. */
  readonly path: string
  /** `missing`: cannot be read; `malformed`: not of its form; `mismatch`: other hashes than the log has. */
  readonly problem: 'missing' | 'malformed' | 'mismatch'
  readonly words: string
}

/** What a check of the whole log found. */
export interface LogCheck {
  readonly leaves: number
  /** Empty when every tile, every bundle and the root agree. */
  readonly findings: readonly TileFinding[]
}

/** Whom to show the entries as they pass; `entries[0]` has the index `first`. They are views: copy what is to be kept. */
export type VisitEntries = (first: number, entries: readonly Uint8Array[]) => void | Promise<void>

/** 256 leaves as two files tell them. */
interface Stretch {
  readonly tile: Tile
  readonly entries: readonly Uint8Array[] | null
  readonly hashes: Uint8Array | null
}

/**
 * Check a log from its first leaf to the root.
 *
 * @param checkpoint - verified; says what the log must be.
 * @param read - gives tiles and entry bundles; an EscrowError it throws is the finding `missing` or, for `TILE_INVALID`, what it says.
 * @returns findings in the order of the files, at most `findingsMax`.
 */
export async function checkTiles(
  checkpoint: Checkpoint,
  read: ReadTile,
  options: { readonly visit?: VisitEntries; readonly findingsMax?: number } = {},
): Promise<LogCheck> {
  const { size } = checkpoint
  const check = new Findings(options.findingsMax ?? 1000)
  const edge = new TreeEdge()
  for await (const { tile, entries, hashes } of readAhead(stretches(size), (next) => readStretch(next, read, check))) {
    if (entries !== null) await options.visit?.(tile.index * tileWidth, entries)
    // With neither file there is nothing to go on from: what lies behind cannot be placed.
    if (hashes === null) return { leaves: edge.size, findings: check.list }
    for (const upper of grow(edge, hashes, tile.width)) await check.compare(upper, read)
  }
  for (const partial of edge.partialTiles()) if (partial.tile.level > 0) await check.compare(partial, read)
  if (!sameHash(edge.root(), checkpoint.root))
    check.add('checkpoint', 'mismatch', `the tiles lead to another root than the checkpoint of ${size} leaves has`)
  return { leaves: edge.size, findings: check.list }
}

function* stretches(size: number): Generator<Tile & { readonly level: number }> {
  for (let first = 0; first < size; first += tileWidth) yield tileOf(0, first, size)
}

function grow(edge: TreeEdge, hashes: Uint8Array, width: number): readonly HashTile[] {
  if (width === tileWidth) return edge.appendTile(hashes)
  for (const hash of parseHashTile(hashes, width)) edge.append(hash)
  return []
}

/** The entries and their hashes; what only one of the two files gives is taken from it. */
async function readStretch(tile: Tile & { readonly level: number }, read: ReadTile, check: Findings): Promise<Stretch> {
  const bundle: Tile = { ...tile, level: 'entries' }
  const [stored, entries] = await Promise.all([
    check.attempt(tile, async () => {
      const bytes = await read(tile)
      parseHashTile(bytes, tile.width)
      return bytes
    }),
    check.attempt(bundle, async () => parseEntryBundle(await read(bundle), tile.width)),
  ])
  if (entries === null) return { tile, entries, hashes: stored }
  const hashes = leafHashes(entries)
  if (stored === null || sameHash(hashes, stored)) return { tile, entries, hashes }
  check.add(tilePath(tile), 'mismatch', `the leaf hashes differ from those of the entries in ${tilePath(bundle)}`)
  // One of the two is wrong; the tile goes on to the root, which decides.
  return { tile, entries, hashes: stored }
}

class Findings {
  readonly list: TileFinding[] = []

  constructor(private readonly max: number) {}

  add(path: string, problem: TileFinding['problem'], words: string): void {
    if (this.list.length < this.max) this.list.push({ path, problem, words })
  }

  /** @returns null after adding a finding. */
  async attempt<T>(tile: Tile, work: () => Promise<T>): Promise<T | null> {
    try {
      return await work()
    } catch (error) {
      if (!(error instanceof EscrowError)) throw error
      this.add(tilePath(tile), error.code === 'TILE_INVALID' ? 'malformed' : 'missing', error.message)
      return null
    }
  }

  /** Compare a tile of an upper level with what the levels below give. */
  async compare({ tile, bytes }: HashTile, read: ReadTile): Promise<void> {
    const stored = await this.attempt(tile, () => read(tile))
    if (stored !== null && !sameHash(stored, bytes)) this.add(tilePath(tile), 'mismatch', 'the hashes differ from those of the tiles below')
  }
}
