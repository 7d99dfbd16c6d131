/**
 * What replicas show against what the index says, before anything is signed. The index is only an index: a backup of it that is older than
 * the published log would make us sign a second history.
 */
import { EscrowError, isEscrowError } from '../core/errors.js'
import { tileWidth } from '../core/limits.js'
import { openCheckpoint, parseCheckpointText, type Checkpoint, type CheckpointPolicy } from '../format/checkpoint.js'
import { emptyRoot, sameHash, verifyConsistency } from '../format/merkle.js'
import { noteKey, parseNote, signatureType } from '../format/note.js'
import { proveConsistency, rootFromTiles } from '../format/tile-proof.js'
import { tilePath } from '../format/tile.js'
import { parseObjectKey } from '../store/object-key.js'
import type { LogStore, StoredCheckpoint } from './log-store.js'
import type { LogHeadRow } from './log.table.js'

/** What is compared. */
export interface Shown {
  readonly head: LogHeadRow
  readonly stored: readonly StoredCheckpoint[]
  /** What witnesses remember; from strangers, so only what our own key has signed is looked at. */
  readonly remembered: readonly StoredCheckpoint[]
  readonly store: LogStore
  readonly log: { readonly origin: string; readonly signer: { readonly publicKey: string } }
}

/** What the comparison found. */
export interface PublishedState {
  /** Checkpoints beyond the head, from a step that died before it moved the head: what is signed next must contain them. */
  readonly ahead: readonly Checkpoint[]
  /** Replicas that lack the head's checkpoint or show an older or a damaged one. */
  readonly behind: readonly string[]
}

/**
 * Compare every checkpoint that a replica shows with the index.
 *
 * @throws EscrowError `LOG_ROLLED_BACK` when more was published than the index has places for; `LOG_FORKED` when a checkpoint signed by us
 *   contradicts the index; `CHECKPOINT_INVALID` when a replica shows one that is well-formed but not signed with our key
 */
export async function checkPublished({ head, stored, remembered, store, log }: Shown, signal?: AbortSignal): Promise<PublishedState> {
  const policy = {
    origin: log.origin,
    logKey: noteKey(log.origin, signatureType.ed25519, log.signer.publicKey),
    witnesses: [],
    witnessQuorum: 0,
  }
  const own = stored.map(({ replica, bytes }) => ({
    replica: `replica ${replica}`,
    checkpoint: bytes === null ? null : readOwn(bytes, policy, replica),
  }))
  const witnessed = remembered.map(({ replica, bytes }) => ({ replica, checkpoint: bytes === null ? null : readRemembered(bytes, policy) }))
  const ahead: Checkpoint[] = []
  for (const { replica, checkpoint } of [...own, ...witnessed]) {
    if (checkpoint === null) continue
    if (checkpoint.size > head.assignedSize) throw rolledBack(head, `${replica} shows a checkpoint of ${checkpoint.size} leaves`)
    if (checkpoint.size > head.size) ahead.push(checkpoint)
    else await requirePrefix(checkpoint, head, { replica, store }, signal)
  }
  const behind = stored.filter((_, at) => (own[at]?.checkpoint?.size ?? -1) < head.size).map(({ replica }) => replica)
  if (behind.length === stored.length) await refuseTilesBeyond(head, store, signal)
  return { ahead, behind: head.size === 0 ? [] : behind }
}

function readRemembered(bytes: Uint8Array, policy: CheckpointPolicy): Checkpoint | null {
  try {
    return openCheckpoint(bytes, policy)
  } catch (error) {
    if (isEscrowError(error)) return null
    throw error
  }
}

/** A checkpoint of ours; null when the bytes are none at all, which a broken disk explains and the next write mends. */
function readOwn(bytes: Uint8Array, policy: CheckpointPolicy, replica: string): Checkpoint | null {
  try {
    parseCheckpointText(parseNote(bytes).text)
  } catch (error) {
    if (isEscrowError(error)) return null
    throw error
  }
  try {
    return openCheckpoint(bytes, policy)
  } catch (cause) {
    const words = `replica ${replica} shows a checkpoint that this log has not signed with its key: put the right log key and origin back. Nothing was signed`
    throw new EscrowError('CHECKPOINT_INVALID', words, { cause })
  }
}

/** A checkpoint up to the head must be of the same tree. */
async function requirePrefix(
  checkpoint: Checkpoint,
  head: LogHeadRow,
  { replica, store }: { readonly replica: string; readonly store: LogStore },
  signal?: AbortSignal,
): Promise<void> {
  const newRoot = Buffer.from(head.root, 'hex')
  const root = checkpoint.size === head.size ? newRoot : await rootAt(checkpoint.size, { size: head.size, root: newRoot }, store, signal)
  if (sameHash(root, checkpoint.root)) return
  throw new EscrowError('LOG_FORKED', `${replica} shows another tree of ${checkpoint.size} leaves, signed by this log`)
}

/**
 * The root of an earlier, smaller tree, proven to be part of the head's.
 *
 * @throws EscrowError `PROOF_INVALID`, `TILE_INVALID` when no replica's tiles prove it
 */
async function rootAt(
  size: number,
  head: { readonly size: number; readonly root: Uint8Array },
  store: LogStore,
  signal?: AbortSignal,
): Promise<Uint8Array> {
  if (size === 0) return emptyRoot()
  return store.firstGood(async (replica) => {
    const read = store.reader(replica, signal)
    const oldRoot = await rootFromTiles(size, head.size, read)
    const proof = await proveConsistency(size, head.size, read)
    verifyConsistency({ oldSize: size, newSize: head.size, oldRoot, newRoot: head.root }, proof)
    return oldRoot
  })
}

/**
 * No replica confirms that the index is up to date. Full tiles are locked, so they bear witness: the next one must not be there. (A shorter
 * lead leaves no full tile; then the witnesses' memory is what is left.)
 */
async function refuseTilesBeyond(head: LogHeadRow, store: LogStore, signal?: AbortSignal): Promise<void> {
  const next = { level: 0, index: Math.floor(head.assignedSize / tileWidth), width: tileWidth }
  const { held } = await store.replicas.stat(parseObjectKey(tilePath(next)), signal)
  const holder = held.find(({ object }) => object !== null)
  if (holder !== undefined) throw rolledBack(head, `replica ${holder.replica} holds ${tilePath(next)}`)
}

function rolledBack(head: LogHeadRow, what: string): EscrowError {
  const words = `the index knows ${head.assignedSize} leaves, but ${what}: this database is older than the published log. Nothing was signed`
  return new EscrowError('LOG_ROLLED_BACK', words, { details: { size: head.size, assignedSize: head.assignedSize } })
}
