import { Inject, Injectable } from '@nestjs/common'
import { EscrowError } from '../core/errors.js'
import { Database } from '../db/database.js'
import type { Party } from '../format/agreement.js'
import type { Viewer } from '../http/viewer.js'
import { AgreementShelf } from './agreement-shelf.js'
import { listAcceptances } from './share.table.js'
import { listEpochs, type AgreementRow, type AgreementVersionRow, type VaultEpochRow } from './agreement.table.js'
import type { DepositRow } from './deposit.table.js'
import type { SourceKey } from './lease.table.js'
import { ReadDocument } from './read-document.js'
import type { SourceRow } from './source.table.js'
import { findAgreementOf, findSourceOf, listAgreementsOf, listLatestOf, listSourcesOf, listVersionsOf } from './visible.table.js'

/** An agreement as its parties see it. */
export interface VisibleAgreement {
  readonly row: AgreementRow
  readonly epochs: readonly VaultEpochRow[]
  /** Custodians that have accepted their shares, by index. */
  readonly accepted: readonly number[]
}

/** A source with its newest deposit. */
export interface VisibleSource {
  readonly row: SourceRow
  readonly latest: DepositRow | null
}

/** Reads agreements and sources for somebody: whatever another party has is not there. */
@Injectable()
export class VisibleAgreements {
  constructor(
    @Inject(Database) private readonly database: Database,
    @Inject(AgreementShelf) private readonly shelf: AgreementShelf,
    @Inject(ReadDocument) private readonly documents: ReadDocument,
  ) {}

  /** Agreements by id. @param after - the last id of the page before; '' for the first. */
  list(viewer: Viewer, after: string, limit: number): Promise<readonly AgreementRow[]> {
    return this.database.query((db) => listAgreementsOf(db, viewer, after, limit))
  }

  /** One agreement. @throws EscrowError `NOT_FOUND` */
  async get(viewer: Viewer, agreementId: string): Promise<VisibleAgreement> {
    const row = await this.require(viewer, agreementId)
    const epochs = await this.database.query((db) => listEpochs(db, agreementId))
    const acceptances = await this.database.query((db) => listAcceptances(db, agreementId, row.version))
    return { row, epochs, accepted: acceptances.map((one) => one.custodianIndex) }
  }

  /** The parties of the version in force. @throws EscrowError `NOT_FOUND` */
  async parties(viewer: Viewer, agreementId: string): Promise<readonly Party[]> {
    await this.require(viewer, agreementId)
    return (await this.shelf.get(agreementId)).signed.body.parties
  }

  /** Every version, oldest first. @throws EscrowError `NOT_FOUND` */
  async versions(viewer: Viewer, agreementId: string): Promise<readonly AgreementVersionRow[]> {
    const rows = await this.database.query((db) => listVersionsOf(db, viewer, agreementId))
    if (rows.length === 0) throw notFound(agreementId)
    return rows
  }

  /**
   * The signed document of a version, or its sealed annex.
   *
   * @throws EscrowError `NOT_FOUND`; `OBJECT_*`, `STORE_*` when no replica gives it
   */
  async document(
    viewer: Viewer,
    asked: { readonly agreementId: string; readonly version: number; readonly what: 'document' | 'annex' },
  ): Promise<Uint8Array> {
    const row = (await this.versions(viewer, asked.agreementId)).find((one) => one.version === asked.version)
    const key = asked.what === 'document' ? row?.documentKey : row?.annexKey
    if (key === undefined || key === null)
      throw new EscrowError('NOT_FOUND', `there is no version ${asked.version} of ${asked.agreementId}`)
    return this.documents.bytes(key)
  }

  /** Sources by name, each with its newest deposit. @param after - the last name of the page before; '' for the first. @throws EscrowError `NOT_FOUND` */
  async sources(
    viewer: Viewer,
    asked: { readonly agreementId: string; readonly after: string; readonly limit: number },
  ): Promise<readonly VisibleSource[]> {
    await this.require(viewer, asked.agreementId)
    const rows = await this.database.query((db) => listSourcesOf(db, viewer, asked))
    return this.withLatest(viewer, asked.agreementId, rows)
  }

  /** One source. @throws EscrowError `NOT_FOUND` */
  async source(viewer: Viewer, key: SourceKey): Promise<VisibleSource> {
    const row = await this.database.query((db) => findSourceOf(db, viewer, key))
    const [found] = row === null ? [] : await this.withLatest(viewer, key.agreementId, [row])
    if (found === undefined) throw new EscrowError('NOT_FOUND', `there is no source ${key.source} in ${key.agreementId}`)
    return found
  }

  private async require(viewer: Viewer, agreementId: string): Promise<AgreementRow> {
    const row = await this.database.query((db) => findAgreementOf(db, viewer, agreementId))
    if (row === null) throw notFound(agreementId)
    return row
  }

  private async withLatest(viewer: Viewer, agreementId: string, rows: readonly SourceRow[]): Promise<readonly VisibleSource[]> {
    const sources = rows.map((row) => row.source)
    const deposits = await this.database.query((db) => listLatestOf(db, viewer, { agreementId, sources }))
    const latest = new Map(deposits.map((deposit) => [deposit.source, deposit]))
    return rows.map((row) => ({ row, latest: latest.get(row.source) ?? null }))
  }
}

function notFound(agreementId: string): EscrowError {
  return new EscrowError('NOT_FOUND', `no agreement is named ${agreementId}`)
}
