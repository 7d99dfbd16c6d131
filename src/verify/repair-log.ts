import { Inject, Injectable } from '@nestjs/common'
import { Clock } from '../core/environment.js'
import { EscrowError, isEscrowError } from '../core/errors.js'
import { documentBytesMax, eventWritesMax, logHeadBytesMax, tileWidth } from '../core/limits.js'
import { canonicalize } from '../format/canonical-json.js'
import type { Checkpoint } from '../format/checkpoint.js'
import { parseLogEntry } from '../format/log-entry.js'
import { sameHash } from '../format/merkle.js'
import { readLeaves, type ProvenLeaf } from '../format/proven-tiles.js'
import { formatEntryBundle, formatHashTile, tilePath, type Tile } from '../format/tile.js'
import { TreeEdge } from '../format/tree-edge.js'
import { LogOptions } from '../log/log-options.js'
import { LogStore, type TileBytes } from '../log/log-store.js'
import { newestCheckpoint } from '../log/newest-checkpoint.js'
import { readEvent } from '../log/read-event.js'
import { ArchiveReader } from '../store/archive-reader.js'
import { objectKeys, parseObjectKey } from '../store/object-key.js'
import type { Replica } from '../store/replica.js'

/** What is to be repaired. */
export interface LogRepairWish {
  /** Only at this replica; null for all. */
  readonly replica: string | null
  readonly onLeaves?: (done: number, total: number) => void
}

/** One file at one replica. */
export interface LogFileAt {
  readonly replica: string
  readonly path: string
}

/** What a repair of the log came to. */
export interface RepairedLog {
  readonly leaves: number
  readonly repaired: readonly LogFileAt[]
  readonly failed: readonly (LogFileAt & { readonly error: EscrowError })[]
}

/**
 * Gives every replica every tile, entry bundle and event of the log again: to one that was added later, all that was before; to one that lost
 * or damaged some, those. What is written was proven under the newest checkpoint, whichever copies it was put together from; a bad version is
 * locked and stays, and the good one supersedes it.
 */
@Injectable()
export class RepairLog {
  constructor(
    @Inject(LogStore) private readonly store: LogStore,
    @Inject(LogOptions) private readonly options: LogOptions,
    @Inject(Clock) private readonly clock: Clock,
  ) {}

  /**
   * Repair the log at its replicas. Idempotent, and goes on where it stopped. The checkpoint itself is the sequencer's to put right.
   *
   * @returns what was repaired and what could not be: the rest goes on.
   * @throws EscrowError `NOT_FOUND` for an unknown replica; `LOG_FORKED`, `CHECKPOINT_INVALID` as `newestCheckpoint`; `LOG_INCONSISTENT` where
   *   no copy proves what comes next: nothing behind it can be repaired
   */
  async run({ replica, onLeaves }: LogRepairWish, signal?: AbortSignal): Promise<RepairedLog> {
    const { replicas } = this.store.replicas
    const repair = new Repair(replica === null ? replicas : [this.store.replicas.named(replica)], this.options, this.clock.now())
    const checkpoint = await newestCheckpoint(this.store, this.options.policy, signal)
    if (checkpoint === null) return repair.result(0)
    const readers = replicas.map((one) => this.store.reader(one, signal))
    const edge = new TreeEdge()
    for await (const leaves of readLeaves(checkpoint, readers)) {
      signal?.throwIfAborted()
      for (const file of filesOf(leaves, edge)) await repair.tile(file, signal)
      await this.events(leaves, repair, signal)
      onLeaves?.(edge.size, checkpoint.size)
    }
    for (const upper of edge.partialTiles()) await repair.tile(upper, signal)
    requireRoot(edge, checkpoint)
    return repair.result(checkpoint.size)
  }

  private async events(leaves: readonly ProvenLeaf[], repair: Repair, signal?: AbortSignal): Promise<void> {
    for (let first = 0; first < leaves.length; first += eventWritesMax) {
      await Promise.all(leaves.slice(first, first + eventWritesMax).map((leaf) => this.event(leaf, repair, signal)))
    }
  }

  private async event({ entry, hash }: ProvenLeaf, repair: Repair, signal?: AbortSignal): Promise<void> {
    const leaf = { leafHash: hex(hash), tag: hex(parseLogEntry(entry).tag) }
    const path = objectKeys.event(leaf.leafHash)
    try {
      // The first replica whose file really gives this leaf: so the bytes are proven before they are compared with anybody's.
      const bytes = canonicalize(await readEvent(this.store.replicas.replicas, leaf, signal))
      await repair.object(path, bytes, documentBytesMax, signal)
    } catch (error) {
      if (!isEscrowError(error)) throw error
      repair.fail(path, error)
    }
  }
}

/** The tiles that a stretch of leaves completes: its entries, its hashes, and whatever became full above them. */
function filesOf(leaves: readonly ProvenLeaf[], edge: TreeEdge): readonly TileBytes[] {
  const index = (leaves[0]?.index ?? 0) / tileWidth
  const hashes = formatHashTile(leaves.map(({ hash }) => hash))
  const entries: Tile = { level: 'entries', index, width: leaves.length }
  const bundle = { tile: entries, bytes: formatEntryBundle(leaves.map(({ entry }) => entry)) }
  if (leaves.length === tileWidth)
    return [bundle, { tile: { level: 0, index, width: tileWidth }, bytes: hashes }, ...edge.appendTile(hashes)]
  for (const { hash } of leaves) edge.append(hash)
  // The partial tile of level 0 is among those of the edge, at the end.
  return [bundle]
}

function requireRoot(edge: TreeEdge, { size, root }: Checkpoint): void {
  if (edge.size === size && sameHash(edge.root(), root)) return
  throw new EscrowError('LOG_INCONSISTENT', `expected the leaves to lead to the checkpoint of ${size} leaves`)
}

/** One run over some replicas. */
class Repair {
  readonly #repaired: LogFileAt[] = []
  readonly #failed: (LogFileAt & { readonly error: EscrowError })[] = []
  readonly #retainUntil: Date
  /** Replicas that did not answer: each further file would wait as long. */
  readonly #away = new Set<string>()

  constructor(
    private readonly replicas: readonly Replica[],
    { identity }: LogOptions,
    now: Date,
  ) {
    this.#retainUntil = identity.retainUntil(now)
  }

  result(leaves: number): RepairedLog {
    return { leaves, repaired: this.#repaired, failed: this.#failed }
  }

  fail(path: string, error: EscrowError): void {
    for (const { name } of this.replicas) this.#failed.push({ replica: name, path, error })
  }

  async tile({ tile, bytes }: TileBytes, signal?: AbortSignal): Promise<void> {
    const path = tilePath(tile)
    if (tile.width === tileWidth) return this.object(path, bytes, logHeadBytesMax, signal)
    await this.each(path, async ({ heads }) => {
      const held = await heads.read(path, signal)
      if (held !== null && Buffer.compare(held, bytes) === 0) return false
      await heads.write(path, bytes, signal)
      return true
    })
  }

  /** A locked object: what lies there is compared, and where it differs a new version supersedes it. */
  async object(path: string, bytes: Uint8Array, bytesMax: number, signal?: AbortSignal): Promise<void> {
    const key = parseObjectKey(path)
    await this.each(path, async ({ store }) => {
      const held = await heldBytes(new ArchiveReader(store).read(key, bytesMax, signal))
      if (held !== null && Buffer.compare(held, bytes) === 0) return false
      const upload = await store.openUpload(key, { retainUntil: this.#retainUntil, supersede: true }, signal)
      try {
        await upload.write(bytes)
        await upload.complete()
      } finally {
        await upload.abort()
      }
      const written = await new ArchiveReader(store).read(key, bytesMax, signal)
      if (Buffer.compare(written, bytes) === 0) return true
      throw new EscrowError('OBJECT_CORRUPT', `${key} reads back with other bytes than were written`)
    })
  }

  /** @param mend - returns whether there was something to do. */
  private async each(path: string, mend: (replica: Replica) => Promise<boolean>): Promise<void> {
    for (const replica of this.replicas) {
      if (this.#away.has(replica.name)) continue
      try {
        if (await mend(replica)) this.#repaired.push({ replica: replica.name, path })
      } catch (error) {
        if (!isEscrowError(error)) throw error
        this.#failed.push({ replica: replica.name, path, error })
        if (error.code === 'STORE_UNREACHABLE') this.#away.add(replica.name)
      }
    }
  }
}

/** @returns null for whatever is missing, damaged or longer than any file of the log. */
async function heldBytes(reading: Promise<Uint8Array>): Promise<Uint8Array | null> {
  try {
    return await reading
  } catch (error) {
    if (isEscrowError(error) && !error.code.startsWith('STORE_')) return null
    throw error
  }
}

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')
