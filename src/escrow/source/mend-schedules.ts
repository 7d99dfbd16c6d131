import { Inject, Injectable } from '@nestjs/common'
import { Clock } from '../../core/environment.js'
import { clockMendMs } from '../../core/job-limits.js'
import { rowsMax } from '../../core/limits.js'
import { Database } from '../../db/database.js'
import { periodAfter } from './schedule.js'
import { listFreshLater, moveSchedule } from './schedule.table.js'

/**
 * Brings sources back that a clock which ran ahead has put off: a source cannot have been fresh in the future. Their events keep the wrong
 * time, which the log has seen; what is due must not wait for it.
 */
@Injectable()
export class MendSchedules {
  constructor(
    @Inject(Database) private readonly database: Database,
    @Inject(Clock) private readonly clock: Clock,
  ) {}

  /** Make such sources due now. Idempotent. @returns how many, up to a page. @throws EscrowError `DATABASE_*` */
  async run(): Promise<number> {
    const now = this.clock.now()
    const limit = new Date(now.getTime() + clockMendMs)
    const rows = await this.database.query((db) => listFreshLater(db, limit, rowsMax))
    for (const row of rows) {
      const timing = { ...periodAfter(row, now), dueAt: now, lookAt: now }
      await this.database.transaction((tx) => moveSchedule(tx, row, timing, now))
    }
    return rows.length
  }
}
