import { Inject, Injectable } from '@nestjs/common'
import { isEscrowError } from '../../core/errors.js'
import { pushReceiptWaitMs } from '../../core/limits.js'
import { Database } from '../../db/database.js'
import { findDepositById } from '../archive/deposit.table.js'
import { PublishLog } from '../deposit/publish-log.js'
import type { Mirrored } from '../basis/source-at-work.js'

/** Brings a deposit that was just pushed into the log, so that whoever pushed it leaves with a receipt. */
@Injectable()
export class FinishPush {
  constructor(
    @Inject(Database) private readonly database: Database,
    @Inject(PublishLog) private readonly log: PublishLog,
  ) {}

  /**
   * Publish, and find the receipt.
   *
   * @returns its digest; null when there is no deposit, or witnesses or stores keep the receipt waiting: it follows without this.
   */
  async run(mirrored: Mirrored): Promise<string | null> {
    return mirrored.outcome === 'unchanged' ? null : this.receiptOf(mirrored.depositId)
  }

  /** As `run`, for a deposit that was published. */
  async receiptOf(depositId: string): Promise<string | null> {
    try {
      await this.log.run(AbortSignal.timeout(pushReceiptWaitMs))
    } catch (error) {
      if (!isEscrowError(error) && !(error instanceof DOMException)) throw error
    }
    return (await this.database.query((db) => findDepositById(db, depositId)))?.receiptDigest ?? null
  }
}
