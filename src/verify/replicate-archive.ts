import { Inject, Injectable } from '@nestjs/common'
import { EscrowError } from '../core/errors.js'
import { rowsMax, tileWidth } from '../core/limits.js'
import { Database } from '../db/database.js'
import { findAgreement } from '../escrow/archive/agreement.table.js'
import { listPublishedObjects, type StoredObjectRow } from '../escrow/archive/object.table.js'
import { expectedOfRow } from '../escrow/archive/read-document.js'
import { canonicalize } from '../format/canonical-json.js'
import { checkTiles } from '../format/check-tiles.js'
import { formatNote } from '../format/note.js'
import { tilePath } from '../format/tile.js'
import { LogReader } from '../log/log-reader.js'
import { LogStore } from '../log/log-store.js'
import { listLeaves } from '../log/log.table.js'
import { readEvent } from '../log/read-event.js'
import type { ArchiveTarget } from '../store/archive-target.js'
import { objectKeys, parseObjectKey, type ObjectKey } from '../store/object-key.js'
import { ReplicaSet } from '../store/replica-set.js'
import type { Replica, ReplicaFault } from '../store/replica.js'

/** What is to be copied, and where to. */
export interface ReplicationWish {
  readonly target: ArchiveTarget
  /** Only this agreement, with the log; null for all. */
  readonly agreement: string | null
  readonly onObject?: (done: { readonly objects: number; readonly bytes: number }) => void
}

/** What was copied. */
export interface Replicated {
  /** New in the target. */
  readonly objects: number
  readonly bytes: number
  /** There already. */
  readonly held: number
  /** Leaves of the log that was copied. */
  readonly logSize: number
  /** Copies that were passed over because they were not good, with the replica; another one had a good one. */
  readonly faults: readonly { readonly key: string; readonly fault: ReplicaFault }[]
}

const faultsListedMax = 1000

/** Copies everything that is published into a plain tree: ciphertext, signed documents, events and the log. */
@Injectable()
export class ReplicateArchive {
  constructor(
    @Inject(Database) private readonly database: Database,
    @Inject(ReplicaSet) private readonly replicas: ReplicaSet,
    @Inject(LogReader) private readonly log: LogReader,
    @Inject(LogStore) private readonly logStore: LogStore,
  ) {}

  /**
   * Copy what the target lacks; each object comes from the first replica whose bytes verify. Idempotent, and goes on where it stopped.
   *
   * @throws EscrowError `NOT_FOUND` for an unknown agreement; `OBJECT_*`, `STORE_*` for the first object that no replica can give: everything
   *   before it is in the target
   */
  async run(wish: ReplicationWish, signal?: AbortSignal): Promise<Replicated> {
    const { agreement } = wish
    if (agreement !== null && (await this.database.query((db) => findAgreement(db, agreement))) === null) {
      throw new EscrowError('NOT_FOUND', `no agreement is named ${agreement}`)
    }
    const tally = new Tally(wish)
    for (let after = 0; ;) {
      const page = await this.database.query((db) => listPublishedObjects(db, { agreementId: agreement, after }, rowsMax))
      for (const object of page) await this.copyObject(object, tally, signal)
      const last = page.at(-1)
      if (last === undefined) break
      after = last.objectId
    }
    const logSize = await this.copyLog(tally, signal)
    await this.copyEvents({ agreement, logSize }, tally, signal)
    return { ...tally.counts(), logSize }
  }

  private async copyObject(object: StoredObjectRow, tally: Tally, signal?: AbortSignal): Promise<void> {
    const key = parseObjectKey(object.key)
    const onFault = (fault: ReplicaFault) => tally.fault(key, fault)
    await tally.copy(key, object.sizeBytes, () => this.replicas.readVerifiedStream(key, expectedOfRow(object), { onFault }, signal))
    signal?.throwIfAborted()
  }

  /** Tiles first, then the checkpoint that vouches for them; they come from one replica, whose tiles lead to the checkpoint's root. */
  private async copyLog(tally: Tally, signal?: AbortSignal): Promise<number> {
    const checkpoint = await this.log.checkpoint('newest')
    if (checkpoint === null) return 0
    await this.logStore.firstGood(async (replica) => {
      await this.requireWhole(replica, checkpoint, signal)
      const read = this.logStore.reader(replica, signal)
      const { findings } = await checkTiles(checkpoint, async (tile) => {
        const bytes = await read(tile)
        await tally.copy(parseObjectKey(tilePath(tile)), bytes.length, () => only(bytes), tile.width < tileWidth)
        return bytes
      })
      const [first] = findings
      if (first !== undefined) throw new EscrowError('TILE_INVALID', `${first.path}: ${first.words}`)
    })
    const note = formatNote(checkpoint.note)
    await tally.copy(parseObjectKey('checkpoint'), note.length, () => only(note), true)
    return checkpoint.size
  }

  /** Verified before anything is copied, so that no bad tile gets into the target. */
  private async requireWhole(replica: Replica, checkpoint: Parameters<typeof checkTiles>[0], signal?: AbortSignal): Promise<void> {
    const { findings } = await checkTiles(checkpoint, this.logStore.reader(replica, signal))
    const [first] = findings
    if (first !== undefined) throw new EscrowError('TILE_INVALID', `${first.path}: ${first.words}`)
  }

  private async copyEvents(
    of: { readonly agreement: string | null; readonly logSize: number },
    tally: Tally,
    signal?: AbortSignal,
  ): Promise<void> {
    for (let from = 0; from < of.logSize; from += rowsMax) {
      const leaves = await this.database.query((db) => listLeaves(db, from, Math.min(from + rowsMax, of.logSize)))
      for (const { leafHash, tag, agreementId } of leaves) {
        if (of.agreement !== null && agreementId !== of.agreement) continue
        const key = objectKeys.event(leafHash)
        // Its size is not on record, but whatever lies under this name was verified against it.
        if (await tally.holdsAny(key)) continue
        const bytes = canonicalize(await readEvent(this.replicas.replicas, { leafHash, tag }, signal))
        await tally.copy(key, bytes.length, () => only(bytes))
      }
      signal?.throwIfAborted()
    }
  }
}

/** Copies and counts. */
class Tally {
  #objects = 0
  #bytes = 0
  #held = 0
  readonly #faults: { key: string; fault: ReplicaFault }[] = []

  constructor(private readonly wish: Pick<ReplicationWish, 'target' | 'onObject'>) {}

  /** @param changes - it may be another one of the same size. */
  async copy(key: ObjectKey, sizeBytes: number, open: () => AsyncIterable<Uint8Array>, changes = false): Promise<void> {
    if (!changes && (await this.wish.target.holds(key, sizeBytes))) {
      this.#held += 1
      return
    }
    await this.wish.target.write(key, open())
    this.#objects += 1
    this.#bytes += sizeBytes
    this.wish.onObject?.({ objects: this.#objects, bytes: this.#bytes })
  }

  async holdsAny(key: ObjectKey): Promise<boolean> {
    if (!(await this.wish.target.holds(key, null))) return false
    this.#held += 1
    return true
  }

  fault(key: string, fault: ReplicaFault): void {
    if (this.#faults.length < faultsListedMax) this.#faults.push({ key, fault })
  }

  counts(): Omit<Replicated, 'logSize'> {
    return { objects: this.#objects, bytes: this.#bytes, held: this.#held, faults: this.#faults }
  }
}

async function* only(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes
}
