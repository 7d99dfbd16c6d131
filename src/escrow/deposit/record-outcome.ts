import { Inject, Injectable } from '@nestjs/common'
import { Clock } from '../../core/environment.js'
import { isEscrowError, type ErrorCode, type EscrowError } from '../../core/errors.js'
import { Database, type Tx } from '../../db/database.js'
import type { EventDraft } from '../../log/event-log.js'
import { EventLog } from '../../log/event-log.js'
import { holdLease, type Lease } from '../archive/lease.table.js'
import { spreadMs } from '../source/schedule.js'
import type { SourceInHand } from '../basis/source-at-work.js'
import { metPeriod, timingAfter } from './publish-deposit.js'
import { recordFailure, recordUnchanged } from '../archive/source.table.js'

const retryMs = 15 * 60_000
const retryMaxMs = 6 * 3_600_000

/** Records that there was nothing to deposit, or that a deposit failed: one event per due period, not per poll. */
@Injectable()
export class RecordOutcome {
  constructor(
    @Inject(Database) private readonly database: Database,
    @Inject(EventLog) private readonly log: EventLog,
    @Inject(Clock) private readonly clock: Clock,
  ) {}

  /** The remote is as the newest deposit has it. */
  async unchanged(lease: Lease, work: SourceInHand, found: { readonly sequence: number }): Promise<void> {
    const now = this.clock.now()
    const { row } = work
    const change = async (tx: Tx, at: Date) => recordUnchanged(tx, await holdLease(tx, lease), at, timingAfter(row, at))
    // A look ahead of its time is no news. One that was overdue is, also when the period it is late for was recorded as missed.
    if ((now < row.periodAt && now < row.dueAt) || row.refsDigest === null) return this.database.transaction((tx) => change(tx, now))
    const { source } = work.key
    const what = { source, sequence: found.sequence, refsDigest: row.refsDigest, dueAt: metPeriod(row, now) }
    await this.record(work, { type: 'escrow/event/deposit-unchanged/v1', ...this.subject(work), ...what }, change)
  }

  /** A deposit failed: `refused` is a claim about what came, `failed` is our own fault or the weather. Never throws an EscrowError. */
  async failed(lease: Lease, work: SourceInHand, error: EscrowError): Promise<void> {
    const { code } = error
    if (code === 'LEASE_LOST') return
    const now = this.clock.now()
    const { row } = work
    const backoffMs = Math.min(retryMs * 2 ** row.failures, retryMaxMs)
    // A host that failed a hundred sources at once does not get them all back at once.
    const delayMs = backoffMs * 0.75 + spreadMs(`${row.agreementId}/${row.source}/${row.failures}`, backoffMs / 2)
    const changeTo = (remembered: ErrorCode) => async (tx: Tx, at: Date) =>
      recordFailure(tx, await holdLease(tx, lease), { code: remembered, at, retryAt: new Date(at.getTime() + delayMs) })
    // The same failure again in the same period is no news.
    const known = row.failureCode === code && row.failedAt !== null && row.failedAt >= row.periodAt
    if (known) {
      await this.attempt(() => this.database.transaction((tx) => changeTo(code)(tx, now)))
      return
    }
    const what = { source: work.key.source, code, dueAt: metPeriod(row, now) }
    const type = isClaim(code) ? ('escrow/event/deposit-refused/v1' as const) : ('escrow/event/deposit-failed/v1' as const)
    const unlogged = await this.attempt(() => this.record(work, { type, ...this.subject(work), ...what }, changeTo(code)))
    // The log takes nothing while a store is out of reach. The index remembers that fault, so that this failure is still news for the log.
    if (unlogged !== null) await this.attempt(() => this.database.transaction((tx) => changeTo(unlogged.code)(tx, now)))
  }

  /** What failed first says more to a person than that it could not be recorded. @returns why it could not be. */
  private async attempt(record: () => Promise<void>): Promise<EscrowError | null> {
    try {
      await record()
      return null
    } catch (error) {
      if (isEscrowError(error)) return error
      throw error
    }
  }

  private subject(work: SourceInHand) {
    return { agreement: work.known.signed.body.agreement, subject: work.key.source }
  }

  private async record(work: SourceInHand, draft: EventDraft, change: (tx: Tx, at: Date) => Promise<void>): Promise<void> {
    const tagSecret = Buffer.from(work.known.annex.tagSecret, 'hex')
    // The row says what the event says, so that a rebuilt index says it too.
    await this.log.record({ draft, tagSecret }, (tx, { event }) => change(tx, new Date(event.at)))
  }
}

/** Codes that say something about the remote or what it sent, and not about us. */
function isClaim(code: string): boolean {
  return /^(?:PACK_|REF_|REFS_|DEPOSIT_TOO_LARGE|REMOTE_SHALLOW|REMOTE_AUTH|REMOTE_NOT_FOUND|REMOTE_PROTOCOL|REMOTE_VERSION|STATEMENT_DIFFERS)/.test(
    code,
  )
}
