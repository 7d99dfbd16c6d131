import { Inject, Injectable } from '@nestjs/common'
import { Clock } from '../core/environment.js'
import { partBytes } from '../core/limits.js'
import { PartsDigester, type PartsDigest } from '../crypto/digest.js'
import { Database, type Tx } from '../db/database.js'
import type { ObjectKey } from '../store/object-key.js'
import { ReplicaSet } from '../store/replica-set.js'
import { requireEvery, type Placement } from '../store/replica.js'
import { recordCopy, recordObject, replaceObject, type NewObject, type Purpose } from './object.table.js'

/** A document that is to be stored. */
export interface DocumentToStore {
  readonly key: ObjectKey
  readonly bytes: Uint8Array
  readonly purpose: Purpose
  readonly agreementId: string | null
  /** Whose try it belongs to; null for what no attempt writes. */
  readonly attemptId: string | null
  readonly retainUntil: Date
}

/** Puts documents on every replica and records each copy: before the first replica has it, the index knows that it may. */
@Injectable()
export class StoreDocument {
  constructor(
    @Inject(Database) private readonly database: Database,
    @Inject(ReplicaSet) private readonly replicas: ReplicaSet,
    @Inject(Clock) private readonly clock: Clock,
  ) {}

  /**
   * Store a document. Idempotent: the same bytes again only fill in the replicas that lacked it.
   *
   * @returns at least one replica holds it; `failed` names those that have to catch up (`escrow repair`).
   * @throws EscrowError the first fault when no replica took it
   */
  async run(document: DocumentToStore, signal?: AbortSignal): Promise<Placement> {
    const digests = digestParts(document.bytes)
    const objectId = await this.database.transaction((tx) => recordObject(tx, newObject(document, digests)))
    const placement = await this.replicas.putBytes(document.key, document.bytes, { retainUntil: document.retainUntil }, signal)
    if (placement.stored.length === 0) requireEvery(placement)
    // What no attempt writes is published as it is written; the checks of a deposit's objects begin when it is published.
    const nextCheckAt = document.attemptId === null ? this.clock.now() : null
    await this.database.transaction((tx) => recordPlacement(tx, { objectId, placement, nextCheckAt, storedAt: this.clock.now() }))
    return placement
  }

  /**
   * Store a document in the place of an earlier one: the newest version counts. Only for what holds no secret, because if we stop before it
   * is recorded, a copy exists that the index does not know.
   *
   * @throws EscrowError `STORE_*` unless every replica took it
   */
  async replace(document: DocumentToStore, signal?: AbortSignal): Promise<void> {
    const { key, bytes, retainUntil } = document
    const placement = await this.replicas.putBytes(key, bytes, { retainUntil, supersede: true }, signal)
    requireEvery(placement)
    const storedAt = this.clock.now()
    await this.database.transaction(async (tx) => {
      const objectId = await replaceObject(tx, newObject(document, digestParts(bytes)))
      await recordPlacement(tx, { objectId, placement, nextCheckAt: storedAt, storedAt })
    })
  }
}

/** Record where an object came to lie. */
export async function recordPlacement(
  tx: Tx,
  placed: { readonly objectId: number; readonly placement: Placement; readonly nextCheckAt: Date | null; readonly storedAt: Date },
): Promise<void> {
  const { objectId, nextCheckAt, storedAt } = placed
  for (const { replica, object } of placed.placement.stored) {
    const retainUntil = object.retainUntil ?? storedAt
    await recordCopy(tx, { objectId, replica, versionId: object.versionId, retainUntil, storedAt, nextCheckAt })
  }
}

function newObject(document: DocumentToStore, digests: PartsDigest): NewObject {
  const { key, purpose, agreementId, attemptId } = document
  return { key, purpose, agreementId, attemptId, ...objectDigests(digests) }
}

/** Digests as rows have them. */
export function objectDigests(digests: PartsDigest): Pick<NewObject, 'digest' | 'sizeBytes' | 'partBytes' | 'partDigests'> {
  return { digest: digests.sha256, sizeBytes: digests.sizeBytes, partBytes: digests.partBytes, partDigests: [...digests.partSha256] }
}

function digestParts(bytes: Uint8Array): PartsDigest {
  const digester = new PartsDigester(partBytes)
  digester.update(bytes)
  return digester.finish()
}
