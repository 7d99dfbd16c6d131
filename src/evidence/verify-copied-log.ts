// The log that lies in a copy of the archive, as `escrow replicate` writes it: recomputed from its tiles, and compared with what the copy holds.
// Without it nobody sees that a copy lacks its newest deposits: what is left holds by itself. What is wrong is collected, not thrown.
import { EscrowError, isEscrowError } from '../core/errors.js'
import { logHeadBytesMax, noteBytesMax, tileWidth } from '../core/limits.js'
import { checkTiles } from '../format/check-tiles.js'
import { checkpointPolicy, openCheckpoint, type Checkpoint, type OpenedCheckpoint } from '../format/checkpoint.js'
import { formatListedLeaf, indexLeafList, type LeafIndex } from '../format/leaf-list.js'
import { parseLogEntry } from '../format/log-entry.js'
import { parseEntryBundle, tilePath, type Tile } from '../format/tile.js'
import type { ArchiveProblem } from '../store/archive-agreement.js'
import type { ArchiveReader } from '../store/archive-reader.js'
import { parseObjectKey } from '../store/object-key.js'
import type { VerifiedAgreement } from './verify-archive.js'
import { earlierTrees, rootProblems } from './earlier-trees.js'
import { absentDeposits, readEvents, verifyChains, type StoredEvent } from './verify-events.js'

/** What the log of a copy shows. */
export interface CopiedLog {
  readonly checkpoint: OpenedCheckpoint
  /** Events of the agreements that were verified, each a leaf. */
  readonly events: number
  /** The most cosignatures that one of these agreements demands. */
  readonly witnessQuorum: number
  /** Fewer witnesses than one of these agreements demands: the log is authentic, and others may be shown another one. */
  readonly degraded: boolean
}

/** What a copy is compared with. */
export interface CopiedLogWish {
  readonly agreements: readonly VerifiedAgreement[]
  /** Decides what may have expired. */
  readonly now: Date
  /** Checkpoints of this log that the verifier has from elsewhere and earlier. */
  readonly seen: readonly Checkpoint[]
  /** Takes what does not hold. */
  readonly problems: ArchiveProblem[]
}

const checkpointKey = parseObjectKey('checkpoint')

/**
 * Verify the log that lies in a copy, and that the copy lacks nothing of the agreements that the log tells of.
 *
 * @returns null when there is no log in the copy, or none that can be trusted.
 * @throws EscrowError `STORE_*`
 */
export async function verifyCopiedLog(reader: ArchiveReader, wish: CopiedLogWish, signal: AbortSignal): Promise<CopiedLog | null> {
  const { agreements, problems } = wish
  const note = await readCheckpoint(reader, signal)
  if (note === null) {
    if (wish.seen.length > 0)
      problems.push(missing('checkpoint', 'expected the log in the copy, to compare it with the checkpoint that was seen; got none'))
    return null
  }
  const opened = agreements.flatMap((verified) => opening(verified, note, problems))
  const [first] = opened
  if (first === undefined) return null
  const stored = await readEvents(reader, problems, signal)
  const index = await indexTiles(reader, { checkpoint: first.checkpoint, stored, wish }, signal)
  if (index === null) return null
  let events = 0
  for (const { verified } of opened) events += verifyOne(verified, { checkpoint: first.checkpoint, index, stored, wish })
  const witnessQuorum = Math.max(...opened.map(({ verified }) => verified.trusted.newest.body.log.witnessQuorum))
  return { checkpoint: first.checkpoint, events, witnessQuorum, degraded: opened.some(({ checkpoint }) => !checkpoint.witnessed) }
}

interface Opened {
  readonly verified: VerifiedAgreement
  readonly checkpoint: OpenedCheckpoint
}

function opening(verified: VerifiedAgreement, note: Uint8Array, problems: ArchiveProblem[]): readonly Opened[] {
  try {
    return [{ verified, checkpoint: openCheckpoint(note, checkpointPolicy(verified.trusted.newest.body.log)) }]
  } catch (error) {
    if (!isEscrowError(error)) throw error
    problems.push({ error, where: 'checkpoint' })
    return []
  }
}

async function readCheckpoint(reader: ArchiveReader, signal: AbortSignal): Promise<Uint8Array | null> {
  try {
    return await reader.read(checkpointKey, noteBytesMax, signal)
  } catch (error) {
    if (isEscrowError(error, 'OBJECT_MISSING')) return null
    throw error
  }
}

/** Every leaf of the log, once its tiles have led to the checkpoint's root; null when they do not. */
async function indexTiles(
  reader: ArchiveReader,
  of: { readonly checkpoint: OpenedCheckpoint; readonly stored: readonly StoredEvent[]; readonly wish: CopiedLogWish },
  signal: AbortSignal,
): Promise<LeafIndex | null> {
  const { checkpoint, stored, wish } = of
  const read = (tile: Tile) => reader.read(parseObjectKey(tilePath(tile)), logHeadBytesMax, signal)
  const { findings } = await checkTiles(checkpoint, read, { findingsMax: 20 })
  for (const { path, words } of findings) wish.problems.push({ error: new EscrowError('TILE_INVALID', words), where: path })
  if (findings.length > 0) return null
  const earlier = wish.agreements.flatMap((verified) => earlierTrees(verified, []))
  return indexLeafList(listedLeaves(checkpoint.size, read), {
    digests: new Set(stored.map(({ digest }) => digest)),
    sizes: new Set([...earlier.map(({ tree }) => tree.size), ...wish.seen.map(({ size }) => size)]),
    sizeMax: checkpoint.size,
  })
}

async function* listedLeaves(size: number, read: (tile: Tile) => Promise<Uint8Array>): AsyncGenerator<Uint8Array> {
  for (let first = 0; first < size; first += tileWidth) {
    const tile = { level: 'entries' as const, index: first / tileWidth, width: Math.min(tileWidth, size - first) }
    const entries = parseEntryBundle(await read(tile), tile.width)
    yield Buffer.concat(entries.map((entry) => formatListedLeaf(parseLogEntry(entry))))
  }
}

/** What the copy has of one agreement, against the leaves. @returns how many of its events are leaves */
function verifyOne(
  verified: VerifiedAgreement,
  of: {
    readonly checkpoint: OpenedCheckpoint
    readonly index: LeafIndex
    readonly stored: readonly StoredEvent[]
    readonly wish: CopiedLogWish
  },
): number {
  const { checkpoint, index, stored, wish } = of
  const { problems } = wish
  const { agreement } = verified.trusted.newest.body
  problems.push(...rootProblems(earlierTrees(verified, wish.seen), index, checkpoint))
  // A replica may hold events that were written before a crash and that no leaf names. What such a one hides, the chains show.
  const own = stored.filter(({ record, digest }) => record.event.agreement === agreement && index.leaves.has(digest))
  const events = verifyChains(own, { index, agreement, problems })
  const told = new Set(events.map(({ event }) => event.subject))
  const due = [agreement, ...verified.sources.filter(({ history }) => history.published.length > 0).map(({ history }) => history.source)]
  for (const subject of due) {
    if (!told.has(subject)) problems.push(missing('events', `expected the events of ${subject}, got none`))
  }
  problems.push(...absentDeposits(events, verified, wish.now))
  return events.length
}

function missing(where: string, words: string): ArchiveProblem {
  return { error: new EscrowError('OBJECT_MISSING', words), where }
}
