import { Inject, Injectable } from '@nestjs/common'
import { Clock } from '../../core/environment.js'
import { isEscrowError } from '../../core/errors.js'
import { Database } from '../../db/database.js'
import { EscrowOptions } from '../escrow-options.js'
import { endLease, renewLease, takeLease, type Lease, type SourceKey } from '../archive/lease.table.js'

/** Gives one worker at a time a source to work on, and takes care that it keeps it while it works. */
@Injectable()
export class LeaseKeeper {
  constructor(
    @Inject(Database) private readonly database: Database,
    @Inject(EscrowOptions) private readonly options: EscrowOptions,
    @Inject(Clock) private readonly clock: Clock,
  ) {}

  /**
   * Work on a source under its lease.
   *
   * @param work - gets a signal that is aborted with `LEASE_LOST` when somebody else has taken over: whatever it publishes must ask
   *   `holdLease` in its transaction all the same, because a paused process learns of its loss too late.
   * @throws EscrowError `LEASE_HELD`; what `work` throws
   */
  async run<T>(source: SourceKey, work: (lease: Lease, signal: AbortSignal) => Promise<T>, signal?: AbortSignal): Promise<T> {
    const now = this.clock.now()
    const wish = { ...source, holder: this.options.holder, now, expiresAt: this.expiryFrom(now) }
    const lease = await this.database.query((db) => takeLease(db, wish))
    const lost = new AbortController()
    const timer = setInterval(() => void this.renew(lease, lost), this.options.leaseMs / 3)
    try {
      return await work(lease, signal === undefined ? lost.signal : AbortSignal.any([signal, lost.signal]))
    } finally {
      clearInterval(timer)
      await this.giveBack(lease)
    }
  }

  /** A lease that cannot be given back lapses by itself; what the work came to says more than this would. */
  private async giveBack(lease: Lease): Promise<void> {
    try {
      await this.database.query((db) => endLease(db, lease, this.clock.now()))
    } catch (error) {
      if (!isEscrowError(error)) throw error
    }
  }

  private async renew(lease: Lease, lost: AbortController): Promise<void> {
    try {
      await this.database.query((db) => renewLease(db, lease, this.expiryFrom(this.clock.now())))
    } catch (error) {
      lost.abort(error)
    }
  }

  private expiryFrom(now: Date): Date {
    return new Date(now.getTime() + this.options.leaseMs)
  }
}
