import { EscrowError, isEscrowError } from '../core/errors.js'
import { openCheckpoint, type CheckpointPolicy, type OpenedCheckpoint } from '../format/checkpoint.js'
import { sameHash, verifyConsistency } from '../format/merkle.js'
import { proveConsistency, rootFromTiles } from '../format/tile-proof.js'
import type { LogStore } from './log-store.js'

/**
 * The newest checkpoint that any replica shows, without asking the index: that of the largest tree, with the most cosignatures.
 *
 * @returns null when no replica shows one: the log is empty.
 * @throws EscrowError `LOG_FORKED` when two replicas show trees of which neither extends the other; `CHECKPOINT_INVALID` when there are
 *   checkpoints and none verifies; `STORE_*` when no replica answers
 */
export async function newestCheckpoint(store: LogStore, policy: CheckpointPolicy, signal?: AbortSignal): Promise<OpenedCheckpoint | null> {
  const { stored, faults } = await store.readCheckpoints(signal)
  const [fault] = faults
  if (stored.length === 0 && fault !== undefined) throw fault.error
  const refused: EscrowError[] = []
  const opened = stored.flatMap(({ bytes }) => {
    try {
      return bytes === null ? [] : [openCheckpoint(bytes, policy)]
    } catch (error) {
      if (!isEscrowError(error)) throw error
      refused.push(error)
      return []
    }
  })
  opened.sort((left, right) => right.size - left.size || right.cosignatures.length - left.cosignatures.length)
  const [newest, ...older] = opened
  if (newest === undefined) {
    if (refused[0] !== undefined) throw refused[0]
    return null
  }
  for (const old of older) await requireExtension(old, newest, store, signal)
  return newest
}

async function requireExtension(old: OpenedCheckpoint, newest: OpenedCheckpoint, store: LogStore, signal?: AbortSignal): Promise<void> {
  if (old.size === 0) return
  if (old.size === newest.size) {
    if (sameHash(old.root, newest.root)) return
    throw forked(old, newest)
  }
  const root = await store.firstGood(async (replica) => {
    const read = store.reader(replica, signal)
    const oldRoot = await rootFromTiles(old.size, newest.size, read)
    const proof = await proveConsistency(old.size, newest.size, read)
    verifyConsistency({ oldSize: old.size, newSize: newest.size, oldRoot, newRoot: newest.root }, proof)
    return oldRoot
  })
  if (!sameHash(root, old.root)) throw forked(old, newest)
}

function forked(old: OpenedCheckpoint, newest: OpenedCheckpoint): EscrowError {
  return new EscrowError(
    'LOG_FORKED',
    `two replicas show trees of ${old.size} and ${newest.size} leaves of which neither extends the other`,
  )
}
