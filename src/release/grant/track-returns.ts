import { Inject, Injectable } from '@nestjs/common'
import { Clock } from '../../core/environment.js'
import { rowsMax } from '../../core/limits.js'
import { Database } from '../../db/database.js'
import { AgreementShelf } from '../../escrow/archive/agreement-shelf.js'
import { AgreementId, RequestId } from '../../format/ids.js'
import { EventLog } from '../../log/event-log.js'
import { listReturnsDue, markReturnDue, type GrantRow } from './grant.table.js'
import { outcomeOf, type Outcome } from '../order/register-order.js'
import { findRequest } from '../release.table.js'
import { tagSecretOf } from '../record-turn.js'

/** Tells the log of every grant whose copies should be gone by now and whose beneficiary has not said that they are. */
@Injectable()
export class TrackReturns {
  constructor(
    @Inject(Database) private readonly database: Database,
    @Inject(AgreementShelf) private readonly agreements: AgreementShelf,
    @Inject(EventLog) private readonly log: EventLog,
    @Inject(Clock) private readonly clock: Clock,
  ) {}

  /** Look once. Each grant is told of once. @returns what was told, a page at most. */
  async run(signal?: AbortSignal): Promise<readonly Outcome[]> {
    const outcomes: Outcome[] = []
    for (const grant of await this.database.query((db) => listReturnsDue(db, this.clock.now(), rowsMax))) {
      const row = await this.database.query((db) => findRequest(db, grant.requestId))
      if (row === null || grant.returnByAt === null) continue
      const { agreementId, agreementDigest, requestId } = row
      const { returnByAt } = grant
      outcomes.push(
        await outcomeOf(agreementId, requestId, async () => {
          await this.tell({ grant, returnByAt, agreementId, agreementDigest }, signal)
          return { subject: requestId, state: 'return-due' }
        }),
      )
    }
    return outcomes
  }

  private async tell(
    due: { readonly grant: GrantRow; readonly returnByAt: Date; readonly agreementId: string; readonly agreementDigest: string },
    signal?: AbortSignal,
  ): Promise<void> {
    const { grant, returnByAt } = due
    const known = await this.agreements.version(due.agreementDigest)
    const request = RequestId.parse(grant.requestId)
    const subject = { agreement: AgreementId.parse(due.agreementId), subject: request, request }
    const draft = {
      type: 'escrow/event/return-due/v1' as const,
      ...subject,
      beneficiary: grant.beneficiary,
      returnByAt: returnByAt.toISOString(),
    }
    await this.log.record({ draft, tagSecret: tagSecretOf(known) }, (tx, { event }) => markReturnDue(tx, grant, new Date(event.at)), signal)
  }
}
