import { Inject, Injectable } from '@nestjs/common'
import { Clock } from '../core/environment.js'
import { EscrowError } from '../core/errors.js'
import { Database } from '../db/database.js'
import { listDeliveries, type NoticeDeliveryRow, type NoticeRow } from './notice.table.js'
import { acknowledgeNotice, listNotices, type NoticeViewer } from './visible-notices.table.js'

/** A notice, and how it went out. */
export interface ToldNotice {
  readonly row: NoticeRow
  readonly deliveries: readonly NoticeDeliveryRow[]
}

/** What a party was told, and that it has taken note. */
@Injectable()
export class ReadNotices {
  constructor(
    @Inject(Database) private readonly database: Database,
    @Inject(Clock) private readonly clock: Clock,
  ) {}

  /** Notices of a viewer, newest first. @param asked.before - the place that the page before ended with; null for the first page. */
  async run(
    viewer: NoticeViewer,
    asked: { readonly before: number | null; readonly open: boolean; readonly limit: number },
  ): Promise<readonly ToldNotice[]> {
    return this.database.query(async (db) => {
      const rows = await listNotices(db, viewer, asked)
      const ids = rows.map(({ noticeId }) => noticeId)
      const deliveries = await listDeliveries(db, ids)
      return rows.map((row) => ({ row, deliveries: deliveries.filter(({ noticeId }) => noticeId === row.noticeId) }))
    })
  }

  /** Note that a viewer has taken note; the first time counts. @throws EscrowError `NOT_FOUND` when it has no such notice */
  async acknowledge(viewer: NoticeViewer & { readonly tokenId: string }, noticeId: string): Promise<ToldNotice> {
    const row = await this.database.transaction((tx) => acknowledgeNotice(tx, viewer, noticeId, this.clock.now()))
    if (row === null) throw new EscrowError('NOT_FOUND', 'there is nothing here that you can see')
    return { row, deliveries: await this.database.query((db) => listDeliveries(db, [noticeId])) }
  }
}
