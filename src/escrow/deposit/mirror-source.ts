import { Inject, Injectable } from '@nestjs/common'
import { EscrowError } from '../../core/errors.js'
import { Database } from '../../db/database.js'
import type { ReportProgress } from '../../deposit/progress.js'
import { AgreementShelf, type KnownAgreement } from '../archive/agreement-shelf.js'
import { findBasis, type FoundBasis } from '../basis/basis.table.js'
import { DepositSteps } from './deposit-steps.js'
import { LeaseKeeper } from '../source/lease-keeper.js'
import type { Lease, SourceKey } from '../archive/lease.table.js'
import type { Mirrored } from '../basis/source-at-work.js'
import { TakeSourceDeposit } from './take-source-deposit.js'

/** Takes a deposit of one pulled source, under its lease, from wherever an earlier run stopped. */
@Injectable()
export class MirrorSource {
  constructor(
    @Inject(Database) private readonly database: Database,
    @Inject(AgreementShelf) private readonly shelf: AgreementShelf,
    @Inject(LeaseKeeper) private readonly leases: LeaseKeeper,
    @Inject(DepositSteps) private readonly steps: DepositSteps,
    @Inject(TakeSourceDeposit) private readonly take: TakeSourceDeposit,
  ) {}

  /**
   * Mirror a source.
   *
   * @param wish.full - a full deposit even where an incremental would do.
   * @throws EscrowError `VAULT_NOT_ARMED`, `LEASE_HELD`, and whatever stops a deposit: `REMOTE_*`, `PACK_*`, `STORE_*`, ... The failure is
   *   recorded, in the log too, before it is thrown on.
   */
  async run(
    key: SourceKey,
    wish: { readonly full: boolean; readonly onProgress?: ReportProgress },
    signal?: AbortSignal,
  ): Promise<Mirrored> {
    const known = await this.shelf.get(key.agreementId)
    if (known.row.state !== 'armed')
      throw new EscrowError('VAULT_NOT_ARMED', `expected the vault of ${key.agreementId} to be armed, it is ${known.row.state}`)
    return this.leases.run(key, (lease, leased) => this.underLease({ known, key, lease, wish }, leased), signal)
  }

  private async underLease(
    job: {
      readonly known: KnownAgreement
      readonly key: SourceKey
      readonly lease: Lease
      readonly wish: { readonly full: boolean; readonly onProgress?: ReportProgress }
    },
    signal: AbortSignal,
  ): Promise<Mirrored> {
    const { known, key, lease } = job
    const found = await this.find(key)
    const work = { known, key, row: found.row, found }
    try {
      // A deposit that an earlier run had stored comes first: it has its number already.
      const resumed = found.attemptOpen ? await this.steps.resume.run(lease, known, signal) : null
      if (resumed !== null) return resumed
      const taken = await this.take.run(lease, work, job.wish, signal)
      if (taken.outcome === 'unchanged') await this.steps.outcomes.unchanged(lease, work, taken)
      return taken
    } catch (error) {
      // Work that was stopped at its time limit has failed. Who stops the process, or lost the lease, has nothing to record.
      if (signal.reason instanceof EscrowError) await this.steps.outcomes.failed(lease, work, signal.reason)
      signal.throwIfAborted()
      if (error instanceof EscrowError) await this.steps.outcomes.failed(lease, work, error)
      throw error
    }
  }

  /** Read under the lease: nobody else moves it now. */
  private async find(key: SourceKey): Promise<FoundBasis> {
    const found = await this.database.query((db) => findBasis(db, key))
    if (found === null) throw new EscrowError('NOT_FOUND', `agreement ${key.agreementId} has no source ${key.source}`)
    const { url, mode } = found.row
    if (url === null)
      throw new EscrowError('ARGUMENT_INVALID', `source ${key.source} is not pulled: its depositor sends deposits (${mode})`)
    return found
  }
}
