import { Inject, Injectable } from '@nestjs/common'
import { EscrowError } from '../../core/errors.js'
import { Database } from '../../db/database.js'
import type { Party } from '../../format/agreement.js'
import type { Viewer } from '../../http/viewer.js'
import { AgreementShelf } from '../archive/agreement-shelf.js'
import type { AgreementRow, AgreementVersionRow } from '../archive/agreement.table.js'
import type { SourceKey } from '../archive/lease.table.js'
import { ReadDocument } from '../archive/read-document.js'
import {
  findSourceOf,
  findWholeAgreementOf,
  listAgreementsOf,
  listSourcesOf,
  type SourceWithLatest,
  type WholeAgreement,
} from './visible-prepared.table.js'
import { findAgreementOf, listVersionsOf } from './visible.table.js'

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
    return listAgreementsOf(this.database, viewer, after, limit)
  }

  /** One agreement. @throws EscrowError `NOT_FOUND` */
  async get(viewer: Viewer, agreementId: string): Promise<WholeAgreement> {
    const found = await findWholeAgreementOf(this.database, viewer, agreementId)
    if (found === null) throw notFound(agreementId)
    return found
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
  ): Promise<readonly SourceWithLatest[]> {
    const found = await listSourcesOf(this.database, viewer, asked)
    if (found.length === 0) await this.require(viewer, asked.agreementId)
    return found
  }

  /** One source with its newest deposit. @throws EscrowError `NOT_FOUND` */
  async source(viewer: Viewer, key: SourceKey): Promise<SourceWithLatest> {
    const found = await findSourceOf(this.database, viewer, key)
    if (found === null) throw new EscrowError('NOT_FOUND', `there is no source ${key.source} in ${key.agreementId}`)
    return found
  }

  private async require(viewer: Viewer, agreementId: string): Promise<void> {
    if ((await this.database.query((db) => findAgreementOf(db, viewer, agreementId))) === null) throw notFound(agreementId)
  }
}

function notFound(agreementId: string): EscrowError {
  return new EscrowError('NOT_FOUND', `no agreement is named ${agreementId}`)
}
