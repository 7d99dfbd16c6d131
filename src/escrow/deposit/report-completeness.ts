import { Inject, Injectable } from '@nestjs/common'
import { EscrowError, isEscrowError } from '../../core/errors.js'
import { Database } from '../../db/database.js'
import { parseInventory } from '../../format/check-inventory.js'
import { reportCompleteness, type Completeness } from '../../format/completeness.js'
import type { Inventory, Manifest } from '../../format/manifest.js'
import { AgentKeys } from '../agent-keys.js'
import { AgreementShelf } from '../archive/agreement-shelf.js'
import { findDeposit, findLatestDeposit, listFindings, type DepositRow } from '../archive/deposit.table.js'
import type { SourceKey } from '../archive/lease.table.js'
import { listObjectsOfDeposits } from '../archive/object.table.js'
import { ReadDocument } from '../archive/read-document.js'

/** How complete a deposit is, as the agent may see it: with names in pull and push mode, without them in sealed mode. */
@Injectable()
export class ReportCompleteness {
  constructor(
    @Inject(Database) private readonly database: Database,
    @Inject(AgreementShelf) private readonly shelf: AgreementShelf,
    @Inject(ReadDocument) private readonly documents: ReadDocument,
    @Inject(AgentKeys) private readonly keys: AgentKeys,
  ) {}

  /**
   * Make the report of one deposit.
   *
   * @param sequence - null for the newest.
   * @throws EscrowError `NOT_FOUND`; `OBJECT_*`, `STORE_*`, `SIGNATURE_INVALID` when the store gives no good documents
   */
  async run(key: SourceKey, sequence: number | null, signal?: AbortSignal): Promise<Completeness> {
    const row = await this.database.query((db) => (sequence === null ? findLatestDeposit(db, key) : findDeposit(db, key, sequence)))
    if (row === null) throw new EscrowError('NOT_FOUND', `there is no such deposit of ${key.source} in ${key.agreementId}`)
    const known = await this.shelf.version(row.agreementDigest)
    const { body: manifest, digest: manifestDigest } = await this.documents.manifest(known, { row, object: null }, signal)
    const findings = await this.database.query((db) => listFindings(db, row.depositId))
    const explained = findings.filter(({ explanationDigest }) => explanationDigest !== null).map(({ code }) => code)
    const inventory = await this.inventory(row, manifest, signal)
    const receipted = row.receiptDigest === null ? null : true
    return reportCompleteness({ manifest, manifestDigest, receipted, inventory, explained, attachments: [] })
  }

  /** Null when it is sealed to others only. */
  private async inventory(row: DepositRow, manifest: Manifest, signal?: AbortSignal): Promise<Inventory | null> {
    const objects = await this.database.query((db) => listObjectsOfDeposits(db, [row.depositId]))
    const object = objects.find(({ purpose }) => purpose === 'inventory')
    if (object === undefined) return null
    const sealed = await this.documents.bytes(object.key, signal)
    try {
      return parseInventory(this.keys.openOwn(sealed), manifest, object.key)
    } catch (error) {
      if (isEscrowError(error, 'ENVELOPE_RECIPIENT')) return null
      throw error
    }
  }
}
