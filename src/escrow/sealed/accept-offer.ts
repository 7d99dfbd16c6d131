import { Inject, Injectable } from '@nestjs/common'
import { EscrowError, isEscrowError } from '../../core/errors.js'
import { Database } from '../../db/database.js'
import type { ArchiveReader } from '../../store/archive-reader.js'
import { objectKeys } from '../../store/object-key.js'
import type { ReplicaFault } from '../../store/replica.js'
import { Agent } from '../agent.js'
import { findCurrentEpoch } from '../archive/agreement.table.js'
import type { KnownAgreement } from '../archive/agreement-shelf.js'
import { checkOffer } from './check-offer.js'
import { DepositSteps } from '../deposit/deposit-steps.js'
import { findDeposit, findLatestDeposit } from '../archive/deposit.table.js'
import { Documents } from '../archive/documents.js'
import type { Lease, SourceKey } from '../archive/lease.table.js'
import type { Offer } from './read-offer.js'
import { requireQuota } from '../require-quota.js'
import { chainRetainUntil } from '../retention.js'
import { findSource, type SourceRow } from '../archive/source.table.js'
import { UploadReceived, type ReportReceived } from './upload-received.js'

/** An offer, and the folder that it lies in. */
export interface OfferAtWork {
  readonly key: SourceKey
  readonly offer: Offer
  /** Attacker-controlled. */
  readonly outbox: ArchiveReader
  readonly onBytes?: ReportReceived
}

/** What receiving came to. */
export interface Received {
  readonly offer: Offer
  /** False when an earlier run had published it. */
  readonly isNew: boolean
  /** The manifest with the agent's signature: what the depositor's next deposit rests on. */
  readonly accepted: Uint8Array
  readonly late: readonly ReplicaFault[]
}

/** Accepts a verified offer under the lease of its source: stores the same bytes, countersigns the manifest and publishes it. */
@Injectable()
export class AcceptOffer {
  constructor(
    @Inject(Database) readonly database: Database,
    @Inject(DepositSteps) private readonly steps: DepositSteps,
    @Inject(Documents) private readonly documents: Documents,
    @Inject(UploadReceived) private readonly upload: UploadReceived,
    @Inject(Agent) readonly agent: Agent,
  ) {}

  /**
   * Accept an offer. Idempotent: what was published before stays as it is, and an attempt that died is taken up.
   *
   * @throws EscrowError `DEPOSIT_STATE` when it does not follow the newest deposit; `RECIPIENT_INVALID`; `VAULT_NOT_ARMED`; `OBJECT_*`, `STORE_*`
   */
  async run(lease: Lease, work: OfferAtWork, signal: AbortSignal): Promise<Received> {
    const { key, offer } = work
    const { place, manifest, digest } = offer
    await this.steps.resume.run(lease, offer.known, signal)
    const before = await this.database.query((db) => findDeposit(db, key, place.sequence))
    if (before?.manifestDigest === digest) {
      return { offer, isNew: false, accepted: await this.documents.read.bytes(objectKeys.manifest(place), signal), late: [] }
    }
    const source = await this.database.query((db) => findSource(db, key))
    const latest = await this.database.query((db) => findLatestDeposit(db, key))
    const epoch = await this.database.query((db) => findCurrentEpoch(db, key.agreementId))
    if (source === null || epoch === null) throw new EscrowError('VAULT_NOT_ARMED', `the vault of ${key.agreementId} has no armed epoch`)
    const previous = latest === null ? null : await this.steps.previous.run(offer.known, key, signal)
    checkOffer(offer, { previous, epoch, source, now: this.agent.clock.now(), opensHere: (bytes) => this.opens(bytes) })
    await requireQuota(this, key.agreementId)
    const retainUntil = this.retainUntil(offer.known, source, manifest.kind === 'full')
    return this.publish(lease, { ...work, source, retainUntil }, signal)
  }

  private opens(envelope: Uint8Array): boolean {
    try {
      this.agent.keys.openOwn(envelope).fill(0)
      return true
    } catch (error) {
      if (isEscrowError(error, 'ENVELOPE_RECIPIENT')) return false
      throw error
    }
  }

  private retainUntil(known: KnownAgreement, source: SourceRow, full: boolean): Date {
    const now = this.agent.clock.now()
    return chainRetainUntil(known.signed.body, source, full || source.fullAt === null ? now : source.fullAt)
  }

  private async publish(
    lease: Lease,
    work: OfferAtWork & { readonly source: SourceRow; readonly retainUntil: Date },
    signal: AbortSignal,
  ): Promise<Received> {
    const { offer, source, retainUntil } = work
    const { place, attempt, manifest, known, inventory, knownObjects } = offer
    const record = { place, attempt, key: offer.envelopeKey, envelope: { ...manifest.envelope } }
    await this.steps.store.recordReceived(lease, record, { baseSequence: manifest.base, epoch: manifest.envelope.epoch })
    const placement = await this.upload.run(work, signal)
    const envelope = { key: offer.envelopeKey, placement }
    const toStore = { place, attempt, manifest, envelope, inventory, knownObjects, signed: offer.signed, statement: offer.statement }
    const stored = await this.steps.store.run(lease, toStore, retainUntil, signal)
    const { manifestDigest, manifestBytes } = stored
    const toPublish = { known, source, place, attemptId: attempt, manifest, manifestDigest, manifestBytes, retainUntil }
    await this.steps.publish.run(lease, toPublish, signal)
    return { offer, isNew: true, accepted: manifestBytes, late: stored.failed }
  }
}
