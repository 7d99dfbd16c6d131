import { Inject, Injectable } from '@nestjs/common'
import { assert } from '../../core/errors.js'
import { Entropy } from '../../core/environment.js'
import { newId } from '../../format/ids.js'
import { LookAfterAgreement } from './look-after-agreement.js'
import { requestOfOrder } from '../rules/order-registration.js'
import { OrderShelf } from '../order/order-shelf.js'
import { againOnConflict } from '../request/release-desk.js'
import { updateOrder } from '../release.table.js'
import { SignAsAgent } from './sign-as-agent.js'
import { SubmitRequest } from '../request/submit-request.js'
import { verifierOf } from '../rules/statement-verifier.js'

/** Submits the request of an order that has become effective: every source of the agreement, for every beneficiary. */
@Injectable()
export class SubmitOrderRequest {
  constructor(
    @Inject(OrderShelf) private readonly orders: OrderShelf,
    @Inject(SubmitRequest) private readonly submitRequest: SubmitRequest,
    @Inject(SignAsAgent) private readonly sign: SignAsAgent,
    @Inject(LookAfterAgreement) private readonly agreements: LookAfterAgreement,
    @Inject(Entropy) private readonly entropy: Entropy,
  ) {}

  /**
   * Submit the request of one order in one agreement. Idempotent: the order names its request from the same transaction on. A legal hold on
   * the agreement takes effect before anybody can vote.
   *
   * @returns the request's id; null while the order is not effective.
   * @throws EscrowError as `SubmitRequest.run`; the order stays due then
   */
  async run(which: { readonly orderDigest: string; readonly agreementId: string }, signal?: AbortSignal): Promise<string | null> {
    const requestId = await againOnConflict(() => this.attempt(which, signal))
    if (requestId !== null) await this.agreements.run(which.agreementId, signal)
    return requestId
  }

  private async attempt(
    which: { readonly orderDigest: string; readonly agreementId: string },
    signal?: AbortSignal,
  ): Promise<string | null> {
    const { row, known: judged, frame, documents } = await this.orders.get(which.orderDigest, which.agreementId, signal)
    if (row.requestId !== null || row.state !== 'effective') return row.requestId
    const { known, epoch } = await this.orders.inForce(which.agreementId)
    const { statement } = verifierOf(judged.signed, documents)(row.orderDigest)
    assert(statement.type === 'escrow/statement/shutdown-order/v1', 'an order is a shutdown order')
    const bytes = this.sign.run(
      known.signed,
      { name: 'release-request', epoch },
      {
        request: newId('req', this.entropy),
        ...requestOfOrder({ digest: row.orderDigest, matter: statement }, known.signed.body, frame.terms),
      },
    )
    return this.submitRequest.run(bytes, (tx, requestId) => updateOrder(tx, row, { ...row, requestId, dueAt: null }), signal)
  }
}
