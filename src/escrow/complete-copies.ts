import { Inject, Injectable } from '@nestjs/common'
import { Clock } from '../core/environment.js'
import { EscrowError, isEscrowError } from '../core/errors.js'
import { Database } from '../db/database.js'
import { parseObjectKey } from '../store/object-key.js'
import { ReplicaSet, type Repair } from '../store/replica-set.js'
import { listCopies, listObjectsOfAttempt, recordCopy, type StoredObjectRow } from './object.table.js'

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

  private async ofObject(object: StoredObjectRow, retainUntil: Date, signal?: AbortSignal): Promise<void> {
    const copies = await this.database.query((db) => listCopies(db, object.objectId))
    const lacking = this.replicas.replicas.filter((replica) => !copies.some((copy) => copy.replica === replica.name))
    for (const { name } of lacking) {
      const repaired = await this.copyTo(name, { object, retainUntil }, signal)
      const storedAt = this.clock.now()
      const copy = { objectId: object.objectId, replica: name, versionId: repaired.object.versionId, storedAt, nextCheckAt: null }
      await this.database.query((db) => recordCopy(db, { ...copy, retainUntil: repaired.object.retainUntil ?? retainUntil }))
    }
  }

  private async copyTo(
    target: string,
    { object, retainUntil }: { readonly object: StoredObjectRow; readonly retainUntil: Date },
    signal?: AbortSignal,
  ): Promise<Repair> {
    const expected = { sha256: object.digest, sizeBytes: object.sizeBytes, partBytes: object.partBytes, partSha256: object.partDigests }
    try {
      return await this.replicas.repairObject(parseObjectKey(object.key), expected, { target, retainUntil }, signal)
    } catch (error) {
      signal?.throwIfAborted()
      if (!isEscrowError(error)) throw error
      const words = `replica ${target}: ${error.message}; the deposit is sealed and stored elsewhere, and waits for this replica`
      throw new EscrowError(error.code, words, { cause: error, details: { replica: target } })
    }
  }
}
