import { Inject, Injectable } from '@nestjs/common'
import { Clock } from '../../core/environment.js'
import { rowsMax } from '../../core/limits.js'
import { Database } from '../../db/database.js'
import { AdvanceOrder } from '../order/advance-order.js'
import { AdvanceRequest } from '../request/advance-request.js'
import { GrantAccess } from '../grant/grant-access.js'
import { outcomeOf, type Outcome } from '../order/register-order.js'
import { listUngranted } from '../grant/grant.table.js'
import { listDueOrders, listDueRequests, type OrderRow } from '../release.table.js'
import { RelayShare } from '../request/relay-share.js'
import { sideBySide } from '../side-by-side.js'
import { SubmitOrderRequest } from './submit-order-request.js'
import { SweepCustody } from './sweep-custody.js'
import { TrackReturns } from '../grant/track-returns.js'

/** What time and earlier runs leave to be done. */
@Injectable()
export class ReleaseWork {
  constructor(
    @Inject(AdvanceRequest) readonly request: AdvanceRequest,
    @Inject(AdvanceOrder) readonly order: AdvanceOrder,
    @Inject(SubmitOrderRequest) readonly ask: SubmitOrderRequest,
    @Inject(RelayShare) readonly shares: RelayShare,
    @Inject(GrantAccess) readonly grant: GrantAccess,
  ) {}
}

/**
 * Finishes what is due: clocks that have run out, effective orders without a request, released shares, grants that are not given yet,
 * copies that should have been returned; and what is due in the custody of the agreements themselves.
 */
@Injectable()
export class SweepReleases {
  constructor(
    @Inject(Database) private readonly database: Database,
    @Inject(ReleaseWork) private readonly work: ReleaseWork,
    @Inject(TrackReturns) private readonly returns: TrackReturns,
    @Inject(SweepCustody) private readonly custody: SweepCustody,
    @Inject(Clock) private readonly clock: Clock,
  ) {}

  /**
   * Do what is due once. Idempotent; run it as often as wanted, also twice at once.
   *
   * @returns what moved, and what could not; a page of each kind of work at most.
   * @throws EscrowError `STORE_*`, `DATABASE_*`
   */
  async run(signal?: AbortSignal): Promise<readonly Outcome[]> {
    const outcomes = [...(await this.orders(signal)), ...(await this.requests(signal))]
    await this.work.shares.storeReleased(signal)
    const last = [...(await this.returns.run(signal)), ...(await this.custody.run(signal))]
    return [...outcomes, ...(await this.grants(signal)), ...last]
  }

  private async orders(signal?: AbortSignal): Promise<readonly Outcome[]> {
    const due = await this.database.query((db) => listDueOrders(db, this.clock.now(), rowsMax))
    return (await sideBySide(due, (row) => this.order(row, signal))).flat()
  }

  private async order(row: OrderRow, signal?: AbortSignal): Promise<readonly Outcome[]> {
    const { agreementId, orderDigest } = row
    const moved = await outcomeOf(agreementId, orderDigest, async () => {
      const state = await this.work.order.run(row, { kind: 'clock' }, undefined, signal)
      return { subject: orderDigest, state: state.name }
    })
    const asked = moved.state === 'effective' ? [await outcomeOf(agreementId, orderDigest, () => this.ask(row, signal))] : []
    return moved.state === row.state ? asked : [moved, ...asked]
  }

  private async ask(
    row: { readonly orderDigest: string; readonly agreementId: string },
    signal?: AbortSignal,
  ): Promise<{ readonly subject: string; readonly state: string }> {
    const requestId = await this.work.ask.run(row, signal)
    return { subject: requestId ?? row.orderDigest, state: 'submitted' }
  }

  private async requests(signal?: AbortSignal): Promise<readonly Outcome[]> {
    const due = await this.database.query((db) => listDueRequests(db, this.clock.now(), rowsMax))
    return sideBySide(due, (row) =>
      outcomeOf(row.agreementId, row.requestId, async () => {
        const { name } = await this.work.request.run(row.requestId, { kind: 'clock' }, undefined, signal)
        // A hold that has run out: custodians may have delivered meanwhile.
        const state = name === 'releasing' ? await this.work.shares.passHeld(row.requestId, signal) : name
        return { subject: row.requestId, state }
      }),
    )
  }

  private async grants(signal?: AbortSignal): Promise<readonly Outcome[]> {
    const waiting = await this.database.query((db) => listUngranted(db, rowsMax))
    return sideBySide(waiting, (row) =>
      outcomeOf(row.agreementId, row.requestId, async () => {
        await this.work.grant.run(row.requestId, signal)
        return { subject: row.requestId, state: 'granted' }
      }),
    )
  }
}
