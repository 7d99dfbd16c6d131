import { Inject, Injectable } from '@nestjs/common'
import { Clock } from '../../core/environment.js'
import { startSpreadMaxMs } from '../../core/job-limits.js'
import { depositIdOf } from '../../format/ids.js'
import type { Manifest } from '../../format/manifest.js'
import { EventLog } from '../../log/event-log.js'
import { objectKeys, type DepositPlace } from '../../store/object-key.js'
import { ReplicaSet } from '../../store/replica-set.js'
import type { KnownAgreement } from '../archive/agreement-shelf.js'
import { settleAttachments } from '../basis/attachment.table.js'
import { moveAttempt } from '../basis/attempt.table.js'
import { CompleteCopies } from '../archive/complete-copies.js'
import { insertDeposit, insertFindings, type NewDeposit } from '../archive/deposit.table.js'
import { holdLease, type Lease, type SourceKey } from '../archive/lease.table.js'
import { scheduleFirstChecks } from '../archive/copy.table.js'
import { adoptObjects } from '../archive/object.table.js'
import { periodAfter, spreadMs, type Rhythm } from '../source/schedule.js'
import { StoreDocument } from '../archive/store-document.js'
import type { PlannedTiming } from '../archive/source.table.js'
import { recordFresh, type SourceRow } from '../archive/source.table.js'

/** A deposit whose attempt is in state `stored`. */
export interface DepositToPublish {
  readonly known: KnownAgreement
  readonly source: SourceRow
  readonly place: DepositPlace
  readonly attemptId: string
  readonly manifest: Manifest
  readonly manifestDigest: string
  /** As signed. */
  readonly manifestBytes: Uint8Array
  readonly retainUntil: Date
}

/** Makes a stored deposit a deposit: its event first, then its row and its pending log entry in one transaction. */
@Injectable()
export class PublishDeposit {
  constructor(
    @Inject(StoreDocument) private readonly store: StoreDocument,
    @Inject(ReplicaSet) private readonly replicas: ReplicaSet,
    @Inject(CompleteCopies) private readonly copies: CompleteCopies,
    @Inject(EventLog) private readonly log: EventLog,
    @Inject(Clock) private readonly clock: Clock,
  ) {}

  /**
   * Publish a deposit. Every replica must hold all its objects; what a replica lacks is copied there first.
   *
   * @returns the deposit's id.
   * @throws EscrowError `LEASE_LOST`; `STORE_*` while a replica is out of reach: the attempt stays `stored`, and the next run goes on here
   */
  async run(lease: Lease, deposit: DepositToPublish, signal?: AbortSignal): Promise<string> {
    const { known, manifest, manifestDigest, place, attemptId, retainUntil } = deposit
    const document = { key: objectKeys.manifest(place), bytes: deposit.manifestBytes, purpose: 'manifest' as const }
    await this.store.run({ ...document, agreementId: place.agreement, attemptId, retainUntil }, signal)
    await this.copies.ofAttempt(attemptId, retainUntil, signal)
    const attachments = manifest.attachments.map((file) => objectKeys.attachment(place.agreement, place.source, file.sha256))
    await this.copies.ofAttachments(attachments, retainUntil, signal)
    const depositId = depositIdOf(manifestDigest)
    const draft = {
      type: 'escrow/event/deposit-stored/v1' as const,
      agreement: place.agreement,
      subject: place.source,
      source: place.source,
      sequence: place.sequence,
      kind: place.kind,
      deposit: depositId,
      manifest: manifestDigest,
      manifestKey: objectKeys.manifest(place),
      retainUntil: retainUntil.toISOString(),
      replicas: this.replicas.replicas.map((replica) => replica.name),
      dueAt: metPeriod(deposit.source, new Date(manifest.takenAt)),
    }
    await this.log.record(
      { draft, tagSecret: Buffer.from(known.annex.tagSecret, 'hex') },
      async (tx, { leafHash }) => {
        const held = await holdLease(tx, lease)
        await insertDeposit(tx, held, depositRow({ manifest, manifestDigest, leafHash }))
        await insertFindings(tx, depositId, manifest.findings)
        await adoptObjects(tx, deposit.attemptId, depositId)
        await settleAttachments(tx, depositId, attachments)
        // Fresh deposits are read again soon: a store that keeps badly shows it early.
        await scheduleFirstChecks(tx, depositId, this.clock.now())
        await moveAttempt(tx, held, { attemptId: deposit.attemptId, from: 'stored', to: 'published', at: this.clock.now() })
        await recordFresh(tx, held, freshness(manifest, manifestDigest), timingAfter(deposit.source, new Date(manifest.takenAt)))
      },
      signal,
    )
    return depositId
  }
}

/** The row that a manifest and its leaf give. */
export function depositRow(deposit: {
  readonly manifest: Manifest
  readonly manifestDigest: string
  readonly leafHash: string
}): NewDeposit {
  const { manifest, manifestDigest, leafHash } = deposit
  return {
    depositId: depositIdOf(manifestDigest),
    sequence: manifest.sequence,
    kind: manifest.kind,
    baseSequence: manifest.base,
    epoch: manifest.envelope.epoch,
    agreementDigest: manifest.agreement,
    manifestDigest,
    previousDigest: manifest.previous,
    refsDigest: manifest.refsDigest,
    refCount: manifest.refCount,
    bundleDigest: manifest.bundle.sha256,
    bundleBytes: manifest.bundle.sizeBytes,
    takenAt: new Date(manifest.takenAt),
    outcome: manifest.outcome,
    blocking: manifest.findings.some((finding) => finding.severity === 'blocking'),
    leafHash,
  }
}

/** The moment of the schedule that something at `at` answers to; null when the next one has not come yet. */
export function metPeriod(source: Pick<SourceRow, 'periodAt'>, at: Date): string | null {
  return at < source.periodAt ? null : source.periodAt.toISOString()
}

/** What a deposit tells its source. */
export function freshness(manifest: Manifest, manifestDigest: string): Parameters<typeof recordFresh>[2] {
  const { sequence, kind, refsDigest } = manifest
  return { sequence, kind, takenAt: new Date(manifest.takenAt), refsDigest, manifestDigest }
}

/** The next moments of a source's schedule after it was found fresh. The ticker looks a little later, each source at its own moment. */
export function timingAfter(source: Rhythm & SourceKey, freshAt: Date): PlannedTiming {
  const period = periodAfter(source, freshAt)
  const withinMs = Math.min(startSpreadMaxMs, (period.deadlineAt.getTime() - period.periodAt.getTime()) / 20)
  const spread = spreadMs(`${source.agreementId}/${source.source}`, withinMs)
  return { ...period, dueAt: period.periodAt, lookAt: new Date(period.periodAt.getTime() + spread) }
}
