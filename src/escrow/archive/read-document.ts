import { Inject, Injectable } from '@nestjs/common'
import { EscrowError } from '../../core/errors.js'
import { documentReadsMax } from '../../core/limits.js'
import { Database } from '../../db/database.js'
import type { EventRecord } from '../../format/event.js'
import { Manifest } from '../../format/manifest.js'
import { openDocument, type OpenedDocument } from '../../format/signed-document.js'
import { readEvent } from '../../log/read-event.js'
import { objectKeys, parseObjectKey } from '../../store/object-key.js'
import { ReplicaSet } from '../../store/replica-set.js'
import { someAtOnce } from '../../store/at-once.js'
import type { ExpectedObject } from '../../store/expected-object.js'
import type { KnownAgreement } from './agreement-shelf.js'
import type { DepositRow } from './deposit.table.js'
import { manifestKeysOf } from './manifest-keys.js'
import { findObject, listObjectsUnder, type StoredObjectRow } from './object.table.js'
import { placeOf } from './deposit-place.js'

/** Reads documents that the index knows, from the first replica that has the bytes that were recorded. */
@Injectable()
export class ReadDocument {
  constructor(
    @Inject(Database) private readonly database: Database,
    @Inject(ReplicaSet) private readonly replicas: ReplicaSet,
  ) {}

  /** The bytes under a key. @throws EscrowError `NOT_FOUND` when the index does not know it; `OBJECT_*`, `STORE_*` */
  async bytes(key: string, signal?: AbortSignal): Promise<Uint8Array> {
    return this.read(key, (await this.database.query((db) => findObject(db, key))) ?? undefined, signal)
  }

  /**
   * The bytes under many keys, a few of them at a time.
   *
   * @returns in the order of `keys`. @throws EscrowError as `bytes`, when one cannot be read
   */
  async many(keys: readonly string[], signal?: AbortSignal): Promise<readonly Uint8Array[]> {
    const objects = await this.database.query((db) => listObjectsUnder(db, keys))
    const known = new Map(objects.map((object) => [object.key, object]))
    return someAtOnce(keys, documentReadsMax, (key) => this.read(key, known.get(key), signal))
  }

  /** The bytes of an object as they are read, every part verified before it is given. Ends with an EscrowError `OBJECT_*`, `STORE_*` */
  stream(object: StoredObjectRow, signal?: AbortSignal): AsyncIterable<Uint8Array> {
    return this.replicas.readVerifiedStream(parseObjectKey(object.key), expectedOfRow(object), {}, signal)
  }

  /**
   * The manifest of a deposit, verified.
   *
   * @param deposit.object - its object; looked up when it is null.
   * @throws EscrowError as `bytes`; `SIGNATURE_INVALID`, `DIGEST_MISMATCH`
   */
  async manifest(
    known: KnownAgreement,
    { row, object }: { readonly row: DepositRow; readonly object: StoredObjectRow | null },
    signal?: AbortSignal,
  ): Promise<OpenedDocument<Manifest>> {
    const key = objectKeys.manifest(placeOf(row))
    const bytes = await (object === null ? this.bytes(key, signal) : this.read(key, object, signal))
    const opened = openDocument(bytes, { schema: Manifest, keys: manifestKeysOf(known.signed.body), what: 'manifest' })
    if (opened.digest === row.manifestDigest) return opened
    throw new EscrowError('DIGEST_MISMATCH', `expected the manifest ${row.manifestDigest}, got ${opened.digest}`)
  }

  private read(key: string, object: StoredObjectRow | undefined, signal?: AbortSignal): Promise<Uint8Array> {
    if (object === undefined) throw new EscrowError('NOT_FOUND', `the index does not know ${key}`)
    return this.replicas.readVerified(parseObjectKey(object.key), expectedOfRow(object), {}, signal)
  }

  /** The event behind a leaf, from the first replica whose file gives this leaf. @throws EscrowError `OBJECT_*`, `STORE_*` */
  event(leaf: { readonly leafHash: string; readonly tag: string }, signal?: AbortSignal): Promise<EventRecord> {
    return readEvent(this.replicas.replicas, leaf, signal)
  }
}

/** What a row says that an object's bytes are. */
export function expectedOfRow(object: StoredObjectRow): Required<ExpectedObject> {
  return { sha256: object.digest, sizeBytes: object.sizeBytes, partBytes: object.partBytes, partSha256: object.partDigests }
}
