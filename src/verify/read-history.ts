import { eventWritesMax } from '../core/limits.js'
import type { OpenedCheckpoint } from '../format/checkpoint.js'
import type { Event } from '../format/event.js'
import { parseLogEntry } from '../format/log-entry.js'
import { readLeaves, type ProvenLeaf } from '../format/proven-tiles.js'
import type { LogStore } from '../log/log-store.js'
import { readEvent } from '../log/read-event.js'

/** A leaf of the log with the event behind it, both proven. */
export interface HistoryEntry {
  readonly index: number
  readonly leafHash: string
  readonly tag: string
  readonly digest: string
  readonly event: Event
}

/**
 * Everything that ever happened, in the order of the log, from the replicas alone. Each leaf is proven against the checkpoint and each event
 * against its leaf; what one replica has lost is read from another.
 *
 * @returns up to 256 at a time.
 * @throws EscrowError `LOG_INCONSISTENT`; `OBJECT_*`, `STORE_*` when no replica gives the event behind a leaf
 */
export async function* readHistory(
  store: LogStore,
  checkpoint: OpenedCheckpoint,
  signal?: AbortSignal,
): AsyncGenerator<readonly HistoryEntry[]> {
  const readers = store.replicas.replicas.map((replica) => store.reader(replica, signal))
  for await (const leaves of readLeaves(checkpoint, readers)) {
    signal?.throwIfAborted()
    const entries: HistoryEntry[] = []
    for (let first = 0; first < leaves.length; first += eventWritesMax) {
      const some = leaves.slice(first, first + eventWritesMax)
      entries.push(...(await Promise.all(some.map((leaf) => entryOf(store, leaf, signal)))))
    }
    yield entries
  }
}

async function entryOf(store: LogStore, { index, entry, hash }: ProvenLeaf, signal?: AbortSignal): Promise<HistoryEntry> {
  const { tag, digest } = parseLogEntry(entry)
  const leaf = { leafHash: hex(hash), tag: hex(tag) }
  const { event } = await readEvent(store.replicas.replicas, leaf, signal)
  return { index, ...leaf, digest: hex(digest), event }
}

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')
