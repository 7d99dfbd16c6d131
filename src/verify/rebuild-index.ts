import { Inject, Injectable } from '@nestjs/common'
import { Clock } from '../core/environment.js'
import { EscrowError } from '../core/errors.js'
import { Database } from '../db/database.js'
import { AgentKeys } from '../escrow/agent-keys.js'
import type { OpenedCheckpoint } from '../format/checkpoint.js'
import { formatNote } from '../format/note.js'
import { LogOptions } from '../log/log-options.js'
import { LogStore } from '../log/log-store.js'
import { newestCheckpoint } from '../log/newest-checkpoint.js'
import { objectKeys } from '../store/object-key.js'
import { ArchiveDocuments } from './archive-documents.js'
import { readHistory, type HistoryEntry } from './read-history.js'
import { countIndex, isEmptyIndex, restoreEntries, restoreHead, restoreObjects } from './rebuild.table.js'
import { ReplayEvents } from './replay-events.js'
import { objectOfBytes } from './replayed-objects.js'
import { restoreAttempts } from './restore-attempts.js'
import { findCopies, type RestoredCopies } from './restore-copies.js'

/** How far a rebuild is. */
export interface RebuildProgress {
  readonly phase: 'events' | 'objects'
  readonly done: number
  readonly total: number | null
}

/** How a rebuild is done. */
export interface RebuildWish {
  readonly onProgress?: (progress: RebuildProgress) => void
  /** What other features bring back, while nothing can be signed yet; when it throws the rebuild is not done. */
  readonly beforeHead?: () => Promise<void>
}

/** What a rebuild brought back. */
export interface RebuiltIndex {
  /** Leaves of the checkpoint that it rests on. */
  readonly leaves: number
  readonly rows: Awaited<ReturnType<typeof countIndex>>
  readonly absent: RestoredCopies['absent']
  /** Deposits that were stored but not logged yet: the next run publishes them. */
  readonly unlogged: number
}

/**
 * Makes the index anew from the replicas alone: the newest checkpoint, every leaf and its event, and the signed documents that events name.
 * What events do not tell is not brought back; docs/decisions/0001 lists it. An event that no leaf stands for is an orphan: it never happened.
 */
@Injectable()
export class RebuildIndex {
  constructor(
    @Inject(Database) private readonly database: Database,
    @Inject(LogStore) private readonly log: LogStore,
    @Inject(LogOptions) private readonly options: LogOptions,
    @Inject(AgentKeys) private readonly keys: AgentKeys,
    @Inject(Clock) private readonly clock: Clock,
  ) {}

  /**
   * Rebuild into an empty index. If we stop anywhere, no head of a log is there: nothing can be signed on what is half done, and the next
   * rebuild wants an empty index again.
   *
   * @throws EscrowError `DATABASE_NOT_EMPTY`; `LOG_FORKED`, `LOG_INCONSISTENT`, `CHECKPOINT_INVALID`, `CHAIN_BROKEN` when the log is not
   *   whole at any replica; `OBJECT_*`, `STORE_*` when a document cannot be had
   */
  async run(wish: RebuildWish = {}, signal?: AbortSignal): Promise<RebuiltIndex> {
    const onProgress = wish.onProgress ?? (() => undefined)
    if (!(await this.database.query((db) => isEmptyIndex(db)))) {
      throw new EscrowError('DATABASE_NOT_EMPTY', 'expected an empty index, found agreements, objects or a log in it')
    }
    const replicas = this.log.replicas
    const checkpoint = await newestCheckpoint(this.log, this.options.policy, signal)
    const documents = new ArchiveDocuments(replicas, this.keys)
    const events = checkpoint === null ? new Map() : await this.replay(checkpoint, documents, onProgress, signal)
    await this.restoreReadme(documents, signal)
    const unlogged = await restoreAttempts({ database: this.database, documents, replicas }, signal)
    const onObject = (done: number) => onProgress({ phase: 'objects', done, total: null })
    const { absent } = await findCopies({ database: this.database, replicas }, { events, now: this.clock.now(), onObject }, signal)
    await wish.beforeHead?.()
    if (checkpoint !== null) await this.restoreHead(checkpoint)
    return { leaves: checkpoint?.size ?? 0, unlogged, rows: await this.database.query((db) => countIndex(db)), absent }
  }

  private async replay(
    checkpoint: OpenedCheckpoint,
    documents: ArchiveDocuments,
    onProgress: (progress: RebuildProgress) => void,
    signal?: AbortSignal,
  ): Promise<ReplayEvents['copyEvents']> {
    const replay = new ReplayEvents(documents, this.log.replicas, this.options.policy)
    for await (const entries of readHistory(this.log, checkpoint, signal)) {
      const changes: Awaited<ReturnType<ReplayEvents['prepare']>>[] = []
      for (const entry of entries) changes.push(await replay.prepare(entry, signal))
      await this.database.transaction(async (tx) => {
        await restoreEntries(
          tx,
          entries.map((entry) => entryRow(entry)),
        )
        for (const change of changes) await change(tx)
      })
      onProgress({ phase: 'events', done: (entries.at(-1)?.index ?? 0) + 1, total: checkpoint.size })
    }
    await this.database.transaction((tx) => replay.finish(tx))
    return replay.copyEvents
  }

  /** Nothing vouches for the README, and nothing rests on it; it is kept as it lies there. */
  private async restoreReadme(documents: ArchiveDocuments, signal?: AbortSignal): Promise<void> {
    const found = await documents.unsigned(objectKeys.readme(), signal)
    if (found === null) return
    const row = objectOfBytes(found.key, found.bytes, { purpose: 'readme', agreementId: null, depositId: null })
    await this.database.transaction((tx) => restoreObjects(tx, [row]))
  }

  private async restoreHead(checkpoint: OpenedCheckpoint): Promise<void> {
    const { size, root } = checkpoint
    const text = new TextDecoder().decode(formatNote(checkpoint.note))
    const now = this.clock.now()
    const witnessed = checkpoint.witnessed && this.options.policy.witnessQuorum > 0
    await this.database.transaction((tx) =>
      restoreHead(tx, {
        head: 1,
        origin: checkpoint.origin,
        assignedSize: size,
        size,
        root: Buffer.from(root).toString('hex'),
        checkpoint: text,
        checkpointAt: now,
        witnessedSize: witnessed ? size : 0,
        witnessedCheckpoint: witnessed ? text : null,
        holder: null,
        // Greater than every token before the loss: a process that slept through it must not find its own again.
        fencingToken: now.getTime(),
        leaseExpiresAt: null,
      }),
    )
  }
}

function entryRow({ index, leafHash, tag, digest, event }: HistoryEntry) {
  return {
    leafHash,
    tag,
    tagNumber: event.chain.number,
    eventDigest: digest,
    agreementId: event.agreement,
    subject: event.subject,
    eventType: event.type,
    recordedAt: new Date(event.at),
    logIndex: index,
  }
}
