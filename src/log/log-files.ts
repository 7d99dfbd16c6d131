import { isEscrowError } from '../core/errors.js'
import { openCheckpoint, type CheckpointPolicy, type OpenedCheckpoint } from '../format/checkpoint.js'
import { formatNote } from '../format/note.js'
import { parseTilePath } from '../format/tile.js'
import { checkpointName, type LogStore } from './log-store.js'

/** A file of the log as a web server gives it. */
export interface LogFile {
  readonly bytes: Uint8Array
  readonly contentType: 'text/plain; charset=utf-8' | 'application/octet-stream'
  /** A tile never changes under its name; the checkpoint does whenever the log grows. */
  readonly immutable: boolean
}

/**
 * The public files of the log by their C2SP paths, read straight from the replicas: what a server of static files over one of them would give.
 * Tiles are not verified here: whoever reads a log verifies it, and needs no faith in who served it.
 *
 * Source: c2sp.org/tlog-tiles, "APIs".
 */
export class LogFiles {
  constructor(
    private readonly store: LogStore,
    private readonly policy: CheckpointPolicy,
  ) {}

  /**
   * A file of the log.
   *
   * @param path - below the log's prefix, without a slash in front: `checkpoint`, `tile/0/x001/234`, `tile/entries/000.p/7`. Attacker-controlled:
   *   nothing but the checkpoint and tiles in their one spelling is looked for.
   * @returns null when no replica has it: a partial tile of a size that no checkpoint had, or a tile that the log has not reached.
   * @throws EscrowError `STORE_*` when none has it and one could not be asked
   */
  async read(path: string, signal?: AbortSignal): Promise<LogFile | null> {
    if (path === checkpointName) return this.checkpoint(signal)
    try {
      const tile = parseTilePath(path)
      const bytes = await this.store.firstGood((replica) => this.store.reader(replica, signal)(tile))
      return { bytes, contentType: 'application/octet-stream', immutable: true }
    } catch (error) {
      if (isEscrowError(error, 'TILE_INVALID')) return null
      throw error
    }
  }

  /** Of the largest tree that any replica shows under our signature, with the most cosignatures: a replica may have been away. */
  private async checkpoint(signal?: AbortSignal): Promise<LogFile | null> {
    const { stored, faults } = await this.store.readCheckpoints(signal)
    const opened = stored.flatMap(({ bytes }) => (bytes === null ? [] : this.opened(bytes)))
    opened.sort((left, right) => right.size - left.size || right.cosignatures.length - left.cosignatures.length)
    const [newest] = opened
    if (newest !== undefined) return { bytes: formatNote(newest.note), contentType: 'text/plain; charset=utf-8', immutable: false }
    if (faults[0] !== undefined) throw faults[0].error
    return null
  }

  private opened(bytes: Uint8Array): readonly OpenedCheckpoint[] {
    try {
      return [openCheckpoint(bytes, this.policy)]
    } catch (error) {
      if (isEscrowError(error)) return []
      throw error
    }
  }
}
