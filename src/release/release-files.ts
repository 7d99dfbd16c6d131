import { Inject, Injectable } from '@nestjs/common'
import type { KnownAgreement } from '../escrow/agreement-shelf.js'
import { ReadDocument } from '../escrow/read-document.js'
import { documentRetainUntil } from '../escrow/retention.js'
import { StoreDocument } from '../escrow/store-document.js'
import { Database } from '../db/database.js'
import { listObjectsUnder } from '../escrow/object.table.js'
import { AgreementId } from '../format/ids.js'
import { objectKeys, type ObjectKey } from '../store/object-key.js'
import { listHeldShares, listStatements } from './release.table.js'

/** Signed documents of releases: written once to the store before anything speaks of them, and read back to be verified again. */
@Injectable()
export class ReleaseFiles {
  constructor(
    @Inject(Database) private readonly database: Database,
    @Inject(StoreDocument) private readonly store: StoreDocument,
    @Inject(ReadDocument) private readonly documents: ReadDocument,
  ) {}

  /** Put a document on every replica. Idempotent. If we stop afterwards, it is an orphan that no leaf names. @throws EscrowError `STORE_*` */
  async keep(known: KnownAgreement, key: ObjectKey, bytes: Uint8Array, signal?: AbortSignal): Promise<void> {
    const { agreementId } = known.row
    const retainUntil = documentRetainUntil(known.signed.body)
    await this.store.run({ key, bytes, purpose: 'statement', agreementId, attemptId: null, retainUntil }, signal)
  }

  /**
   * Every document that was recorded about a request or an order, by digest.
   *
   * @param subject - a request's id, or the digest of an order in hex.
   * @throws EscrowError `OBJECT_*`, `STORE_*` when no replica gives one: what cannot be read cannot be left out of a count
   */
  async about(subject: string, agreementId: string, signal?: AbortSignal): Promise<Map<string, Uint8Array>> {
    const rows = await this.database.query((db) => listStatements(db, subject, agreementId))
    const found = new Map<string, Uint8Array>()
    const bytes = await this.documents.many(
      rows.map((row) => row.key),
      signal,
    )
    for (const [place, row] of rows.entries()) found.set(row.digest, bytes[place] ?? new Uint8Array())
    return found
  }

  /** The bytes under a key. @throws EscrowError `NOT_FOUND`, `OBJECT_*`, `STORE_*` */
  read(key: string, signal?: AbortSignal): Promise<Uint8Array> {
    return this.documents.bytes(key, signal)
  }

  /** Which of these documents are kept here as evidence, with their bytes. @throws EscrowError `OBJECT_*`, `STORE_*` */
  async evidence(agreementId: string, digests: readonly string[], signal?: AbortSignal): Promise<Map<string, Uint8Array>> {
    const keys = new Map(
      [...new Set(digests)].map((sha256) => [objectKeys.evidence(AgreementId.parse(agreementId), sha256) as string, sha256]),
    )
    const kept = await this.database.query((db) => listObjectsUnder(db, [...keys.keys()]))
    const found = new Map<string, Uint8Array>()
    for (const { key } of kept) found.set(keys.get(key) ?? '', await this.documents.bytes(key, signal))
    return found
  }

  /** The share releases of a request, held or passed on, by digest in the order in which they came. */
  async shares(requestId: string): Promise<Map<string, Uint8Array>> {
    const rows = await this.database.query((db) => listHeldShares(db, requestId))
    return new Map(rows.map((row) => [row.digest, row.document]))
  }
}
