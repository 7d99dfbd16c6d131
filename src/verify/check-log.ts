import { Inject, Injectable } from '@nestjs/common'
import { EscrowError, isEscrowError } from '../core/errors.js'
import { eventWritesMax, tileWidth } from '../core/limits.js'
import { Database } from '../db/database.js'
import { checkTiles, type TileFinding } from '../format/check-tiles.js'
import type { OpenedCheckpoint } from '../format/checkpoint.js'
import { openCheckpoint } from '../format/checkpoint.js'
import type { EventRecord } from '../format/event.js'
import { parseLogEntry } from '../format/log-entry.js'
import { readLeaves, type ProvenLeaf } from '../format/proven-tiles.js'
import { LogOptions } from '../log/log-options.js'
import { LogStore } from '../log/log-store.js'
import { findHead, listLeaves } from '../log/log.table.js'
import { newestCheckpoint } from '../log/newest-checkpoint.js'
import { readEvent } from '../log/read-event.js'
import { objectKeys } from '../store/object-key.js'
import type { Replica } from '../store/replica.js'

/** Something that is not as the newest checkpoint says. */
export interface LogFinding {
  /** Whose copy; null where it is the index or the log itself. */
  readonly replica: string | null
  readonly path: string
  readonly problem: TileFinding['problem'] | 'behind' | 'chain'
  readonly words: string
}

/** What a check of the log came to. */
export interface CheckedLog {
  readonly leaves: number
  readonly replicas: readonly string[]
  /** Events that were read, at all replicas together. */
  readonly events: number
  /** Empty when all is as it must be; at most so many as are listed. */
  readonly findings: readonly LogFinding[]
}

/** What is to be checked beside tiles and checkpoints. */
export interface LogCheckWish {
  /** Read the event behind every leaf at every replica. */
  readonly events: boolean
  readonly onLeaves?: (done: number, total: number, phase: string) => void
}

const findingsMax = 1000

/** Recomputes the whole log from what every replica holds and compares: tiles, entries, checkpoint, index, and the event behind each leaf. */
@Injectable()
export class CheckLog {
  constructor(
    @Inject(Database) private readonly database: Database,
    @Inject(LogStore) private readonly store: LogStore,
    @Inject(LogOptions) private readonly options: LogOptions,
  ) {}

  /**
   * Check the log.
   *
   * @returns findings instead of faults, wherever one bad copy says nothing about the others.
   * @throws EscrowError `LOG_FORKED` when replicas show trees that contradict each other; `CHECKPOINT_INVALID` when none shows one of this
   *   log; `STORE_*` when a replica does not answer
   */
  async run(wish: LogCheckWish, signal?: AbortSignal): Promise<CheckedLog> {
    const findings = new LogFindings()
    const replicas = this.store.replicas.replicas.map((replica) => replica.name)
    const checkpoint = await newestCheckpoint(this.store, this.options.policy, signal)
    const head = await this.database.query((db) => findHead(db))
    const size = checkpoint?.size ?? 0
    if ((head?.size ?? 0) !== size)
      findings.add(null, 'index', 'behind', `the index knows ${head?.size ?? 0} leaves, the checkpoint has ${size}`)
    if (checkpoint === null) return { leaves: 0, replicas, events: 0, findings: findings.list }
    await this.checkpoints(checkpoint, findings, signal)
    for (const replica of this.store.replicas.replicas) await this.tiles(replica, checkpoint, { findings, wish }, signal)
    const events = await this.leaves(checkpoint, { findings, wish }, signal)
    return { leaves: checkpoint.size, replicas, events, findings: findings.list }
  }

  private async checkpoints(checkpoint: OpenedCheckpoint, findings: LogFindings, signal?: AbortSignal): Promise<void> {
    const { stored, faults } = await this.store.readCheckpoints(signal)
    if (faults[0] !== undefined) throw faults[0].error
    for (const { replica, bytes } of stored) {
      const path = 'checkpoint'
      if (bytes === null) {
        findings.add(replica, path, 'missing', 'there is no checkpoint')
        continue
      }
      try {
        const { size } = openCheckpoint(bytes, this.options.policy)
        if (size < checkpoint.size) findings.add(replica, path, 'behind', `it shows ${size} of ${checkpoint.size} leaves`)
      } catch (error) {
        if (!isEscrowError(error)) throw error
        findings.add(replica, path, 'malformed', error.message)
      }
    }
  }

  private async tiles(replica: Replica, checkpoint: OpenedCheckpoint, { findings, wish }: Checking, signal?: AbortSignal): Promise<void> {
    const visit = (first: number, entries: readonly Uint8Array[]) => {
      signal?.throwIfAborted()
      wish.onLeaves?.(first + entries.length, checkpoint.size, `tiles of ${replica.name}`)
    }
    const checked = await checkTiles(checkpoint, this.store.reader(replica, signal), { visit, findingsMax })
    for (const { path, problem, words } of checked.findings) findings.add(replica.name, path, problem, words)
  }

  /** Every leaf against the index, and its event at every replica; leaves are taken from whichever copy proves them. */
  private async leaves(checkpoint: OpenedCheckpoint, checking: Checking, signal?: AbortSignal): Promise<number> {
    const { findings, wish } = checking
    const readers = this.store.replicas.replicas.map((replica) => this.store.reader(replica, signal))
    const chains = new Map<string, { readonly number: number; readonly leafHash: string }>()
    let read = 0
    try {
      for await (const leaves of readLeaves(checkpoint, readers)) {
        signal?.throwIfAborted()
        await this.compareIndex(leaves, findings)
        if (wish.events) read += await this.events(leaves, { ...checking, chains }, signal)
        wish.onLeaves?.((leaves[0]?.index ?? 0) + leaves.length, checkpoint.size, 'events')
      }
    } catch (error) {
      // What no copy proves was found above, copy by copy; nothing behind it can be looked at.
      if (!isEscrowError(error, 'LOG_INCONSISTENT')) throw error
      findings.add(null, 'tile', 'missing', error.message)
    }
    return read
  }

  private async compareIndex(leaves: readonly ProvenLeaf[], findings: LogFindings): Promise<void> {
    const from = leaves[0]?.index ?? 0
    const rows = await this.database.query((db) => listLeaves(db, from, from + tileWidth))
    const known = new Map(rows.map((row) => [row.logIndex, row.leafHash]))
    for (const { index, hash } of leaves) {
      const row = known.get(index)
      if (row === hex(hash)) continue
      findings.add(null, `index, leaf ${index}`, row === undefined ? 'missing' : 'mismatch', `expected ${hex(hash)}, got ${row ?? 'none'}`)
    }
  }

  private async events(
    leaves: readonly ProvenLeaf[],
    checking: Checking & { readonly chains: Chains },
    signal?: AbortSignal,
  ): Promise<number> {
    const { replicas } = this.store.replicas
    for (let first = 0; first < leaves.length; first += eventWritesMax) {
      const some = leaves.slice(first, first + eventWritesMax)
      const found = await Promise.all(some.map((leaf) => this.eventsOf(leaf, checking.findings, signal)))
      for (const [at, leaf] of some.entries()) checkChain(leaf, found[at] ?? null, checking)
    }
    return leaves.length * replicas.length
  }

  /** @returns the event as any replica has it; null when none does. */
  private async eventsOf({ entry, hash }: ProvenLeaf, findings: LogFindings, signal?: AbortSignal): Promise<EventRecord | null> {
    const leaf = { leafHash: hex(hash), tag: hex(parseLogEntry(entry).tag) }
    let found: EventRecord | null = null
    for (const replica of this.store.replicas.replicas) {
      try {
        found = await readEvent([replica], leaf, signal)
      } catch (error) {
        if (!isEscrowError(error) || isStoreFault(error)) throw error
        const problem = error.code === 'OBJECT_MISSING' ? 'missing' : 'mismatch'
        findings.add(replica.name, objectKeys.event(leaf.leafHash), problem, error.message)
      }
    }
    return found
  }
}

interface Checking {
  readonly findings: LogFindings
  readonly wish: LogCheckWish
}

type Chains = Map<string, { readonly number: number; readonly leafHash: string }>

/** Events of one tag are numbered and chained: in a log that we wrote ourselves a gap is our own fault, or somebody else's hand. */
function checkChain(
  { index, entry, hash }: ProvenLeaf,
  record: EventRecord | null,
  { chains, findings }: Checking & { readonly chains: Chains },
): void {
  if (record === null) return
  const tag = hex(parseLogEntry(entry).tag)
  const end = chains.get(tag)
  const { number, previous } = record.event.chain
  if (number !== (end?.number ?? 0) + 1 || previous !== (end?.leafHash ?? null)) {
    findings.add(null, `leaf ${index}`, 'chain', `expected event ${(end?.number ?? 0) + 1} of its chain, got ${number}`)
  }
  chains.set(tag, { number, leafHash: hex(hash) })
}

class LogFindings {
  readonly list: LogFinding[] = []

  add(replica: string | null, path: string, problem: LogFinding['problem'], words: string): void {
    if (this.list.length < findingsMax) this.list.push({ replica, path, problem, words })
  }
}

function isStoreFault(error: EscrowError): boolean {
  return error.code === 'STORE_UNREACHABLE' || error.code === 'STORE_REFUSED'
}

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')
