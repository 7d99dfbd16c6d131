import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { Inject, Injectable } from '@nestjs/common'
import { Clock } from '../core/environment.js'
import { EscrowError, isEscrowError } from '../core/errors.js'
import { Database } from '../db/database.js'
import { withScratch } from '../deposit/scratch.js'
import { GrowingFile } from '../store/growing-file.js'
import type { ArchiveReader } from '../store/archive-reader.js'
import { ReplicaSet } from '../store/replica-set.js'
import { requireEvery, type Placement, type ReplicaFault } from '../store/replica.js'
import { findCurrentEpoch } from './agreement.table.js'
import { AgentKeys } from './agent-keys.js'
import { AgreementShelf, type KnownAgreement } from './agreement-shelf.js'
import { checkOffer } from './check-offer.js'
import { DepositSteps } from './deposit-steps.js'
import { findDeposit, findLatestDeposit } from './deposit.table.js'
import { EscrowOptions } from './escrow-options.js'
import { LeaseKeeper } from './lease-keeper.js'
import type { Lease, SourceKey } from './lease.table.js'
import { ReadDocument } from './read-document.js'
import { readOffer, type Offer } from './read-offer.js'
import { requireJurisdiction } from './require-jurisdiction.js'
import { ResumeDeposit } from './resume-deposit.js'
import { chainRetainUntil } from './retention.js'
import { findSource, type SourceRow } from './source.table.js'
import { StoreDocument } from './store-document.js'
import { objectKeys } from '../store/object-key.js'

/** What receiving came to. */
export interface Received {
  readonly offer: Offer
  /** False when an earlier run had published it. */
  readonly isNew: boolean
  /** The manifest with the agent's signature: what the depositor's next deposit rests on. */
  readonly accepted: Uint8Array
  readonly late: readonly ReplicaFault[]
}

/** Takes a deposit that its depositor has sealed: verifies it, stores the same bytes, countersigns its manifest and publishes it. */
@Injectable()
export class ReceiveDeposit {
  constructor(
    @Inject(Database) private readonly database: Database,
    @Inject(ReplicaSet) private readonly replicas: ReplicaSet,
    @Inject(AgreementShelf) private readonly shelf: AgreementShelf,
    @Inject(LeaseKeeper) private readonly leases: LeaseKeeper,
    @Inject(DepositSteps) private readonly steps: DepositSteps,
    @Inject(ResumeDeposit) private readonly resume: ResumeDeposit,
    @Inject(StoreDocument) private readonly documents: StoreDocument,
    @Inject(ReadDocument) private readonly stored: ReadDocument,
    @Inject(AgentKeys) private readonly keys: AgentKeys,
    @Inject(EscrowOptions) private readonly options: EscrowOptions,
    @Inject(Clock) private readonly clock: Clock,
  ) {}

  /**
   * Receive what lies in a folder. Idempotent: the same deposit again changes nothing, and an attempt that died is taken up.
   *
   * @param outbox - attacker-controlled.
   * @throws EscrowError `NOT_FOUND` when there is no finished deposit; `SIGNATURE_INVALID`, `AGREEMENT_DIGEST`, `STATEMENT_*`, `FORMAT_INVALID`;
   *   `DEPOSIT_STATE` when it does not follow the newest deposit; `RECIPIENT_INVALID`; `OBJECT_*` for bytes that are not those signed; `STORE_*`
   */
  async run(outbox: ArchiveReader, onBytes?: (bytes: number, total: number) => void, signal?: AbortSignal): Promise<Received> {
    const offer = await readOffer(outbox, (id) => this.shelf.get(id), this.clock.now(), signal)
    const { known } = offer
    if (known.row.state !== 'armed') throw new EscrowError('VAULT_NOT_ARMED', `expected the vault of ${known.row.agreementId} to be armed`)
    requireJurisdiction(known.signed.body, this.replicas.replicas)
    const key = { agreementId: known.row.agreementId, source: offer.place.source }
    return this.leases.run(key, (lease, leased) => this.underLease(lease, { key, offer, outbox, onBytes }, leased), signal)
  }

  private async underLease(lease: Lease, work: Work, signal: AbortSignal): Promise<Received> {
    const { key, offer } = work
    const { place, manifest, digest } = offer
    await this.resume.run(lease, offer.known, signal)
    const before = await this.database.query((db) => findDeposit(db, key, place.sequence))
    if (before?.manifestDigest === digest) {
      return { offer, isNew: false, accepted: await this.stored.bytes(objectKeys.manifest(place), signal), late: [] }
    }
    const source = await this.database.query((db) => findSource(db, key))
    const latest = await this.database.query((db) => findLatestDeposit(db, key))
    const epoch = await this.database.query((db) => findCurrentEpoch(db, key.agreementId))
    if (source === null || epoch === null) throw new EscrowError('VAULT_NOT_ARMED', `the vault of ${key.agreementId} has no armed epoch`)
    const previous = latest === null ? null : await this.steps.previous.run(offer.known, key, signal)
    checkOffer(offer, { previous, epoch, source, now: this.clock.now(), opensHere: (bytes) => this.opens(bytes) })
    const retainUntil = this.retainUntil(offer.known, source, manifest.kind === 'full')
    return this.publish(lease, { ...work, source, retainUntil }, signal)
  }

  private opens(envelope: Uint8Array): boolean {
    try {
      this.keys.openOwn(envelope).fill(0)
      return true
    } catch (error) {
      if (isEscrowError(error, 'ENVELOPE_RECIPIENT')) return false
      throw error
    }
  }

  private retainUntil(known: KnownAgreement, source: SourceRow, full: boolean): Date {
    const now = this.clock.now()
    return chainRetainUntil(known.signed.body, source, full || source.fullAt === null ? now : source.fullAt)
  }

  private async publish(
    lease: Lease,
    work: Work & { readonly source: SourceRow; readonly retainUntil: Date },
    signal: AbortSignal,
  ): Promise<Received> {
    const { offer, source, retainUntil } = work
    const { place, attempt, manifest, known, inventory, knownObjects } = offer
    const record = { place, attempt, key: offer.envelopeKey, envelope: { ...manifest.envelope } }
    await this.steps.store.recordReceived(lease, record, { baseSequence: manifest.base, epoch: manifest.envelope.epoch })
    const placement = await this.upload(work, signal)
    const kept = { agreementId: known.row.agreementId, attemptId: attempt, retainUntil }
    await this.documents.run({ key: objectKeys.depositStatement(place), bytes: offer.statement, purpose: 'statement', ...kept }, signal)
    const envelope = { key: offer.envelopeKey, placement }
    const stored = await this.steps.store.run(
      lease,
      { place, attempt, manifest, envelope, inventory, knownObjects, signed: offer.signed },
      retainUntil,
      signal,
    )
    const { manifestDigest, manifestBytes } = stored
    await this.steps.publish.run(
      lease,
      { known, source, place, attemptId: attempt, manifest, manifestDigest, manifestBytes, retainUntil },
      signal,
    )
    return { offer, isNew: true, accepted: manifestBytes, late: stored.failed }
  }

  /** Through scratch: the bytes that are verified must be the bytes that are sent, whatever happens to the folder meanwhile. */
  private async upload(
    { offer, outbox, onBytes, retainUntil }: Work & { readonly retainUntil: Date },
    signal: AbortSignal,
  ): Promise<Placement> {
    const { envelope } = offer.manifest
    return withScratch(this.options.scratch.root, async (folder) => {
      const path = join(folder, 'received.age')
      const file = await open(path, 'wx', 0o600)
      try {
        let bytes = 0
        for await (const block of outbox.open(offer.envelopeKey, envelope, signal)) {
          await file.writeFile(block)
          bytes += block.length
          onBytes?.(bytes, envelope.sizeBytes)
        }
      } finally {
        await file.close()
      }
      const growing = { file: GrowingFile.finished(path, envelope.sizeBytes), commit: Promise.resolve(envelope) }
      const placement = await this.replicas.uploadGrowingFile(offer.envelopeKey, growing, { retainUntil }, signal)
      if (placement.stored.length === 0) requireEvery(placement)
      return placement
    })
  }
}

interface Work {
  readonly key: SourceKey
  readonly offer: Offer
  readonly outbox: ArchiveReader
  readonly onBytes: ((bytes: number, total: number) => void) | undefined
}
