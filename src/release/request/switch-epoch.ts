import { Inject, Injectable } from '@nestjs/common'
import { Database, type Tx } from '../../db/database.js'
import type { KnownAgreement } from '../../escrow/archive/agreement-shelf.js'
import { listEpochs, moveEpoch } from '../../escrow/archive/agreement.table.js'
import { AgreementId, RequestId } from '../../format/ids.js'
import type { EventDraft } from '../../log/event-log.js'
import { burnEpoch, planEpochs, type EpochHistory } from './epoch-change.js'

/** What a release does to the epochs of a vault: events for the log, and the rows to move with them. */
export interface EpochSwitch {
  readonly drafts: readonly EventDraft[]
  readonly change: (tx: Tx) => Promise<void>
}

/** Burns the epoch whose shares are released and takes the armed reserve, without needing anybody. */
@Injectable()
export class SwitchEpoch {
  constructor(@Inject(Database) private readonly database: Database) {}

  /**
   * Decide what becomes of an epoch of which shares are passed on.
   *
   * @returns nothing to do when the epoch was left before. Without a reserve, deposits go on under the exposed epoch, each with the finding
   *   `EPOCH_EXPOSED`: a deposit that t beneficiaries' custodians could open is still better than none.
   */
  async run(
    known: KnownAgreement,
    released: { readonly epoch: number; readonly requestId: string; readonly at: Date },
  ): Promise<EpochSwitch> {
    const { agreementId } = known.row
    const rows = await this.database.query((db) => listEpochs(db, agreementId))
    const current = rows.find((row) => row.epoch === released.epoch && row.state === 'armed')
    if (current === undefined) return { drafts: [], change: () => Promise.resolve() }
    const cause = { reason: 'share-released', cause: released.requestId, at: released.at.toISOString() } as const
    const burned = rows.filter((row) => row.state === 'burned').map((row) => ({ ...cause, epoch: row.epoch }))
    const before: EpochHistory = { burned, fullDeposits: [] }
    const history = burnEpoch(before, known.signed.body, { ...cause, epoch: released.epoch })
    const armed = rows.filter((row) => row.state === 'armed' || row.state === 'reserve').map((row) => row.epoch)
    const { current: next } = planEpochs(known.signed.body, armed, history)
    const agreement = AgreementId.parse(agreementId)
    const subject = { agreement, subject: agreement }
    const { epoch } = released
    const exposed: EventDraft = {
      type: 'escrow/event/epoch-exposed/v1',
      ...subject,
      epoch,
      request: RequestId.parse(released.requestId),
    }
    if (next === null) return { drafts: [exposed], change: (tx) => moveEpoch(tx, { agreementId, epoch, from: 'armed', to: 'exposed' }) }
    return {
      drafts: [exposed, { type: 'escrow/event/epoch-changed/v1', ...subject, from: epoch, to: next }],
      change: async (tx) => {
        await moveEpoch(tx, { agreementId, epoch, from: 'armed', to: 'burned' })
        await moveEpoch(tx, { agreementId, epoch: next, from: 'reserve', to: 'armed' })
      },
    }
  }
}
