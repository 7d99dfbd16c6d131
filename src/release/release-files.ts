import { Inject, Injectable } from '@nestjs/common'
import type { KnownAgreement } from '../escrow/archive/agreement-shelf.js'
import { ReadDocument } from '../escrow/archive/read-document.js'
import { documentRetainUntil } from '../escrow/retention.js'
import { StoreDocument } from '../escrow/archive/store-document.js'
import { Database } from '../db/database.js'
import { listObjectsUnder } from '../escrow/archive/object.table.js'
import { AgreementId } from '../format/ids.js'
import { objectKeys, type ObjectKey } from '../store/object-key.js'
import { listHeldShares, listStatements, type HeldShareRow, type StatementRow } from './release.table.js'

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
    await this.keepAll(known, [{ key, bytes }], signal)
  }

  /** Put several documents of one agreement on every replica. Idempotent as `keep`. @param documents - none: nothing is done. */
  async keepAll(
    known: KnownAgreement,
    documents: readonly { readonly key: ObjectKey; readonly bytes: Uint8Array }[],
    signal?: AbortSignal,
  ): Promise<void> {
    if (documents.length === 0) return
    const { agreementId } = known.row
    const retainUntil = documentRetainUntil(known.signed.body)
    const all = documents.map(
      ({ key, bytes }) => ({ key, bytes, purpose: 'statement', agreementId, attemptId: null, retainUntil }) as const,
    )
    await this.store.all(all, signal)
  }

  /**
   * Every document that was recorded about a request or an order, or several of them, by digest.
   *
   * @param subject - requests' ids, or digests of orders in hex.
   * @throws EscrowError `OBJECT_*`, `STORE_*` when no replica gives one: what cannot be read cannot be left out of a count
   */
  async about(subject: string | readonly string[], agreementId: string, signal?: AbortSignal): Promise<Map<string, Uint8Array>> {
    return this.of(await this.database.query((db) => listStatements(db, subject, agreementId)), signal)
  }

  /** The documents of some statements, by digest. @throws EscrowError `OBJECT_*`, `STORE_*` when no replica gives one */
  async of(rows: readonly StatementRow[], signal?: AbortSignal): Promise<Map<string, Uint8Array>> {
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

  /** The share releases of a request, held or passed on, in the order in which they came. */
  shares(requestId: string): Promise<readonly HeldShareRow[]> {
    return this.database.query((db) => listHeldShares(db, requestId))
  }
}
