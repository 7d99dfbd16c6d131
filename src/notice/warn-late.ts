import { Inject, Injectable } from '@nestjs/common'
import { Clock } from '../core/environment.js'
import { rowsMax } from '../core/limits.js'
import { Database } from '../db/database.js'
import { listLate, markWarned } from '../escrow/source/schedule.table.js'
import type { SourceRow } from '../escrow/archive/source.table.js'
import { LogOptions } from '../log/log-options.js'
import { composeNotice, noticedRoles, type Occurrence } from './compose-notice.js'
import { insertNotices, listNoticedParties } from './notice.table.js'

/** Parts of the allowed time after which a deposit that has not come is told of, the last first; at 100 it is missed, which is an event. */
const ladder = [50, 10] as const

/** Tells the parties of deposits that are late, before they are missed: silence must not last until the deadline. */
@Injectable()
export class WarnLate {
  constructor(
    @Inject(Database) private readonly database: Database,
    @Inject(LogOptions) private readonly options: LogOptions,
    @Inject(Clock) private readonly clock: Clock,
  ) {}

  /**
   * Warn of what has passed a rung of the ladder; one rung is told once for a period. Who was away meanwhile tells the highest alone.
   *
   * @returns how many sources were told of. @throws EscrowError `DATABASE_*`
   */
  async run(signal?: AbortSignal): Promise<number> {
    const now = this.clock.now()
    let warned = 0
    for (const percent of ladder) {
      for (;;) {
        signal?.throwIfAborted()
        const late = await this.database.query((db) => listLate(db, { now, percent, limit: rowsMax }))
        for (const row of late) if (await this.warn(row, percent, now)) warned += 1
        if (late.length < rowsMax) break
      }
    }
    return warned
  }

  private warn(row: SourceRow, percent: number, now: Date): Promise<boolean> {
    const what = this.occurrence(row, percent, now)
    return this.database.transaction(async (tx) => {
      if (!(await markWarned(tx, row, { periodAt: row.periodAt, percent }))) return false
      const parties = await listNoticedParties(tx, row.agreementId, noticedRoles)
      await insertNotices(
        tx,
        parties.map((party) => composeNotice(what, party)),
        now,
      )
      return true
    })
  }

  private occurrence(row: SourceRow, percent: number, now: Date): Occurrence {
    const { agreementId: agreement, source } = row
    const [dueAt, deadlineAt] = [row.periodAt.toISOString(), row.deadlineAt.toISOString()]
    // A source that fails says why; one from which nothing was heard has no code.
    const facts = { source, dueAt, deadlineAt, percent, failures: row.failures, code: row.failureCode }
    const cause = `deposit-late ${source} ${dueAt} ${percent}`
    return {
      origin: this.options.policy.origin,
      agreement,
      event: 'deposit-late',
      subject: source,
      report: null,
      at: now,
      leaf: null,
      cause,
      facts,
    }
  }
}
