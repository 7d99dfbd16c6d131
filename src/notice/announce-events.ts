import { Inject, Injectable } from '@nestjs/common'
import { Clock } from '../core/environment.js'
import { noticeAgeMaxMs } from '../core/job-limits.js'
import { Database } from '../db/database.js'
import { findDepositById } from '../escrow/archive/deposit.table.js'
import { Documents } from '../escrow/archive/documents.js'
import { LogOptions } from '../log/log-options.js'
import { listLeaves, type LogEntryRow } from '../log/log.table.js'
import { composeNotice, noticedRoles, occurrenceOf, unannouncedEvents } from './compose-notice.js'
import { insertNotices, listNoticedParties, moveNoticeCursor, readNoticeCursor, type NewNotice } from './notice.table.js'

const batch = 100

/**
 * Tells the parties what the log says: one notice for each event and party, in the order of the log. The cursor moves with the notices in one
 * transaction, so that no event is told twice and none is left out, whoever stops when.
 */
@Injectable()
export class AnnounceEvents {
  constructor(
    @Inject(Database) private readonly database: Database,
    @Inject(Documents) private readonly documents: Documents,
    @Inject(LogOptions) private readonly options: LogOptions,
    @Inject(Clock) private readonly clock: Clock,
  ) {}

  /**
   * Announce what has come into the log.
   *
   * @returns how many notices were made. Events older than `noticeAgeMaxMs` are passed over: after a rebuild nobody wants last year's again.
   * @throws EscrowError `STORE_*`, `OBJECT_*`, `DATABASE_*`: the next run goes on where this one stopped
   */
  async run(signal?: AbortSignal): Promise<number> {
    for (let made = 0; ;) {
      signal?.throwIfAborted()
      const from = await this.database.query((db) => readNoticeCursor(db))
      const leaves = await this.database.query((db) => listLeaves(db, from, from + batch))
      if (leaves.length === 0) return made
      const notices = (await Promise.all(leaves.map((leaf) => this.noticesOf(leaf, signal)))).flat()
      const to = from + leaves.length
      made += await this.database.transaction(async (tx) =>
        (await moveNoticeCursor(tx, from, to)) ? insertNotices(tx, notices, this.clock.now()) : 0,
      )
    }
  }

  private async noticesOf(leaf: LogEntryRow, signal?: AbortSignal): Promise<readonly NewNotice[]> {
    if (this.clock.now().getTime() - leaf.recordedAt.getTime() > noticeAgeMaxMs) return []
    if (unannouncedEvents.has(leaf.eventType)) return []
    const { leafHash, tag, agreementId } = leaf
    const { event } = await this.documents.read.event({ leafHash, tag }, signal)
    const deposit =
      event.type === 'escrow/event/deposit-stored/v1' ? await this.database.query((db) => findDepositById(db, event.deposit)) : null
    const what = occurrenceOf(event, { origin: this.options.policy.origin, leaf: leafHash, deposit })
    const parties = await this.database.query((db) => listNoticedParties(db, agreementId, noticedRoles))
    return parties.map((party) => composeNotice(what, party))
  }
}
