/**
 * Where the log lies: full tiles and entry bundles write-once in every replica's store; partial ones and the checkpoint in the unlocked
 * place beside it. Writing goes to all replicas, reading from one, and nothing read here is verified yet.
 */
import { EscrowError, isEscrowError } from '../core/errors.js'
import { logHeadBytesMax, tileWidth } from '../core/limits.js'
import { tilePath, type Tile } from '../format/tile.js'
import { someAtOnce } from '../store/at-once.js'
import { parseObjectKey } from '../store/object-key.js'
import type { ReplicaSet } from '../store/replica-set.js'
import { atEach, faultOfAll, requireEvery, type Replica, type ReplicaFault } from '../store/replica.js'

/** A tile with its bytes. */
export interface TileBytes {
  readonly tile: Tile
  readonly bytes: Uint8Array
}

/** What one replica holds under `checkpoint`; unverified. */
export interface StoredCheckpoint {
  readonly replica: string
  /** Null when there is none. */
  readonly bytes: Uint8Array | null
}

/** Where the checkpoint lies below the prefix of the log (c2sp.org/tlog-tiles). */
export const checkpointName = 'checkpoint'
/** Tiles written or read at once at one replica: enough to hide a store's latency, few enough to be polite. */
const concurrentTiles = 16

/** The log's files at all replicas. */
export class LogStore {
  constructor(readonly replicas: ReplicaSet) {}

  /**
   * Make tiles durable at every replica. Idempotent: a replica that holds the same bytes counts as written.
   *
   * @param retainUntil - for full tiles; partial ones are not locked.
   * @throws EscrowError `LOG_INCONSISTENT` when a full tile is there already with other bytes; `STORE_*` and `RETENTION_REFUSED`
   */
  async writeTiles(tiles: readonly TileBytes[], retainUntil: Date, signal?: AbortSignal): Promise<void> {
    await someAtOnce(tiles, concurrentTiles, (one) => this.#writeTile(one, retainUntil, signal))
  }

  async #writeTile({ tile, bytes }: TileBytes, retainUntil: Date, signal?: AbortSignal): Promise<void> {
    const path = tilePath(tile)
    if (tile.width < tileWidth) return this.#writeHeads(path, bytes, signal)
    try {
      requireEvery(await this.replicas.putBytes(parseObjectKey(path), bytes, { retainUntil }, signal))
    } catch (error) {
      if (!isEscrowError(error, 'OBJECT_EXISTS')) throw error
      throw new EscrowError('LOG_INCONSISTENT', `${path} is stored already with other content: ${error.message}`, { cause: error })
    }
  }

  /** Put the checkpoint at every replica. @throws EscrowError `STORE_*` naming the replicas that failed; the others have it. */
  async writeCheckpoint(bytes: Uint8Array, signal?: AbortSignal): Promise<void> {
    await this.#writeHeads(checkpointName, bytes, signal)
  }

  async #writeHeads(name: string, bytes: Uint8Array, signal?: AbortSignal): Promise<void> {
    const { faults } = await atEach(this.replicas.replicas, ({ heads }) => heads.write(name, bytes, signal))
    const [first] = faults
    if (first === undefined) return
    const words = faults.map(({ replica, error }) => `replica ${replica}: ${error.message}`).join('; ')
    throw new EscrowError(first.error.code, words, { cause: first.error })
  }

  /**
   * What every replica shows as the log's checkpoint.
   *
   * @returns those that answered, and those that did not.
   */
  async readCheckpoints(
    signal?: AbortSignal,
  ): Promise<{ readonly stored: readonly StoredCheckpoint[]; readonly faults: readonly ReplicaFault[] }> {
    const { results, faults } = await atEach(this.replicas.replicas, ({ heads }) => heads.read(checkpointName, signal))
    return { stored: results.map(({ replica, result }) => ({ replica, bytes: result })), faults }
  }

  /**
   * A way to read tiles from one replica.
   *
   * @returns throws EscrowError `TILE_INVALID` when there is no such tile or it is longer than any; `STORE_*`
   */
  reader(replica: Replica, signal?: AbortSignal): (tile: Tile) => Promise<Uint8Array> {
    return async (tile) => {
      const path = tilePath(tile)
      if (tile.width === tileWidth) return readObject(replica, path, signal)
      const bytes = await replica.heads.read(path, signal)
      if (bytes === null) throw new EscrowError('TILE_INVALID', `expected a tile at ${path}, found none`)
      return bytes
    }
  }

  /**
   * Try the replicas in their order until one gives what verifies.
   *
   * @param attempt - throws an EscrowError when this replica's files are not good.
   * @throws EscrowError one that stands for all, when none is good.
   */
  async firstGood<T>(attempt: (replica: Replica) => Promise<T>): Promise<T> {
    const faults: ReplicaFault[] = []
    for (const replica of this.replicas.replicas) {
      try {
        return await attempt(replica)
      } catch (error) {
        if (!isEscrowError(error)) throw error
        faults.push({ replica: replica.name, error })
      }
    }
    throw faultOfAll(faults)
  }
}

async function readObject(replica: Replica, path: string, signal?: AbortSignal): Promise<Uint8Array> {
  const blocks: Uint8Array[] = []
  let sizeBytes = 0
  try {
    for await (const block of replica.store.get(parseObjectKey(path), {}, signal)) {
      sizeBytes += block.length
      if (sizeBytes > logHeadBytesMax) throw new EscrowError('TILE_INVALID', `expected ${path} to have at most ${logHeadBytesMax} bytes`)
      blocks.push(block)
    }
  } catch (error) {
    if (!isEscrowError(error, 'OBJECT_MISSING')) throw error
    throw new EscrowError('TILE_INVALID', `expected a tile at ${path}, found none`, { cause: error })
  }
  return Buffer.concat(blocks)
}
