import { Inject, Injectable } from '@nestjs/common'
import { Clock } from '../../core/environment.js'
import { rowsMax } from '../../core/limits.js'
import { Database } from '../../db/database.js'
import { listToLook } from '../custody/custody.table.js'
import { LookAfterAgreement } from './look-after-agreement.js'
import { RecordDrill } from '../drill/record-drill.js'
import { RecordLegalOrder } from '../legal/record-legal-order.js'
import { outcomeOf, type Outcome } from '../order/register-order.js'
import { lookEveryMs } from '../custody/watch-depositor.js'

/** What time leaves to be done beside requests and shutdown orders. */
@Injectable()
export class SweepCustody {
  constructor(
    @Inject(Database) private readonly database: Database,
    @Inject(LookAfterAgreement) private readonly agreements: LookAfterAgreement,
    @Inject(RecordLegalOrder) private readonly legalOrders: RecordLegalOrder,
    @Inject(RecordDrill) private readonly drills: RecordDrill,
    @Inject(Clock) private readonly clock: Clock,
  ) {}

  /**
   * Report on drills that are over, look after every agreement that nobody has looked after within the hour, and let the clocks of orders
   * against the agent run. Idempotent.
   *
   * @returns what changed: whom to tell, what is wrong, where a beneficiary may now ask.
   * @throws EscrowError `STORE_*`, `DATABASE_*`
   */
  async run(signal?: AbortSignal): Promise<readonly Outcome[]> {
    const drills = await this.drills.sweep(signal)
    return [...drills, ...(await this.lookAfterAll(signal)), ...(await this.legalOrders.sweep(signal))]
  }

  private async lookAfterAll(signal?: AbortSignal): Promise<readonly Outcome[]> {
    const outcomes: Outcome[] = []
    for (let after = ''; ;) {
      const now = this.clock.now()
      const span = { now, latest: new Date(now.getTime() + lookEveryMs), after, limit: rowsMax }
      const due = await this.database.query((db) => listToLook(db, span))
      for (const agreementId of due) outcomes.push(...(await this.lookAfter(agreementId, signal)))
      const last = due.at(-1)
      if (last === undefined) return outcomes
      after = last
    }
  }

  /** One agreement that cannot be read does not stop the others. */
  private async lookAfter(agreementId: string, signal?: AbortSignal): Promise<readonly Outcome[]> {
    let found: readonly Outcome[] = []
    const looked = await outcomeOf(agreementId, agreementId, async () => {
      found = await this.agreements.run(agreementId, signal)
      return { subject: agreementId, state: '' }
    })
    return looked.error === null ? found : [...found, looked]
  }
}
