import { Inject, Injectable } from '@nestjs/common'
import { rowsMax } from '../../core/limits.js'
import { Database } from '../../db/database.js'
import { AdvanceRequest } from './advance-request.js'
import type { Unavailable } from './availability.js'
import { CountAvailability, type Availability } from './count-availability.js'
import type { AvailabilityWord } from '../rules/release-request.js'
import { listRequests } from '../release.table.js'

/** Lets every request of an agreement know who can no longer vote: a quorum that nobody could reach freezes it, with an alarm. */
@Injectable()
export class ApplyAvailability {
  constructor(
    @Inject(Database) private readonly database: Database,
    @Inject(CountAvailability) private readonly availability: CountAvailability,
    @Inject(AdvanceRequest) private readonly request: AdvanceRequest,
  ) {}

  /**
   * Bring every open request of an agreement up to date. Idempotent: what a run that stopped has left is done by the next one.
   *
   * @throws EscrowError `STORE_*`, `DATABASE_*`; as `CountAvailability.run`
   */
  async run(agreementId: string, signal?: AbortSignal): Promise<readonly Unavailable[]> {
    const counted = await this.availability.run(agreementId, signal)
    const parties = counted.unavailable.map(({ party }) => party).sort()
    for (const { requestId, dueAt, progress } of await this.database.query((db) => listRequests(db, agreementId, rowsMax))) {
      if (dueAt === null || progress.state.name === 'released' || progress.unavailable.join(' ') === parties.join(' ')) continue
      const decidedBy = wordBehind(counted, progress.unavailable)
      // Nothing was ever said: then nobody is unavailable, and nobody was.
      if (decidedBy === null) continue
      await this.request.run(requestId, { kind: 'unavailable', parties, decidedBy }, undefined, signal)
    }
    return counted.unavailable
  }
}

/** The signed statement behind a change: the one that took somebody's vote away, otherwise the last that can have given one back. */
function wordBehind({ unavailable, lastSaid }: Availability, before: readonly string[]): AvailabilityWord | null {
  const news = unavailable.find(({ party }) => !before.includes(party))?.decidedBy
  if (news !== undefined) return { digest: news.digest, party: news.signer, type: news.statement.type }
  return lastSaid === null ? null : { digest: lastSaid.digest, party: lastSaid.party, type: lastSaid.type }
}
