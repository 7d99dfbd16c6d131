import { Inject, Injectable } from '@nestjs/common'
import { Clock } from '../../core/environment.js'
import { EscrowError, isEscrowError, type ErrorCode } from '../../core/errors.js'
import { credentialAheadMs, credentialRestMs, credentialsAtOnce } from '../../core/job-limits.js'
import { Database } from '../../db/database.js'
import { AgreementId } from '../../format/ids.js'
import { EventLog } from '../../log/event-log.js'
import { AgreementShelf } from '../archive/agreement-shelf.js'
import { listUntriedCredentials, markCredential } from './credential.table.js'
import { TryCredential } from './try-credential.js'
import type { SourceRow } from '../archive/source.table.js'

/** What trying credentials came to. */
export interface TriedCredentials {
  readonly accepted: number
  readonly refused: number
  /** Nothing can be said: the remote did not answer, or its host has enough to do. They are tried again. */
  readonly unknown: number
}

const pageSize = 200

/** Tries credentials before their deposit is due, while there is time to renew them: a token that expires must not be found out at the deadline. */
@Injectable()
export class CheckCredentials {
  constructor(
    @Inject(Database) private readonly database: Database,
    @Inject(AgreementShelf) private readonly shelf: AgreementShelf,
    @Inject(EventLog) private readonly log: EventLog,
    @Inject(TryCredential) private readonly trial: TryCredential,
    @Inject(Clock) private readonly clock: Clock,
  ) {}

  /**
   * Try each credential once for the period that comes next. One that is refused becomes an event, and with it a notice. Idempotent; of two
   * who try at once, one records.
   *
   * @throws EscrowError `DATABASE_*`, as `EventLog.record`; the signal's reason. What was recorded before stays recorded
   */
  async run(signal?: AbortSignal): Promise<TriedCredentials> {
    const tried = { accepted: 0, refused: 0, unknown: 0 }
    const asked = { now: this.clock.now(), aheadMs: credentialAheadMs, restMs: credentialRestMs, limit: pageSize }
    for (let after: SourceRow | null = null; ;) {
      const before: SourceRow | null = after
      const rows: readonly SourceRow[] = await this.database.query((db) => listUntriedCredentials(db, { ...asked, after: before }))
      const waiting = [...rows]
      const work = async (): Promise<void> => {
        for (let row = waiting.shift(); row !== undefined; row = waiting.shift()) tried[await this.check(row, signal)] += 1
      }
      await Promise.all(Array.from({ length: credentialsAtOnce }, work))
      after = rows.at(-1) ?? null
      if (after === null) return tried
    }
  }

  private async check(row: SourceRow, signal?: AbortSignal): Promise<keyof TriedCredentials> {
    signal?.throwIfAborted()
    const answer = await this.trial.run(row, signal)
    if (answer === 'unknown') return 'unknown'
    const { periodAt } = row
    if (answer === null) {
      await this.database.transaction((tx) => markCredential(tx, row, { periodAt, code: null }))
      return 'accepted'
    }
    await this.record(row, answer, signal)
    return 'refused'
  }

  private async record(row: SourceRow, code: ErrorCode, signal?: AbortSignal): Promise<void> {
    const { annex } = await this.shelf.get(row.agreementId)
    const { source, periodAt } = row
    const subject = { agreement: AgreementId.parse(row.agreementId), subject: source, source }
    const draft = { type: 'escrow/event/credential-refused/v1' as const, ...subject, neededAt: periodAt.toISOString(), code }
    try {
      await this.log.record(
        { draft, tagSecret: Buffer.from(annex.tagSecret, 'hex') },
        async (tx) => {
          if (!(await markCredential(tx, row, { periodAt, code })))
            throw new EscrowError('DATABASE_CONFLICT', `the credential of ${source} was tried meanwhile`)
        },
        signal,
      )
    } catch (error) {
      if (!isEscrowError(error, 'DATABASE_CONFLICT')) throw error
    }
  }
}
