import { Inject, Injectable } from '@nestjs/common'
import { EscrowError } from '../../core/errors.js'
import { Database } from '../../db/database.js'
import { readUnverified } from '../../format/signed-document.js'
import { FindingExplanation } from '../../format/statement.js'
import type { OutgoingBytes } from '../../http/stream-bytes.js'
import type { Viewer } from '../../http/viewer.js'
import type { LogEntryRow } from '../../log/log.table.js'
import { objectKeys } from '../../store/object-key.js'
import type { DepositRow, FindingRow } from '../archive/deposit.table.js'
import { placeOf } from '../archive/deposit-place.js'
import type { SourceKey } from '../archive/lease.table.js'
import { ReadDocument } from '../archive/read-document.js'
import { findDepositOf, findSourceOf, listDepositsOf } from './visible-prepared.table.js'
import { findEventOf, listCopiesOfDeposit, listEventsOf, listFindingsOf, type CopyOfDeposit } from './visible.table.js'
import { VisibleAgreements } from './visible-agreements.js'

/** A finding with what the depositor said of it. */
export interface VisibleFinding {
  readonly row: FindingRow
  /** Who explained it and how; null while nobody has. */
  readonly explanation: { readonly party: string; readonly words: string } | null
}

/** Reads deposits and events for somebody: whatever another party has is not there. */
@Injectable()
export class VisibleDeposits {
  constructor(
    @Inject(Database) private readonly database: Database,
    @Inject(ReadDocument) private readonly documents: ReadDocument,
    @Inject(VisibleAgreements) private readonly agreements: VisibleAgreements,
  ) {}

  /** Deposits of a source, newest first. @param asked.before - the last sequence of the page before; null for the first. @throws EscrowError `NOT_FOUND` */
  async list(
    viewer: Viewer,
    asked: SourceKey & { readonly before: number | null; readonly limit: number },
  ): Promise<readonly DepositRow[]> {
    const rows = await listDepositsOf(this.database, viewer, asked)
    if (rows.length === 0 && (await findSourceOf(this.database, viewer, asked)) === null) {
      throw new EscrowError('NOT_FOUND', `there is no source ${asked.source} in ${asked.agreementId}`)
    }
    return rows
  }

  /** One deposit. @throws EscrowError `NOT_FOUND` */
  async get(viewer: Viewer, depositId: string): Promise<DepositRow> {
    const row = await findDepositOf(this.database, viewer, depositId)
    if (row === null) throw new EscrowError('NOT_FOUND', `no deposit is named ${depositId}`)
    return row
  }

  /** The findings of a deposit, by code. @throws EscrowError `NOT_FOUND`; `OBJECT_*`, `STORE_*` when no replica gives an explanation */
  async findings(viewer: Viewer, depositId: string, signal?: AbortSignal): Promise<readonly VisibleFinding[]> {
    const deposit = await this.get(viewer, depositId)
    const rows = await this.database.query((db) => listFindingsOf(db, viewer, depositId))
    const found: VisibleFinding[] = []
    for (const row of rows) found.push({ row, explanation: await this.explanationOf(deposit, row, signal) })
    return found
  }

  /** The objects of a deposit with their current copies. @throws EscrowError `NOT_FOUND` */
  async copies(viewer: Viewer, depositId: string): Promise<readonly CopyOfDeposit[]> {
    await this.get(viewer, depositId)
    return this.database.query((db) => listCopiesOfDeposit(db, viewer, depositId))
  }

  /** A signed document of a deposit. @throws EscrowError `NOT_FOUND`, also while there is no receipt; `OBJECT_*`, `STORE_*` */
  async document(viewer: Viewer, depositId: string, what: 'manifest' | 'receipt', signal?: AbortSignal): Promise<Uint8Array> {
    const row = await this.get(viewer, depositId)
    if (what === 'receipt' && row.receiptDigest === null) throw new EscrowError('NOT_FOUND', `${depositId} has no receipt yet`)
    return this.documents.bytes(objectKeys[what](placeOf(row)), signal)
  }

  /** The inventory of a deposit as it is stored: sealed to the parties that may see names. @throws EscrowError `NOT_FOUND`; `OBJECT_*`, `STORE_*` while it is read */
  async inventory(viewer: Viewer, depositId: string, signal?: AbortSignal): Promise<OutgoingBytes> {
    const object = (await this.copies(viewer, depositId)).find((one) => one.object.purpose === 'inventory')?.object
    if (object === undefined) throw new EscrowError('NOT_FOUND', `the inventory of ${depositId} is not in the index`)
    const { digest: sha256, sizeBytes } = object
    return { sha256, sizeBytes, offset: 0, bodyBytes: sizeBytes, body: this.documents.stream(object, signal) }
  }

  /** Events of an agreement, oldest first. @param asked.after - the last number of the page before; 0 for the first. @throws EscrowError `NOT_FOUND` */
  async events(
    viewer: Viewer,
    asked: { readonly agreementId: string; readonly after: number; readonly limit: number },
  ): Promise<readonly LogEntryRow[]> {
    const rows = await this.database.query((db) => listEventsOf(db, viewer, asked))
    if (rows.length === 0) await this.agreements.get(viewer, asked.agreementId)
    return rows
  }

  /** The event behind a leaf. @throws EscrowError `NOT_FOUND` */
  async event(viewer: Viewer, leafHash: string): Promise<LogEntryRow> {
    const row = await this.database.query((db) => findEventOf(db, viewer, leafHash))
    if (row === null) throw new EscrowError('NOT_FOUND', `no event has the leaf ${leafHash}`)
    return row
  }

  /** It was verified when it was recorded; parties verify the document themselves. */
  private async explanationOf(
    deposit: DepositRow,
    { explanationDigest }: FindingRow,
    signal?: AbortSignal,
  ): Promise<VisibleFinding['explanation']> {
    if (explanationDigest === null) return null
    const bytes = await this.documents.bytes(objectKeys.explanation(placeOf(deposit), explanationDigest), signal)
    const { party, explanation: words } = readUnverified(bytes, FindingExplanation, 'explanation')
    return { party, words }
  }
}
