import { Inject, Injectable } from '@nestjs/common'
import { Clock, Entropy } from '../core/environment.js'
import { assert } from '../core/errors.js'
import { AgentKeys } from '../escrow/agent-keys.js'
import type { KnownAgreement } from '../escrow/agreement-shelf.js'
import { newId } from '../format/ids.js'
import { signDocument } from '../format/signed-document.js'
import { ReleaseRequest, type StatementOf } from '../format/statement.js'
import { requestOfOrder } from './order-registration.js'
import { OrderShelf, type OrderCase } from './order-shelf.js'
import { againOnConflict } from './release-desk.js'
import { updateOrder } from './release.table.js'
import { SubmitRequest } from './submit-request.js'
import { verifierOf } from './statement-verifier.js'

const dayMs = 86_400_000
/** How long the agent's request may be presented; once submitted it is governed by its own clocks. */
const requestDays = 30

/** Submits the request of an order that has become effective: every source of the agreement, for every beneficiary. */
@Injectable()
export class SubmitOrderRequest {
  constructor(
    @Inject(OrderShelf) private readonly orders: OrderShelf,
    @Inject(SubmitRequest) private readonly submitRequest: SubmitRequest,
    @Inject(AgentKeys) private readonly keys: AgentKeys,
    @Inject(Clock) private readonly clock: Clock,
    @Inject(Entropy) private readonly entropy: Entropy,
  ) {}

  /**
   * Submit the request of one order in one agreement. Idempotent: the order names its request from the same transaction on.
   *
   * @returns the request's id; null while the order is not effective.
   * @throws EscrowError as `SubmitRequest.run`; the order stays due then
   */
  async run(which: { readonly orderDigest: string; readonly agreementId: string }, signal?: AbortSignal): Promise<string | null> {
    return againOnConflict(async () => {
      const one = await this.orders.get(which.orderDigest, which.agreementId, signal)
      if (one.row.requestId !== null || one.row.state !== 'effective') return one.row.requestId
      const inForce = await this.orders.inForce(which.agreementId)
      const bytes = signDocument({ body: this.compose(one, inForce), schema: ReleaseRequest, key: this.keys.signingKey })
      const { row } = one
      return this.submitRequest.run(bytes, (tx, requestId) => updateOrder(tx, row, { ...row, requestId, dueAt: null }), signal)
    })
  }

  private compose(
    { known: judged, frame, row, documents }: OrderCase,
    { known, epoch }: { readonly known: KnownAgreement; readonly epoch: number },
  ): StatementOf<'release-request'> {
    const { statement } = verifierOf(judged.signed, documents)(row.orderDigest)
    assert(statement.type === 'escrow/statement/shutdown-order/v1', 'an order is a shutdown order')
    const now = this.clock.now()
    return {
      type: 'escrow/statement/release-request/v1',
      origin: known.signed.body.origin,
      agreement: known.signed.digest,
      epoch,
      party: agentOf(known),
      nonce: Buffer.from(this.entropy.bytes(16)).toString('hex'),
      issuedAt: now.toISOString(),
      expiresAt: new Date(now.getTime() + requestDays * dayMs).toISOString(),
      request: newId('req', this.entropy),
      ...requestOfOrder({ digest: row.orderDigest, matter: statement }, known.signed.body, frame.terms),
    }
  }
}

function agentOf(known: KnownAgreement): string {
  const agent = known.signed.body.parties.find((party) => party.role === 'agent')
  assert(agent !== undefined, 'a registered agreement names its agent')
  return agent.party
}
