import { Inject, Injectable } from '@nestjs/common'
import { Clock } from '../../core/environment.js'
import { EscrowError } from '../../core/errors.js'
import { Database } from '../../db/database.js'
import { Manifest } from '../../format/manifest.js'
import { openDocument } from '../../format/signed-document.js'
import { AgreementId } from '../../format/ids.js'
import type { KnownAgreement } from '../archive/agreement-shelf.js'
import { listOpenAttempts, moveAttempt, type AttemptRow } from '../basis/attempt.table.js'
import { findDeposit, findLatestDeposit } from '../archive/deposit.table.js'
import { holdLease, type Lease } from '../archive/lease.table.js'
import { manifestKeysOf } from '../archive/manifest-keys.js'
import type { Mirrored } from '../basis/source-at-work.js'
import { PublishDeposit } from './publish-deposit.js'
import { chainRetainUntil } from '../retention.js'
import { findSource } from '../archive/source.table.js'

/**
 * Finishes what a run that died has left. An attempt whose manifest is signed goes on to its publication; any other is given up:
 * the file key of its seal is gone, so nobody could check it again. What it left in the store is an orphan that no leaf names.
 */
@Injectable()
export class ResumeDeposit {
  constructor(
    @Inject(Database) private readonly database: Database,
    @Inject(PublishDeposit) private readonly publish: PublishDeposit,
    @Inject(Clock) private readonly clock: Clock,
  ) {}

  /**
   * Look after the open attempts of a source.
   *
   * @returns the deposit that was published, or null when there was none to publish.
   * @throws EscrowError as `PublishDeposit.run`
   */
  async run(lease: Lease, known: KnownAgreement, signal: AbortSignal): Promise<Mirrored | null> {
    const attempts = await this.database.query((db) => listOpenAttempts(db, lease))
    let published: Mirrored | null = null
    for (const attempt of attempts) {
      if (attempt.state === 'stored') published = await this.finish(lease, known, attempt, signal)
      else await this.giveUp(lease, attempt)
    }
    return published
  }

  private async finish(lease: Lease, known: KnownAgreement, attempt: AttemptRow, signal: AbortSignal): Promise<Mirrored> {
    const { source: name, sequence, kind, attemptId } = attempt
    const place = { agreement: AgreementId.parse(lease.agreementId), source: name, sequence, kind }
    const manifestBytes = Buffer.from(attempt.manifest ?? '', 'utf8')
    const opened = openDocument(manifestBytes, { schema: Manifest, keys: manifestKeysOf(known.signed.body), what: 'manifest' })
    const { body: manifest, digest: manifestDigest } = opened
    const source = await this.database.query((db) => findSource(db, lease))
    if (source === null) throw new EscrowError('NOT_FOUND', `agreement ${lease.agreementId} has no source ${name}`)
    const latest = await this.database.query((db) => findLatestDeposit(db, lease))
    // Only one attempt at a time is open, so nothing can have been published since; if it was, this one lost its place.
    if ((latest?.manifestDigest ?? null) !== manifest.previous) {
      await this.giveUp(lease, attempt)
      throw new EscrowError('DEPOSIT_STATE', `deposit ${sequence} of ${name} was overtaken by ${latest?.sequence ?? 'nothing'}; run again`)
    }
    const base = kind === 'full' ? null : await this.database.query((db) => findDeposit(db, lease, manifest.base))
    const retainUntil = chainRetainUntil(known.signed.body, source, base?.takenAt ?? new Date(manifest.takenAt))
    const depositId = await this.publish.run(
      lease,
      { known, source, place, attemptId, manifest, manifestDigest, manifestBytes, retainUntil },
      signal,
    )
    const key = { agreementId: lease.agreementId, source: name }
    return { outcome: 'deposited', source: key, depositId, manifest, manifestDigest, findings: [], resumed: true, late: [] }
  }

  private async giveUp(lease: Lease, attempt: AttemptRow): Promise<void> {
    const { attemptId, state: from } = attempt
    await this.database.transaction(async (tx) => {
      const held = await holdLease(tx, lease)
      await moveAttempt(tx, held, { attemptId, from, to: 'abandoned', at: this.clock.now() })
    })
  }
}
