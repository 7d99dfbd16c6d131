import { Inject, Injectable } from '@nestjs/common'
import { Clock } from '../../core/environment.js'
import { EscrowError } from '../../core/errors.js'
import type { ArchiveReader } from '../../store/archive-reader.js'
import { ReplicaSet } from '../../store/replica-set.js'
import { AcceptOffer, type Received } from './accept-offer.js'
import { AgreementShelf } from '../archive/agreement-shelf.js'
import { LeaseKeeper } from '../source/lease-keeper.js'
import { readOffer } from './read-offer.js'
import { requireJurisdiction } from '../require-jurisdiction.js'
import type { ReportReceived } from './upload-received.js'

/** Takes a deposit that its depositor has sealed: verifies what was signed, then accepts it under the lease of its source. */
@Injectable()
export class ReceiveDeposit {
  constructor(
    @Inject(AgreementShelf) private readonly shelf: AgreementShelf,
    @Inject(ReplicaSet) private readonly replicas: ReplicaSet,
    @Inject(LeaseKeeper) private readonly leases: LeaseKeeper,
    @Inject(AcceptOffer) private readonly accept: AcceptOffer,
    @Inject(Clock) private readonly clock: Clock,
  ) {}

  /**
   * Receive what lies in a folder. Idempotent: the same deposit again changes nothing, and an attempt that died is taken up.
   *
   * @param outbox - attacker-controlled.
   * @throws EscrowError `NOT_FOUND` when there is no finished deposit; `SIGNATURE_INVALID`, `AGREEMENT_DIGEST`, `STATEMENT_*`, `FORMAT_INVALID`;
   *   `DEPOSIT_STATE` when it does not follow the newest deposit; `RECIPIENT_INVALID`; `OBJECT_*` for bytes that are not those signed; `STORE_*`
   */
  async run(outbox: ArchiveReader, onBytes?: ReportReceived, signal?: AbortSignal): Promise<Received> {
    const offer = await readOffer(outbox, (id) => this.shelf.get(id), this.clock.now(), signal)
    const { known } = offer
    if (known.row.state !== 'armed') throw new EscrowError('VAULT_NOT_ARMED', `expected the vault of ${known.row.agreementId} to be armed`)
    requireJurisdiction(known.signed.body, this.replicas.replicas)
    const key = { agreementId: known.row.agreementId, source: offer.place.source }
    const work = { key, offer, outbox, ...(onBytes === undefined ? {} : { onBytes }) }
    return this.leases.run(key, (lease, leased) => this.accept.run(lease, work, leased), signal)
  }
}
