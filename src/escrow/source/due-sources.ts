import { Inject, Injectable } from '@nestjs/common'
import { Clock } from '../../core/environment.js'
import { dueSweepMax, lookAgainMs } from '../../core/job-limits.js'
import { rowsMax } from '../../core/limits.js'
import { Database } from '../../db/database.js'
import { AgreementId } from '../../format/ids.js'
import type { WantedJob } from '../../jobs/catalog.js'
import type { DueWork } from '../../jobs/ticker.js'
import { sweepDueSources } from './schedule.table.js'

/** Pulled sources whose deposit is due, most overdue first. */
@Injectable()
export class DueSources implements DueWork {
  constructor(
    @Inject(Database) private readonly database: Database,
    @Inject(Clock) private readonly clock: Clock,
  ) {}

  /**
   * Take what is due, up to `dueSweepMax`, and look at it again after `lookAgainMs`. If we stop before it is enqueued, it comes again then.
   *
   * @throws EscrowError `DATABASE_*`
   */
  async due(): Promise<readonly WantedJob[]> {
    const now = this.clock.now()
    const sweep = { now, lookAgainAt: new Date(now.getTime() + lookAgainMs), limit: rowsMax }
    const wanted: WantedJob[] = []
    while (wanted.length < dueSweepMax) {
      const found = await this.database.transaction((tx) => sweepDueSources(tx, sweep))
      for (const { agreementId, source } of found)
        wanted.push({ job: 'mirror-source', payload: { agreementId: AgreementId.parse(agreementId), source } })
      if (found.length < rowsMax) break
    }
    return wanted
  }
}
