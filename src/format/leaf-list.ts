/**
 * Every leaf of a log in one file, 64 bytes each: tag and digest, as the log's entries have them. Whoever holds a checkpoint can compute its
 * root from this file, and whoever knows a tag finds all leaves of that tag in it: that is how an omission shows.
 */
import { tileWidth } from '../core/limits.js'
import { EscrowError } from '../core/errors.js'
import { formatLogEntry, type LogEntry } from './log-entry.js'
import { hashBytes, leafHash } from './merkle.js'
import { TreeEdge } from './tree-edge.js'

const halfBytes = 32
/** Bytes of one leaf in the list. */
export const listedLeafBytes = 2 * halfBytes

/** What was found in a list. */
export interface ScannedLeaves {
  readonly size: number
  readonly root: Uint8Array
  /** Places of the leaves that bear the tag, ascending. */
  readonly places: readonly number[]
  /** Roots of the first so many leaves, for the sizes that were asked for and reached. */
  readonly rootsAt: ReadonlyMap<number, Uint8Array>
}

/** What is looked for in a list. */
export interface LeafScan {
  readonly tag: Uint8Array
  /** Leaves of the checkpoint that it is for: a longer list is refused where it exceeds that. */
  readonly sizeMax: number
  /** Sizes of earlier trees whose roots one knows. */
  readonly sizes?: readonly number[]
}

/** The bytes of one leaf in a list. */
export function formatListedLeaf({ tag, digest }: LogEntry): Uint8Array {
  return Buffer.concat([tag, digest])
}

/**
 * Read a whole list: compute the root that it leads to, and find every leaf of one tag.
 *
 * @param blocks - attacker-controlled, in pieces of any size; nothing of it is kept.
 * @throws EscrowError `FORMAT_INVALID` when it is longer than that or does not end with a whole leaf
 */
export async function scanLeafList(
  blocks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  { tag, sizeMax, sizes = [] }: LeafScan,
): Promise<ScannedLeaves> {
  const places: number[] = []
  const seen = (leaf: LogEntry, place: number) => {
    if (Buffer.compare(leaf.tag, tag) === 0) places.push(place)
  }
  return { ...(await walkLeafList(blocks, { sizeMax, sizes: new Set(sizes), seen })), places }
}

/** A list that was read once, for many questions. */
export interface LeafIndex extends Omit<ScannedLeaves, 'places'> {
  /** Leaves that were looked for, by digest in hex. */
  readonly leaves: ReadonlyMap<string, { readonly tag: string; readonly place: number }>
  /** Places of all leaves, ascending, by tag in hex. */
  readonly placesOf: ReadonlyMap<string, readonly number[]>
}

/**
 * Read a whole list, find leaves by their digests, and keep where each tag is.
 *
 * @param wanted.digests - in hex.
 * @throws EscrowError as `scanLeafList`
 */
export async function indexLeafList(
  blocks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  wanted: { readonly digests: ReadonlySet<string>; readonly sizes: ReadonlySet<number>; readonly sizeMax: number },
): Promise<LeafIndex> {
  const leaves = new Map<string, { readonly tag: string; readonly place: number }>()
  const placesOf = new Map<string, number[]>()
  const seen = (leaf: LogEntry, place: number) => {
    const [tag, digest] = [Buffer.from(leaf.tag).toString('hex'), Buffer.from(leaf.digest).toString('hex')]
    const places = placesOf.get(tag) ?? []
    placesOf.set(tag, places)
    places.push(place)
    if (wanted.digests.has(digest)) leaves.set(digest, { tag, place })
  }
  return { ...(await walkLeafList(blocks, { ...wanted, seen })), leaves, placesOf }
}

async function walkLeafList(
  blocks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  walk: { readonly sizeMax: number; readonly sizes: ReadonlySet<number>; readonly seen: (leaf: LogEntry, place: number) => void },
): Promise<Omit<ScannedLeaves, 'places'>> {
  const { sizeMax, sizes: wanted, seen } = walk
  const edge = new TreeEdge()
  const rootsAt = new Map<number, Uint8Array>()
  const hashes = Buffer.alloc(tileWidth * hashBytes)
  let [waiting, rest] = [0, Buffer.alloc(0)]
  for await (const block of blocks) {
    const bytes = Buffer.concat([rest, block])
    const whole = bytes.length - (bytes.length % listedLeafBytes)
    if (edge.size + waiting + whole / listedLeafBytes > sizeMax)
      throw new EscrowError('FORMAT_INVALID', `leaf list: expected ${sizeMax} leaves, got more`)
    for (let at = 0; at < whole; at += listedLeafBytes) {
      const leaf = { tag: bytes.subarray(at, at + halfBytes), digest: bytes.subarray(at + halfBytes, at + listedLeafBytes) }
      seen(leaf, edge.size + waiting)
      hashes.set(leafHash(formatLogEntry(leaf)), waiting * hashBytes)
      waiting += 1
      if (wanted.has(edge.size + waiting)) rootsAt.set(edge.size + waiting, rootWith(edge, hashes, waiting))
      if (waiting < tileWidth) continue
      edge.appendTile(hashes)
      waiting = 0
    }
    rest = bytes.subarray(whole)
  }
  if (rest.length > 0) throw new EscrowError('FORMAT_INVALID', `leaf list: expected whole leaves of ${listedLeafBytes} bytes`)
  return { size: edge.size + waiting, root: rootWith(edge, hashes, waiting), rootsAt }
}

function rootWith(edge: TreeEdge, hashes: Uint8Array, count: number): Uint8Array {
  const grown = edge.copy()
  for (let at = 0; at < count; at += 1) grown.append(Buffer.from(hashes.subarray(at * hashBytes, (at + 1) * hashBytes)))
  return grown.root()
}
