import { Inject, Injectable } from '@nestjs/common'
import { Clock } from '../../core/environment.js'
import { assert } from '../../core/errors.js'
import { documentWritesMax } from '../../core/limits.js'
import { partBytes } from '../../core/limits.js'
import { PartsDigester, type PartsDigest } from '../../crypto/digest.js'
import { Database, type Tx } from '../../db/database.js'
import { someAtOnce } from '../../store/at-once.js'
import type { ObjectKey } from '../../store/object-key.js'
import { ReplicaSet } from '../../store/replica-set.js'
import { requireEvery, type Placement } from '../../store/replica.js'
import { recordCopies, type NewCopy } from './copy.table.js'
import { replaceObject } from './copy.table.js'
import { recordObjects, type NewObject, type Purpose } from './object.table.js'

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
    const [placement] = await this.all([document], signal)
    assert(placement !== undefined, 'one document stored')
    return placement
  }

  /**
   * Store several documents with two transactions in all. Idempotent as `run`.
   *
   * @returns in the order of `documents`. @throws as `run`, when one of them was taken by no replica; the others may be stored
   */
  async all(documents: readonly DocumentToStore[], signal?: AbortSignal): Promise<readonly Placement[]> {
    const objects = documents.map((document) => newObject(document, digestParts(document.bytes)))
    const ids = await this.database.transaction((tx) => recordObjects(tx, objects))
    const placed = await someAtOnce([...documents.entries()], documentWritesMax, async ([place, document]) => ({
      objectId: ids[place] ?? 0,
      placement: await this.put(document, signal),
      // What no attempt writes is published as it is written; the checks of a deposit's objects begin when it is published.
      nextCheckAt: document.attemptId === null ? this.clock.now() : null,
      storedAt: this.clock.now(),
    }))
    await this.database.transaction((tx) => recordCopies(tx, placed.flatMap(copiesOf)))
    return placed.map(({ placement }) => placement)
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

  private async put({ key, bytes, retainUntil }: DocumentToStore, signal?: AbortSignal): Promise<Placement> {
    const placement = await this.replicas.putBytes(key, bytes, { retainUntil }, signal)
    if (placement.stored.length === 0) requireEvery(placement)
    return placement
  }
}

interface Placed {
  readonly objectId: number
  readonly placement: Placement
  readonly nextCheckAt: Date | null
  readonly storedAt: Date
}

/** Record where an object came to lie. */
export async function recordPlacement(tx: Tx, placed: Placed): Promise<void> {
  await recordCopies(tx, copiesOf(placed))
}

function copiesOf({ objectId, placement, nextCheckAt, storedAt }: Placed): readonly NewCopy[] {
  return placement.stored.map(({ replica, object }) => {
    const { versionId, retainUntil } = object
    return { objectId, replica, versionId, retainUntil: retainUntil ?? storedAt, storedAt, nextCheckAt }
  })
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
