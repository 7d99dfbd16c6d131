/**
 * Every leaf of a log in one file, 64 bytes each: tag and digest, as the log's entries have them. Whoever holds a checkpoint can compute its
 * root from this file, and whoever knows a tag finds all leaves of that tag in it: that is how an omission shows.
 */
import { EscrowError } from '../core/errors.js'
import { formatLogEntry, type LogEntry } from './log-entry.js'
import { emptyRoot, joinHashes, leafHash, nodeHash } from './merkle.js'

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
  const tree = new Frontier()
  const rootsAt = new Map<number, Uint8Array>()
  let rest = Buffer.alloc(0)
  for await (const block of blocks) {
    const bytes = Buffer.concat([rest, block])
    const whole = bytes.length - (bytes.length % listedLeafBytes)
    if (tree.size + whole / listedLeafBytes > sizeMax)
      throw new EscrowError('FORMAT_INVALID', `leaf list: expected ${sizeMax} leaves, got more`)
    for (let at = 0; at < whole; at += listedLeafBytes) {
      const leaf = { tag: bytes.subarray(at, at + halfBytes), digest: bytes.subarray(at + halfBytes, at + listedLeafBytes) }
      seen(leaf, tree.size)
      tree.append(leafHash(formatLogEntry(leaf)))
      if (wanted.has(tree.size)) rootsAt.set(tree.size, tree.root())
    }
    rest = bytes.subarray(whole)
  }
  if (rest.length > 0) throw new EscrowError('FORMAT_INVALID', `leaf list: expected whole leaves of ${listedLeafBytes} bytes`)
  return { size: tree.size, root: tree.root(), rootsAt }
}

/** A tree that keeps nothing but its perfect subtrees, largest first: any of its roots costs a few hashes, and ten thousand are asked for. */
class Frontier {
  #peaks: Uint8Array[] = []
  size = 0

  append(leaf: Uint8Array): void {
    let peak = leaf
    for (let count = this.size; count % 2 === 1; count = Math.floor(count / 2)) peak = nodeHash(this.#peaks.pop() ?? peak, peak)
    this.#peaks.push(peak)
    this.size += 1
  }

  root(): Uint8Array {
    return this.size === 0 ? emptyRoot() : joinHashes(this.#peaks)
  }
}
