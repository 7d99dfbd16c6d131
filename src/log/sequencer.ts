/**
 * The only writer of the log. One step: give pending entries their places (one transaction, from then on the log's content is fixed), make
 * tiles durable at every replica, sign, put the checkpoint at every replica, move the head by compare-and-swap, ask the witnesses.
 *
 * Whatever is computed here is a function of what was stored before, so a step that died anywhere is done again with the same result. What
 * must never happen is a signature under two contradicting trees: places are given once, and before signing we look at every checkpoint
 * that any replica shows.
 */
import type { Clock } from '../core/environment.js'
import { EscrowError, isEscrowError } from '../core/errors.js'
import { sequenceBatchMax, sequenceLeaseMs, tileWidth } from '../core/limits.js'
import type { SigningKey } from '../crypto/signature.js'
import type { Database } from '../db/database.js'
import { signCheckpoint, type Checkpoint } from '../format/checkpoint.js'
import { emptyRoot, sameHash } from '../format/merkle.js'
import { formatEntryBundle } from '../format/tile.js'
import type { HashTile, TreeEdge } from '../format/tree-edge.js'
import { checkPublished } from './check-published.js'
import type { RetainUntil } from './event-log.js'
import type { LogStore, TileBytes } from './log-store.js'
import {
  assignPlaces,
  endHeadLease,
  listLeaves,
  moveHead,
  openHead,
  readHead,
  renewHeadLease,
  takeHeadLease,
  type LogHeadRow,
} from './log.table.js'
import { leafOf, loadEdge, type Leaf } from './tree-loader.js'
import type { CheckpointWitnesses } from './witness-round.js'

/** Which log this is and who signs for it. */
export interface LogIdentity {
  readonly origin: string
  readonly signer: SigningKey
  /** Unique for the sequencer's process; shown to those who must wait. */
  readonly holder: string
  readonly retainUntil: RetainUntil
  /** Who is asked to cosign; null for nobody. */
  readonly witnesses: CheckpointWitnesses | null
}

/** What one step did. */
export interface Sequenced {
  readonly size: number
  /** Leaves that this step published. */
  readonly published: number
  /** A full batch was taken: more may wait. */
  readonly more: boolean
  /** Replicas whose checkpoint was missing, unreadable or behind what had been published there, and was put right. */
  readonly restored: readonly string[]
  /** The newest checkpoint has the cosignatures that the policy demands. */
  readonly witnessed: boolean
}

/** What a step publishes. */
interface Growth {
  readonly head: LogHeadRow
  readonly size: number
  readonly token: number
  readonly ahead: readonly Checkpoint[]
}

/** Sequences one step at a time; see the head of the file. */
export class Sequencer {
  #edge: TreeEdge | null = null
  /** Of the last lease, to take it up again when it could not be given back. */
  #token: number | null = null
  /** Whether witnesses were asked what they remember, since the start or since one of them contradicted us. */
  #recalled = false
  #last: Promise<unknown> = Promise.resolve()

  constructor(
    private readonly database: Database,
    private readonly store: LogStore,
    private readonly clock: Clock,
    private readonly log: LogIdentity,
  ) {}

  /**
   * Do one step. Calls wait for each other.
   *
   * @throws EscrowError `LEASE_HELD` or `LEASE_LOST` when another process sequences; `LOG_ROLLED_BACK`, `LOG_FORKED`, `LOG_INCONSISTENT` when
   *   what is stored contradicts the index: nothing is signed then; `STORE_*`, `DATABASE_*`: try again, nothing is lost
   */
  run(signal?: AbortSignal): Promise<Sequenced> {
    const step = this.#last.then(() => this.#step(signal))
    this.#last = step.catch(() => undefined)
    return step
  }

  async #step(signal?: AbortSignal): Promise<Sequenced> {
    const root = hex(emptyRoot())
    const head = await this.database.transaction((tx) => openHead(tx, this.log.origin, root))
    if (head.origin !== this.log.origin) {
      throw new EscrowError('LOG_INCONSISTENT', `expected the index of log ${this.log.origin}, got that of ${head.origin}`)
    }
    const token = await this.#takeLease()
    try {
      return await this.#publish(token, signal)
    } finally {
      await this.#endLease(token)
    }
  }

  async #takeLease(): Promise<number> {
    const { holder } = this.log
    const wish = { holder, leaseMs: sequenceLeaseMs, lastToken: this.#token, alone: this.database.exclusive && this.#token === null }
    const token = await this.database.transaction((tx) => takeHeadLease(tx, wish))
    if (token === null) throw new EscrowError('LEASE_HELD', 'another process sequences the log')
    this.#token = token
    return token
  }

  /** A lease that cannot be given back lapses by itself. */
  async #endLease(token: number): Promise<void> {
    try {
      await this.database.transaction((tx) => endHeadLease(tx, token))
    } catch (error) {
      if (!isEscrowError(error)) throw error
    }
  }

  async #publish(token: number, signal?: AbortSignal): Promise<Sequenced> {
    const before = await this.database.query((db) => readHead(db))
    const shown = await this.store.readCheckpoints(signal)
    if (shown.faults[0] !== undefined) throw shown.faults[0].error
    // Before places are given: an index that was restored from a backup must not give a place twice.
    const remembered = this.#recalled ? [] : ((await this.log.witnesses?.recall(signal)) ?? [])
    const { store, log } = this
    const { ahead, behind } = await checkPublished({ head: before, stored: shown.stored, remembered, store, log }, signal)
    this.#recalled = true
    const size = before.assignedSize > before.size ? before.assignedSize : await this.#assign(token)
    const published = size - before.size
    if (published > 0 || behind.length > 0) await this.#grow({ head: before, size, token, ahead }, signal)
    const witnessed = await this.#ask(signal)
    return { size, published, more: published >= sequenceBatchMax, restored: behind, witnessed }
  }

  async #ask(signal?: AbortSignal): Promise<boolean> {
    // If it throws, a witness may know more than we do: the next step recalls that before it gives places.
    this.#recalled = false
    const witnessed = (await this.log.witnesses?.ask(signal)) ?? false
    this.#recalled = true
    return witnessed
  }

  async #assign(token: number): Promise<number> {
    const size = await this.database.transaction((tx) => assignPlaces(tx, token, sequenceBatchMax))
    if (size === null) throw lost()
    return size
  }

  /** Tiles, checkpoint, head; each durable before the next. If we stop anywhere, the next step writes the same bytes again. */
  async #grow(growth: Growth, signal?: AbortSignal): Promise<void> {
    const { head, size, token } = growth
    const bundleStart = head.size - (head.size % tileWidth)
    const leaves = await this.#leaves(bundleStart, size)
    const edge = await this.#edgeAt(head, leaves.slice(0, head.size - bundleStart), signal)
    const full = appendAll(edge, leaves.slice(head.size - bundleStart), growth.ahead)
    const at = this.clock.now()
    const retainUntil = this.log.retainUntil(at)
    await this.store.writeTiles([...full, ...edge.partialTiles(), ...bundlesOf(leaves, bundleStart)], retainUntil, signal)
    const root = edge.root()
    await this.#renew(token)
    const checkpoint = size === head.size && head.checkpoint !== null ? encode(head.checkpoint) : this.#sign(size, root)
    await this.store.writeCheckpoint(checkpoint, signal)
    const move = { fencingToken: token, fromSize: head.size, size, root: hex(root), checkpoint: new TextDecoder().decode(checkpoint), at }
    if (!(await this.database.transaction((tx) => moveHead(tx, move)))) throw lost()
    this.#edge = edge
  }

  /** The last look before a signature or a write that is not idempotent: another process may have taken over while we waited. */
  async #renew(token: number): Promise<void> {
    if (!(await this.database.transaction((tx) => renewHeadLease(tx, token, sequenceLeaseMs)))) throw lost()
  }

  #sign(size: number, root: Uint8Array): Uint8Array {
    return signCheckpoint({ origin: this.log.origin, size, root }, this.log.signer)
  }

  async #leaves(from: number, to: number): Promise<readonly Leaf[]> {
    const rows = await this.database.query((db) => listLeaves(db, from, to))
    if (rows.length !== to - from || rows.some((row, at) => row.logIndex !== from + at)) {
      throw new EscrowError('LOG_INCONSISTENT', `expected ${to - from} leaves from ${from} in the index, got ${rows.length}`)
    }
    return rows.map((row) => leafOf(row))
  }

  /** The edge of the last step if it is still that of the head; otherwise read anew. */
  async #edgeAt(head: LogHeadRow, last: readonly Leaf[], signal?: AbortSignal): Promise<TreeEdge> {
    const root = Buffer.from(head.root, 'hex')
    const known = this.#edge
    if (known !== null && known.size === head.size && hex(known.root()) === head.root) return known.copy()
    const hashes = last.map((leaf) => leaf.hash)
    return loadEdge({ size: head.size, root }, hashes, this.store, signal)
  }
}

/** Append leaves and come by every checkpoint that was shown already. @returns the tiles that became full. */
function appendAll(edge: TreeEdge, leaves: readonly Leaf[], ahead: readonly Checkpoint[]): readonly HashTile[] {
  const full: HashTile[] = []
  for (const leaf of leaves) {
    full.push(...edge.append(leaf.hash))
    for (const shown of ahead) {
      if (shown.size !== edge.size || sameHash(shown.root, edge.root())) continue
      throw new EscrowError('LOG_FORKED', `a replica shows another tree of ${shown.size} leaves than the index has, signed by this log`)
    }
  }
  return full
}

/** Entry bundles from the one that `start` begins; the last may be partial. */
function bundlesOf(leaves: readonly Leaf[], start: number): TileBytes[] {
  const bundles: TileBytes[] = []
  for (let at = 0; at < leaves.length; at += tileWidth) {
    const entries = leaves.slice(at, at + tileWidth).map((leaf) => leaf.entry)
    bundles.push({ tile: { level: 'entries', index: (start + at) / tileWidth, width: entries.length }, bytes: formatEntryBundle(entries) })
  }
  return bundles
}

function lost(): EscrowError {
  return new EscrowError('LEASE_LOST', 'another process has taken over the log')
}

const encode = (text: string) => new TextEncoder().encode(text)
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')
