import { Inject, Injectable } from '@nestjs/common'
import { Clock } from '../core/environment.js'
import { EscrowError, isEscrowError } from '../core/errors.js'
import { lookAgainMs, noticeAttemptsMax, noticePauseMaxMs, noticePauseMs, noticeSendsMax, noticeTimeoutMs } from '../core/job-limits.js'
import { Database } from '../db/database.js'
import { AgentKeys } from '../escrow/agent-keys.js'
import { NoticeId } from '../format/ids.js'
import { signNotice } from '../format/notice.js'
import { sendMail } from './mail.js'
import { NoticeOptions } from './notice-options.js'
import { recordDelivery, takeDueDeliveries, type DueDelivery } from './notice.table.js'
import { sendWebhook, type SentNotice } from './webhook.js'

/** What a run came to. */
export interface Delivered {
  readonly delivered: number
  readonly failed: number
  readonly givenUp: number
}

/** Brings notices to the contacts that parties gave, again and again until they are taken. */
@Injectable()
export class DeliverNotices {
  constructor(
    @Inject(Database) private readonly database: Database,
    @Inject(NoticeOptions) private readonly options: NoticeOptions,
    @Inject(AgentKeys) private readonly keys: AgentKeys,
    @Inject(Clock) private readonly clock: Clock,
  ) {}

  /**
   * Deliver what is due. A receiver may get a notice twice (we stopped before we wrote down that it had come), under the same id.
   *
   * @throws EscrowError `DATABASE_*`
   */
  async run(signal?: AbortSignal): Promise<Delivered> {
    const total = { delivered: 0, failed: 0, givenUp: 0 }
    for (;;) {
      signal?.throwIfAborted()
      const now = this.clock.now()
      const asked = { now, lookAgainAt: new Date(now.getTime() + lookAgainMs), limit: noticeSendsMax }
      const due = await this.database.transaction((tx) => takeDueDeliveries(tx, asked))
      for (const outcome of await Promise.all(due.map((one) => this.deliver(one, signal)))) total[outcome] += 1
      if (due.length < noticeSendsMax) return total
    }
  }

  private async deliver(one: DueDelivery, signal?: AbortSignal): Promise<keyof Delivered> {
    try {
      await this.send(one, signal)
      await this.database.query((db) => recordDelivery(db, one, { state: 'delivered', lastCode: null, endedAt: this.clock.now() }))
      return 'delivered'
    } catch (error) {
      signal?.throwIfAborted()
      if (!isEscrowError(error)) throw error
      return this.recordFailure(one, error)
    }
  }

  private async recordFailure(one: DueDelivery, { code, details }: EscrowError): Promise<'failed' | 'givenUp'> {
    const now = this.clock.now()
    // 410: the receiver says that it is gone for good (Standard Webhooks).
    if (one.attempts + 1 >= noticeAttemptsMax || details['status'] === 410) {
      await this.database.query((db) => recordDelivery(db, one, { state: 'given-up', lastCode: code, endedAt: now }))
      return 'givenUp'
    }
    const dueAt = new Date(now.getTime() + Math.min(noticePauseMs * 2 ** one.attempts, noticePauseMaxMs))
    await this.database.query((db) => recordDelivery(db, one, { dueAt, lastCode: code }))
    return 'failed'
  }

  private send({ noticeId, channel, address, body }: DueDelivery, signal?: AbortSignal): Promise<void> {
    const { rules, version, mail } = this.options
    const signed = signNotice(body, NoticeId.parse(noticeId), { at: this.clock.now(), key: this.keys.signingKey })
    const notice: SentNotice = { body, signed }
    if (channel === 'webhook') return sendWebhook(address, notice, { rules, version, timeoutMs: noticeTimeoutMs }, signal)
    if (mail === null) throw new EscrowError('NOTICE_UNDELIVERED', 'no mail server is configured')
    return sendMail(address, notice, { ...mail, timeoutMs: noticeTimeoutMs })
  }
}
