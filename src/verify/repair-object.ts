import { Inject, Injectable } from '@nestjs/common'
import { Clock } from '../core/environment.js'
import { EscrowError } from '../core/errors.js'
import { Database } from '../db/database.js'
import { recordCopy } from '../escrow/archive/copy.table.js'
import type { StoredObjectRow } from '../escrow/archive/object.table.js'
import { parseObjectKey } from '../store/object-key.js'
import { ReplicaSet, type Repair } from '../store/replica-set.js'
import { listAbsentCopies, listBadCopies, supersedeCopy } from './verify.table.js'
import { RecordFixity } from './record-fixity.js'

/** One copy that is to be made good. */
interface Target {
  readonly object: StoredObjectRow
  readonly replica: string
  /** The bad version's row; null where the replica has none. */
  readonly copyId: number | null
  readonly retainUntil: Date | null
}

/** What a repair run came to. */
export interface RepairedObjects {
  readonly repaired: readonly { readonly key: string; readonly replica: string; readonly versionId: string }[]
  readonly failed: readonly { readonly key: string; readonly replica: string; readonly error: EscrowError }[]
}

const pageSize = 200

/**
 * Replaces copies that a check found bad, and fills in those that a replica never got, from a replica that verifies. A bad version is
 * locked and stays; the new one supersedes it on record.
 */
@Injectable()
export class RepairObject {
  constructor(
    @Inject(Database) private readonly database: Database,
    @Inject(ReplicaSet) private readonly replicas: ReplicaSet,
    @Inject(RecordFixity) private readonly events: RecordFixity,
    @Inject(Clock) private readonly clock: Clock,
  ) {}

  /**
   * Repair everything that is known to be bad or absent.
   *
   * @param replica - only at this one; null for all.
   * @returns what was repaired and what could not be: the rest goes on.
   * @throws EscrowError `NOT_FOUND` for an unknown replica; `DATABASE_*`
   */
  async run(replica: string | null, signal?: AbortSignal): Promise<RepairedObjects> {
    if (replica !== null) this.replicas.named(replica)
    const result = { repaired: new Array<RepairedObjects['repaired'][number]>(), failed: new Array<RepairedObjects['failed'][number]>() }
    for await (const target of this.targets()) {
      signal?.throwIfAborted()
      if (replica !== null && target.replica !== replica) continue
      try {
        const { object } = await this.repair(target, signal)
        result.repaired.push({ key: target.object.key, replica: target.replica, versionId: object.versionId })
      } catch (error) {
        signal?.throwIfAborted()
        if (!(error instanceof EscrowError)) throw error
        result.failed.push({ key: target.object.key, replica: target.replica, error })
      }
    }
    return result
  }

  private async *targets(): AsyncGenerator<Target> {
    for (let after = 0; ;) {
      const page = await this.database.query((db) => listBadCopies(db, after, pageSize))
      for (const { copy, object } of page) {
        yield { object, replica: copy.replica, copyId: copy.copyId, retainUntil: copy.retainUntil }
        after = copy.copyId
      }
      if (page.length === 0) break
    }
    for (let after = 0; ;) {
      const page = await this.database.query((db) => listAbsentCopies(db, after, pageSize))
      for (const { object, replica } of page) {
        yield { object, replica, copyId: null, retainUntil: null }
        after = object.objectId
      }
      if (page.length === 0) break
    }
  }

  private async repair(target: Target, signal?: AbortSignal): Promise<Repair> {
    const { object, replica } = target
    const key = parseObjectKey(object.key)
    const expected = { sha256: object.digest, sizeBytes: object.sizeBytes, partBytes: object.partBytes, partSha256: object.partDigests }
    const retainUntil = target.retainUntil ?? (await this.retentionElsewhere(target, signal))
    const repair = await this.replicas.repairObject(key, expected, { target: replica, retainUntil }, signal)
    const { copiedFrom, supersedes } = repair
    const { versionId } = repair.object
    const storedAt = this.clock.now()
    const copy = {
      objectId: object.objectId,
      replica,
      versionId,
      retainUntil: repair.object.retainUntil ?? retainUntil,
      storedAt,
      nextCheckAt: storedAt,
    }
    await this.events.repaired(
      { object, replica, versionId, supersedes, copiedFrom },
      async (tx) => {
        if (target.copyId !== null) await supersedeCopy(tx, target.copyId)
        await recordCopy(tx, copy)
      },
      signal,
    )
    return repair
  }

  /** A copy that was never there is locked as long as the others are. */
  private async retentionElsewhere({ object, replica }: Target, signal?: AbortSignal): Promise<Date> {
    const { held } = await this.replicas.stat(parseObjectKey(object.key), signal)
    const locks = held.flatMap((one) => (one.replica === replica || one.object?.retainUntil == null ? [] : [one.object.retainUntil]))
    const [longest] = locks.sort((left, right) => right.getTime() - left.getTime())
    if (longest === undefined) throw new EscrowError('REPAIR_IMPOSSIBLE', `no replica holds ${object.key} under a lock`)
    return longest
  }
}
