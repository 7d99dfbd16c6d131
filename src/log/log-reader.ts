/** Proofs from what is stored. Every proof is verified before it is given, so a damaged or dishonest replica costs time, not trust. */
import { EscrowError, isEscrowError } from '../core/errors.js'
import { tileWidth, tilesKeptMax } from '../core/limits.js'
import type { Database } from '../db/database.js'
import { openCheckpoint, type Checkpoint, type CheckpointPolicy, type OpenedCheckpoint } from '../format/checkpoint.js'
import { verifyConsistency, verifyInclusion } from '../format/merkle.js'
import { formatNote } from '../format/note.js'
import type { LogProof } from '../format/proof.js'
import { proveConsistency, proveInclusion, rootFromTiles, type ReadTile } from '../format/tile-proof.js'
import { tilePath } from '../format/tile.js'
import type { Replica } from '../store/replica.js'
import type { LogStore } from './log-store.js'
import { findEntry, findHead } from './log.table.js'

/** A proof and the checkpoint that it leads to. */
export interface LeafProof {
  readonly proof: LogProof
  readonly checkpoint: OpenedCheckpoint
}

/** Which checkpoint a proof is to lead to: the newest, or the newest that the witness quorum has cosigned. */
export type ProofTarget = 'newest' | 'witnessed'

/** Makes proofs for the service itself. Who has no database makes them with `format/tile-proof`. */
export class LogReader {
  readonly #kept = new Map<string, Uint8Array>()
  readonly #opened = new Map<ProofTarget, { readonly text: string; readonly checkpoint: OpenedCheckpoint }>()

  constructor(
    private readonly database: Database,
    private readonly store: LogStore,
    private readonly policy: CheckpointPolicy,
  ) {}

  /**
   * The checkpoint of that kind.
   *
   * @returns null when there is none yet.
   * @throws EscrowError `CHECKPOINT_INVALID` when the index holds one that does not verify
   */
  async checkpoint(target: ProofTarget): Promise<OpenedCheckpoint | null> {
    const head = await this.database.query((db) => findHead(db))
    const text = target === 'newest' ? head?.checkpoint : head?.witnessedCheckpoint
    return text === null || text === undefined ? null : this.#open(text, target)
  }

  /** Verifying signatures is what proofs would otherwise spend their time on; the checkpoint rarely changes between two of them. */
  #open(text: string, target: ProofTarget): OpenedCheckpoint {
    const known = this.#opened.get(target)
    if (known?.text === text) return known.checkpoint
    const checkpoint = openCheckpoint(new TextEncoder().encode(text), this.policy)
    this.#opened.set(target, { text, checkpoint })
    return checkpoint
  }

  /**
   * Prove that a leaf is in the log.
   *
   * @param leafHash - 64 lower-case hex digits.
   * @param target - also a checkpoint that this reader gave before: many proofs that lead to one.
   * @returns null while the leaf is pending, or not under a checkpoint of that kind yet.
   * @throws EscrowError `NOT_FOUND` when no event has this leaf; `PROOF_INVALID`, `TILE_INVALID` when no replica's tiles prove it; `STORE_*`
   */
  async proveLeaf(leafHash: string, target: ProofTarget | OpenedCheckpoint, signal?: AbortSignal): Promise<LeafProof | null> {
    const entry = await this.database.query((db) => findEntry(db, leafHash))
    if (entry === null) throw new EscrowError('NOT_FOUND', `no event has the leaf ${leafHash}`)
    const newest = await this.checkpoint('newest')
    const checkpoint = typeof target === 'string' ? await this.checkpoint(target) : target
    const { logIndex: index } = entry
    if (newest === null || checkpoint === null || index === null || index >= checkpoint.size) return null
    const hashes = await this.#firstGood(async (read) => {
      const made = await proveInclusion(index, checkpoint.size, read, newest.size)
      verifyInclusion({ index, size: checkpoint.size, leafHash: Buffer.from(leafHash, 'hex'), root: checkpoint.root }, made)
      return made
    }, signal)
    return { proof: { index, hashes, checkpoint: formatNote(checkpoint.note) }, checkpoint }
  }

  /**
   * Prove that the newest checkpoint extends an earlier tree.
   *
   * @param oldSize - 0 to `newest.size`.
   * @throws EscrowError `PROOF_INVALID`, `TILE_INVALID` when no replica's tiles prove it
   */
  async proveGrowth(oldSize: number, newest: Checkpoint, signal?: AbortSignal): Promise<readonly Uint8Array[]> {
    if (oldSize === 0 || oldSize === newest.size) return []
    return this.#firstGood(async (read) => {
      const oldRoot = await rootFromTiles(oldSize, newest.size, read)
      const made = await proveConsistency(oldSize, newest.size, read)
      verifyConsistency({ oldSize, newSize: newest.size, oldRoot, newRoot: newest.root }, made)
      return made
    }, signal)
  }

  /** A replica whose tiles did not verify is asked again for all of them the next time. */
  #firstGood<T>(attempt: (read: ReadTile) => Promise<T>, signal?: AbortSignal): Promise<T> {
    return this.store.firstGood(async (replica) => {
      try {
        return await attempt(this.#keeping(replica, signal))
      } catch (error) {
        if (isEscrowError(error)) this.#kept.clear()
        throw error
      }
    })
  }

  /** Full tiles never change, so those of the upper levels, which every proof needs, are kept for a while. */
  #keeping(replica: Replica, signal?: AbortSignal): ReadTile {
    const read = this.store.reader(replica, signal)
    return async (tile) => {
      if (tile.width < tileWidth) return read(tile)
      const key = `${replica.name}/${tilePath(tile)}`
      const bytes = this.#kept.get(key) ?? (await read(tile))
      // Taken out and put back, the tile is the youngest again.
      this.#kept.delete(key)
      this.#kept.set(key, bytes)
      const [oldest] = this.#kept.keys()
      if (this.#kept.size > tilesKeptMax && oldest !== undefined) this.#kept.delete(oldest)
      return bytes
    }
  }
}
