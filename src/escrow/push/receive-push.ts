import { Inject, Injectable } from '@nestjs/common'
import { EscrowError, isEscrowError } from '../../core/errors.js'
import { Database } from '../../db/database.js'
import type { ReportProgress } from '../../deposit/progress.js'
import { openDepositStatement } from '../../format/check-deposit-statement.js'
import { PushedRemote } from '../../git/pushed-remote.js'
import type { PushRequest } from '../../git/receive-pack.js'
import { statementDiffers } from '../deposit/compare-statement.js'
import { findBasis } from '../basis/basis.table.js'
import { DepositSteps } from '../deposit/deposit-steps.js'
import { LeaseKeeper } from '../source/lease-keeper.js'
import type { Lease } from '../archive/lease.table.js'
import { PushDoor, type PushSource } from './push-door.js'
import { planPush, statementOf } from './push-plan.js'
import type { Mirrored, SourceAtWork } from '../basis/source-at-work.js'
import { TakeSourceDeposit, type StatedDeposit } from '../deposit/take-source-deposit.js'

/** What somebody pushes. */
export interface PushToReceive {
  readonly source: PushSource
  readonly request: PushRequest
  /** Starts to read the pack; called once at most. */
  readonly pack: () => AsyncIterable<Uint8Array>
  readonly onProgress: ReportProgress
}

/** Takes a push as one deposit: the deposit path from its third step, under the lease of the source. */
@Injectable()
export class ReceivePush {
  constructor(
    @Inject(Database) private readonly database: Database,
    @Inject(LeaseKeeper) private readonly leases: LeaseKeeper,
    @Inject(PushDoor) private readonly door: PushDoor,
    @Inject(DepositSteps) private readonly steps: DepositSteps,
    @Inject(TakeSourceDeposit) private readonly take: TakeSourceDeposit,
  ) {}

  /**
   * Receive a push. All of its refs are taken, or none.
   *
   * @returns `unchanged` when the client's repository is as the newest deposit has it, which counts as fresh.
   * @throws EscrowError `LEASE_HELD`, what `planPush` throws, `FULL_NEEDED`, and whatever stops a deposit. What says something about the
   *   repository is recorded, in the log too, before it is thrown on.
   */
  run(push: PushToReceive, signal: AbortSignal): Promise<Mirrored> {
    return this.leases.run(push.source.key, (lease, leased) => this.underLease(lease, push, leased), signal)
  }

  private async underLease(lease: Lease, push: PushToReceive, signal: AbortSignal): Promise<Mirrored> {
    const { known, key } = push.source
    // What an earlier run had stored comes first; then this client has seen refs that are not the newest, and is told so.
    await this.steps.resume.run(lease, known, signal)
    const stated = this.stated(push)
    const basis = await this.door.basis(push.source, signal)
    const plan = planPush(push.request, basis)
    const work = await this.work(push.source)
    if (plan.kind === 'unchanged') {
      const sequence = work.row.nextSequence - 1
      await this.requireAsStated(lease, work, { stated, signal })
      await this.steps.outcomes.unchanged(lease, work, { sequence })
      return { outcome: 'unchanged', source: key, sequence }
    }
    await this.door.requireRoom(push.source.key)
    const { listing, leansOn } = plan
    const remote = new PushedRemote({ listing, leansOn, pack: push.pack })
    try {
      const { attachmentsWait } = basis
      const wish = {
        remote,
        full: leansOn === 'nothing',
        attachmentsWait,
        onProgress: push.onProgress,
        ...(stated === null ? {} : { stated }),
      }
      const taken = await this.take.run(lease, work, wish, signal)
      if (taken.outcome !== 'unchanged') return taken
      await this.requireAsStated(lease, work, { stated, signal })
      await this.steps.outcomes.unchanged(lease, work, { sequence: taken.sequence })
      return taken
    } catch (error) {
      // A client that is gone says why in the signal; it is recorded all the same.
      const reason: unknown = signal.aborted ? signal.reason : error
      if (isEscrowError(reason)) await this.steps.outcomes.failed(lease, work, reason)
      throw reason
    }
  }

  /** @throws EscrowError as `openDepositStatement` */
  private stated({ source, request }: PushToReceive): StatedDeposit | null {
    const bytes = statementOf(request)
    if (bytes === null) return null
    const on = { agreement: source.known.signed, source: source.key.source, now: this.door.now() }
    return { said: openDepositStatement(bytes, on).body, bytes }
  }

  /** Nothing was pushed, and the depositor's word must be that of the newest deposit. @throws EscrowError `STATEMENT_DIFFERS` */
  private async requireAsStated(
    lease: Lease,
    work: SourceAtWork,
    { stated, signal }: { readonly stated: StatedDeposit | null; readonly signal: AbortSignal },
  ): Promise<void> {
    const previous = stated === null ? null : await this.steps.previous.run(work.known, work.key, signal)
    if (stated === null || previous === null) return
    const { manifest } = previous
    const error = statementDiffers(stated.said, { ...manifest, packChecksum: manifest.bundle.packChecksum }, `deposit ${manifest.sequence}`)
    if (error === null) return
    await this.steps.outcomes.failed(lease, work, error)
    throw error
  }

  /** Read under the lease: nobody else moves it now. */
  private async work({ known, key }: PushSource): Promise<SourceAtWork> {
    const found = await this.database.query((db) => findBasis(db, key))
    if (found === null) throw new EscrowError('NOT_FOUND', `agreement ${key.agreementId} has no source ${key.source}`)
    return { known, key, row: found.row, found }
  }
}
