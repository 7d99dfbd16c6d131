import { Inject, Injectable } from '@nestjs/common'
import { Clock } from '../../core/environment.js'
import { isEscrowError } from '../../core/errors.js'
import { Database } from '../../db/database.js'
import { AgreementId } from '../../format/ids.js'
import { EventLog } from '../../log/event-log.js'
import { AgreementShelf } from '../archive/agreement-shelf.js'
import { periodAfter, type Period } from './schedule.js'
import { listMissed, missPeriod } from './schedule.table.js'
import type { SourceRow } from '../archive/source.table.js'

/** A period that nothing came for. */
export interface MissedPeriod {
  readonly agreementId: string
  readonly source: string
  readonly periodAt: Date
  readonly deadlineAt: Date
}

const pageSize = 500

/** Records every deadline that has passed without a deposit: silence becomes an event that the parties see. */
@Injectable()
export class RecordMissed {
  constructor(
    @Inject(Database) private readonly database: Database,
    @Inject(AgreementShelf) private readonly shelf: AgreementShelf,
    @Inject(EventLog) private readonly log: EventLog,
    @Inject(Clock) private readonly clock: Clock,
  ) {}

  /**
   * Record what was missed up to now, every period of its own: who was away for a week has missed seven. Idempotent; two at once record
   * each period once.
   *
   * @returns in the order of their deadlines; empty when nothing was missed.
   * @throws EscrowError as `EventLog.record`; what was recorded before stays recorded
   */
  async run(signal?: AbortSignal): Promise<readonly MissedPeriod[]> {
    const missed: MissedPeriod[] = []
    const now = this.clock.now()
    for (;;) {
      const rows = await this.database.query((db) => listMissed(db, now, pageSize))
      if (rows.length === 0) return missed
      for (const row of rows) {
        signal?.throwIfAborted()
        missed.push(...(await this.record(row, now, signal)))
      }
    }
  }

  /** All periods that a source has missed, in one transaction. @returns none when a deposit, or another worker, was quicker. */
  private async record(row: SourceRow, now: Date, signal?: AbortSignal): Promise<readonly MissedPeriod[]> {
    const { annex, row: agreement } = await this.shelf.get(row.agreementId)
    const { agreementId, source } = row
    const periods: Period[] = []
    let next: Period = row
    for (
      ;
      next.deadlineAt <= now && next.periodAt < agreement.endsAt && periods.length < pageSize;
      next = periodAfter(row, next.periodAt)
    ) {
      periods.push(next)
    }
    const recordings = periods.map(({ periodAt, deadlineAt }) => {
      const subject = { agreement: AgreementId.parse(agreementId), subject: source, source }
      const due = { dueAt: periodAt.toISOString(), deadlineAt: deadlineAt.toISOString() }
      return {
        draft: { type: 'escrow/event/deposit-missed/v1' as const, ...subject, ...due },
        tagSecret: Buffer.from(annex.tagSecret, 'hex'),
      }
    })
    try {
      await this.log.recordAll(recordings, (tx) => missPeriod(tx, row, { periodAt: row.periodAt, next }), signal)
      return periods.map(({ periodAt, deadlineAt }) => ({ agreementId, source, periodAt, deadlineAt }))
    } catch (error) {
      if (isEscrowError(error, 'DATABASE_CONFLICT')) return []
      throw error
    }
  }
}
