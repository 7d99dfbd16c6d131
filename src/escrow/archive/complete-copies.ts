import { Inject, Injectable } from '@nestjs/common'
import { Clock } from '../../core/environment.js'
import { EscrowError, isEscrowError } from '../../core/errors.js'
import { Database } from '../../db/database.js'
import { parseObjectKey, type ObjectKey } from '../../store/object-key.js'
import type { StoredObject } from '../../store/object-store.js'
import { ReplicaSet } from '../../store/replica-set.js'
import { listCopies, recordCopy, recordRetention } from './copy.table.js'
import { listObjectsOfAttempt, listObjectsUnder, type StoredObjectRow } from './object.table.js'
import { expectedOfRow } from './read-document.js'

/** Objects looked up at once. */
const pageSize = 500

interface WantedCopy {
  readonly object: StoredObjectRow
  readonly retainUntil: Date
  /** The replica that lacks it. */
  readonly target: string
}

/** Brings the objects of an attempt to every replica: what one of them lacks is copied from one that verifies. */
@Injectable()
export class CompleteCopies {
  constructor(
    @Inject(Database) private readonly database: Database,
    @Inject(ReplicaSet) private readonly replicas: ReplicaSet,
    @Inject(Clock) private readonly clock: Clock,
  ) {}

  /**
   * Complete the copies of every object of an attempt. Idempotent.
   *
   * @throws EscrowError `STORE_*` while a replica is out of reach; `REPAIR_IMPOSSIBLE`
   */
  async ofAttempt(attemptId: string, retainUntil: Date, signal?: AbortSignal): Promise<void> {
    const objects = await this.database.query((db) => listObjectsOfAttempt(db, attemptId))
    for (const object of objects) await this.ofObject(object, retainUntil, signal)
  }

  /**
   * Complete the copies of attachments that a deposit names, and keep every copy locked as long as that deposit: an earlier one may have
   * brought it. Idempotent.
   *
   * @param keys - may be empty.
   * @throws EscrowError as `ofAttempt`; `OBJECT_MISSING` for one that was never recorded
   */
  async ofAttachments(keys: readonly ObjectKey[], retainUntil: Date, signal?: AbortSignal): Promise<void> {
    for (let at = 0; at < keys.length; at += pageSize) {
      const page = keys.slice(at, at + pageSize)
      const objects = await this.database.query((db) => listObjectsUnder(db, page))
      if (objects.length < page.length)
        throw new EscrowError('OBJECT_MISSING', 'the index does not know an attachment that a manifest names')
      for (const object of objects) {
        await this.ofObject(object, retainUntil, signal)
        await this.lengthen(object, retainUntil, signal)
      }
    }
  }

  private async lengthen(object: StoredObjectRow, retainUntil: Date, signal?: AbortSignal): Promise<void> {
    const copies = await this.database.query((db) => listCopies(db, object.objectId))
    for (const copy of copies.filter((one) => one.retainUntil < retainUntil)) {
      signal?.throwIfAborted()
      // A copy that is not good is replaced by one that is locked as the row says.
      const held =
        copy.state === 'present'
          ? await this.replicas.named(copy.replica).store.extendRetention(parseObjectKey(object.key), copy.versionId, retainUntil, signal)
          : null
      await this.database.query((db) => recordRetention(db, copy.copyId, held?.retainUntil ?? retainUntil))
    }
  }

  private async ofObject(object: StoredObjectRow, retainUntil: Date, signal?: AbortSignal): Promise<void> {
    const copies = await this.database.query((db) => listCopies(db, object.objectId))
    const lacking = this.replicas.replicas.filter((replica) => !copies.some((copy) => copy.replica === replica.name))
    for (const { name } of lacking) {
      const stored = await this.bring({ object, retainUntil, target: name }, signal)
      const storedAt = this.clock.now()
      const copy = { objectId: object.objectId, replica: name, versionId: stored.versionId, storedAt, nextCheckAt: null }
      await this.database.query((db) => recordCopy(db, { ...copy, retainUntil: stored.retainUntil ?? retainUntil }))
    }
  }

  private async bring(wanted: WantedCopy, signal?: AbortSignal): Promise<StoredObject> {
    const { object, retainUntil, target } = wanted
    try {
      const found = await this.find(wanted, signal)
      if (found !== null) return found
      const repair = await this.replicas.repairObject(parseObjectKey(object.key), expectedOfRow(object), { target, retainUntil }, signal)
      return repair.object
    } catch (error) {
      signal?.throwIfAborted()
      if (!isEscrowError(error)) throw error
      const words = `replica ${target}: ${error.message}; the deposit is sealed and stored elsewhere, and waits for this replica`
      throw new EscrowError(error.code, words, { cause: error, details: { replica: target } })
    }
  }
  /** What an earlier run stored here without hearing so. To store it again would lock a second version beside it for years. */
  private async find({ object, retainUntil, target }: WantedCopy, signal?: AbortSignal): Promise<StoredObject | null> {
    const key = parseObjectKey(object.key)
    const { store } = this.replicas.named(target)
    const held = await store.stat(key, signal)
    if (held === null) return null
    try {
      for await (const block of this.replicas.readVerifiedStream(key, expectedOfRow(object), { only: [target], transient: true }, signal))
        void block
    } catch (error) {
      if (isEscrowError(error, 'OBJECT_CORRUPT') || isEscrowError(error, 'OBJECT_MISSING')) return null
      throw error
    }
    if (held.retainUntil !== null && held.retainUntil >= retainUntil) return held
    return store.extendRetention(key, held.versionId, retainUntil, signal)
  }
}
