import { Inject, Injectable } from '@nestjs/common'
import { ApplyAvailability } from '../request/apply-availability.js'
import { PlaceHolds } from '../request/place-holds.js'
import { RaiseAlarms } from '../custody/raise-alarms.js'
import type { Outcome } from '../order/register-order.js'
import { WatchDepositor } from '../custody/watch-depositor.js'

/** Looks after one agreement: who can no longer vote, what a legal hold stops, what is wrong with its custody, whether its depositor is there. */
@Injectable()
export class LookAfterAgreement {
  constructor(
    @Inject(ApplyAvailability) private readonly availability: ApplyAvailability,
    @Inject(PlaceHolds) private readonly holds: PlaceHolds,
    @Inject(RaiseAlarms) private readonly alarms: RaiseAlarms,
    @Inject(WatchDepositor) private readonly depositor: WatchDepositor,
  ) {}

  /**
   * Look once. Idempotent.
   *
   * @returns what changed; empty when all is as it was.
   * @throws EscrowError `NOT_FOUND`, `AGREEMENT_INVALID`, `STORE_*`, `DATABASE_*`
   */
  async run(agreementId: string, signal?: AbortSignal): Promise<readonly Outcome[]> {
    const unavailable = (await this.availability.run(agreementId, signal)).map(({ party }) => party)
    await this.holds.run(agreementId, signal)
    const alarms = await this.alarms.run(agreementId, unavailable, signal)
    // Last: it puts off the next look.
    const { subject, state } = await this.depositor.look(agreementId, signal)
    return state === '' ? alarms : [...alarms, { agreementId, subject, state, error: null }]
  }
}
