import { Inject, Injectable } from '@nestjs/common'
import { Clock } from '../../core/environment.js'
import { EscrowError } from '../../core/errors.js'
import { statementClockSkewMs } from '../../core/limits.js'
import { Database } from '../../db/database.js'
import { differencesFrom, openDepositStatement } from '../../format/check-deposit-statement.js'
import type { StatementOf } from '../../format/statement.js'
import { AgreementShelf, type KnownAgreement } from '../archive/agreement-shelf.js'
import { DepositSteps } from './deposit-steps.js'
import { LeaseKeeper } from '../source/lease-keeper.js'
import type { Lease } from '../archive/lease.table.js'
import { findSource } from '../archive/source.table.js'

/** What a depositor's word on a source came to. */
export interface Compared {
  readonly agreementId: string
  readonly source: string
  /** Of the newest deposit. */
  readonly sequence: number
  /** `STATEMENT_DIFFERS`; null when the newest deposit is what the depositor has. */
  readonly error: EscrowError | null
}

/** Compares what a depositor says that it has with the newest deposit. Nothing new is as good as a deposit: the source is fresh. */
@Injectable()
export class CompareStatement {
  constructor(
    @Inject(Database) private readonly database: Database,
    @Inject(AgreementShelf) private readonly shelf: AgreementShelf,
    @Inject(LeaseKeeper) private readonly leases: LeaseKeeper,
    @Inject(DepositSteps) private readonly steps: DepositSteps,
    @Inject(Clock) private readonly clock: Clock,
  ) {}

  /**
   * Compare, and record the outcome: `unchanged` once for each period, a difference as a refused deposit with its code. Idempotent.
   *
   * @param bytes - attacker-controlled.
   * @throws EscrowError as `openDepositStatement`; `AGREEMENT_DIGEST`, `NOT_FOUND`; `DEPOSIT_STATE` when there is no deposit yet, or the statement is older
   *   than the newest; `PUSH_REFUSED` for a source that we pull ourselves; `LEASE_HELD`
   */
  async run(bytes: Uint8Array, agreementDigest: string, signal?: AbortSignal): Promise<Compared> {
    const known = await this.shelf.version(agreementDigest)
    if (known.row.digest !== known.signed.digest) {
      throw new EscrowError('AGREEMENT_DIGEST', `expected the version in force, ${known.row.digest}, got ${known.signed.digest}`)
    }
    const { body: said } = openDepositStatement(bytes, { agreement: known.signed, source: null, now: this.clock.now() })
    const key = { agreementId: known.row.agreementId, source: said.source }
    const row = await this.database.query((db) => findSource(db, key))
    if (row === null) throw new EscrowError('NOT_FOUND', `agreement ${key.agreementId} has no source ${said.source}`)
    if (row.mode === 'pull') throw new EscrowError('PUSH_REFUSED', `source ${said.source} is pulled: we look at it ourselves`)
    return this.leases.run(key, (lease, leased) => this.underLease(lease, { known, said }, leased), signal)
  }

  private async underLease(
    lease: Lease,
    on: { readonly known: KnownAgreement; readonly said: StatementOf<'deposit-statement'> },
    signal: AbortSignal,
  ): Promise<Compared> {
    const { known, said } = on
    const key = { agreementId: known.row.agreementId, source: said.source }
    await this.steps.resume.run(lease, known, signal)
    const row = await this.database.query((db) => findSource(db, key))
    const previous = await this.steps.previous.run(known, key, signal)
    if (row === null || previous === null) throw new EscrowError('DEPOSIT_STATE', `expected a deposit of ${said.source} before, got none`)
    const { manifest } = previous
    if (Date.parse(said.takenAt) + statementClockSkewMs < Date.parse(manifest.takenAt)) {
      throw new EscrowError('DEPOSIT_STATE', `expected a statement after deposit ${manifest.sequence}, got one of ${said.takenAt}`)
    }
    const work = { known, key, row }
    const compared = { ...key, sequence: manifest.sequence }
    const error = statementDiffers(said, { ...manifest, packChecksum: manifest.bundle.packChecksum }, `deposit ${manifest.sequence}`)
    if (error === null) await this.steps.outcomes.unchanged(lease, work, { sequence: manifest.sequence })
    else await this.steps.outcomes.failed(lease, work, error)
    return { ...compared, error }
  }
}

/** The difference between a statement and what there is, in words; null when there is none. */
export function statementDiffers(
  said: Parameters<typeof differencesFrom>[0],
  arrived: Parameters<typeof differencesFrom>[1],
  what: string,
): EscrowError | null {
  const differences = differencesFrom(said, arrived)
  if (differences.length === 0) return null
  return new EscrowError('STATEMENT_DIFFERS', `${what} is not what the deposit statement says: ${differences.join('; ')}`)
}
