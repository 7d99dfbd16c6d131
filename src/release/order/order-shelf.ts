import { Inject, Injectable } from '@nestjs/common'
import { EscrowError } from '../../core/errors.js'
import { Database } from '../../db/database.js'
import { AgreementShelf, type KnownAgreement } from '../../escrow/archive/agreement-shelf.js'
import { findCurrentEpoch, listVersionDigests } from '../../escrow/archive/agreement.table.js'
import type { OrderFrame } from '../rules/order-state.js'
import { findOrder, type OrderRow } from '../release.table.js'
import { ReleaseFiles } from '../release-files.js'
import { parseReleasePolicy, termsOf } from '../rules/release-policy.js'

/** An order in one agreement with everything that it is judged by. */
export interface OrderCase {
  readonly row: OrderRow
  readonly known: KnownAgreement
  readonly frame: OrderFrame
  /** What was recorded about the order in this agreement, by digest. */
  readonly documents: ReadonlyMap<string, Uint8Array>
}

/** Opens shutdown orders, each in one agreement. */
@Injectable()
export class OrderShelf {
  constructor(
    @Inject(Database) private readonly database: Database,
    @Inject(AgreementShelf) private readonly agreements: AgreementShelf,
    @Inject(ReleaseFiles) private readonly files: ReleaseFiles,
  ) {}

  /** One order in one agreement. @throws EscrowError `NOT_FOUND`, `OBJECT_*`, `STORE_*` */
  async get(orderDigest: string, agreementId: string, signal?: AbortSignal): Promise<OrderCase> {
    const row = await this.database.query((db) => findOrder(db, orderDigest, agreementId))
    if (row === null) throw new EscrowError('NOT_FOUND', `no order ${orderDigest.slice(0, 16)} is registered in ${agreementId}`)
    const known = await this.agreements.version(row.agreementDigest)
    const documents = await this.files.about(orderDigest, agreementId, signal)
    return { row, known, frame: await this.frameOf(known), documents }
  }

  /**
   * What a request under an order is submitted under: the version in force and the epoch that takes deposits now.
   *
   * @throws EscrowError `VAULT_NOT_ARMED`, `NOT_FOUND`
   */
  async inForce(agreementId: string): Promise<{ readonly known: KnownAgreement; readonly epoch: number }> {
    const known = await this.agreements.get(agreementId)
    const current = await this.database.query((db) => findCurrentEpoch(db, agreementId))
    if (current === null) throw new EscrowError('VAULT_NOT_ARMED', `the vault of ${agreementId} has no armed epoch`)
    return { known, epoch: current.epoch }
  }

  /**
   * What an order is judged by in an agreement.
   *
   * @throws EscrowError `NOT_FOUND` when the agreement has no condition of kind `shutdown-order`; `AGREEMENT_INVALID`
   */
  async frameOf(known: KnownAgreement): Promise<OrderFrame> {
    const { body, digest } = known.signed
    const policy = parseReleasePolicy(body.release)
    const condition = policy.conditions.find((candidate) => candidate.kind === 'shutdown-order')
    if (condition === undefined) throw new EscrowError('NOT_FOUND', `${body.agreement} has no release condition of kind shutdown-order`)
    const digests = await this.database.query((db) => listVersionDigests(db, body.agreement))
    return { agreement: digest, digests, origin: body.origin, parties: body.parties, terms: termsOf(policy, condition.condition) }
  }
}
