import { Inject, Injectable } from '@nestjs/common'
import { RecordLegalOrder } from './record-legal-order.js'
import type { Outcome } from './register-order.js'
import { WatchDepositor } from './watch-depositor.js'

/** What time leaves to be done beside requests and shutdown orders. */
@Injectable()
export class SweepCustody {
  constructor(
    @Inject(WatchDepositor) private readonly depositors: WatchDepositor,
    @Inject(RecordLegalOrder) private readonly legalOrders: RecordLegalOrder,
  ) {}

  /** Look for silent depositors, and let the clocks of orders against the agent run. Idempotent. @throws EscrowError `STORE_*`, `DATABASE_*` */
  async run(signal?: AbortSignal): Promise<readonly Outcome[]> {
    return [...(await this.depositors.run(signal)), ...(await this.legalOrders.sweep(signal))]
  }
}
