import { Inject, Injectable } from '@nestjs/common'
import { Clock, Entropy } from '../../core/environment.js'
import { isEscrowError, type EscrowError } from '../../core/errors.js'
import { hostBusyMs, lookAgainMs } from '../../core/job-limits.js'
import { Database } from '../../db/database.js'
import type { JobFacts } from '../../jobs/job-handler.js'
import { HostKeeper } from '../source/host-keeper.js'
import type { SourceKey } from '../archive/lease.table.js'
import { hostOfRemote } from '../../git/remote-url.js'
import { MirrorSource } from './mirror-source.js'
import { postponeSource } from '../source/schedule.table.js'
import { findSource, type SourceRow } from '../archive/source.table.js'

/** Mirrors a source that was enqueued, if the database still says that it is due: a queue may be late, and may say things twice. */
@Injectable()
export class MirrorDueSource {
  constructor(
    @Inject(Database) private readonly database: Database,
    @Inject(MirrorSource) private readonly mirror: MirrorSource,
    @Inject(HostKeeper) private readonly hosts: HostKeeper,
    @Inject(Clock) private readonly clock: Clock,
    @Inject(Entropy) private readonly entropy: Entropy,
  ) {}

  /**
   * Mirror it, or find that there is nothing to do.
   *
   * @returns `outcome`: `deposited`, `unchanged`, `not-due`, `held` when somebody else is at it, or `host-busy` when its host has enough to do:
   *   then it is looked at again soon (when the other's lease ends, if it was not lengthened: it may be dead), and nothing has failed.
   * @throws EscrowError whatever stops a deposit; it is recorded, and the source is due again after its backoff
   */
  async run(key: SourceKey, signal: AbortSignal): Promise<JobFacts> {
    const row = await this.database.query((db) => findSource(db, key))
    const due = row !== null && row.state === 'active' && row.url !== null && row.dueAt <= this.clock.now()
    if (!due) return { outcome: 'not-due' }
    const host = hostOfRemote(row.url ?? '')
    if (host === null) return this.mirrorNow(row, signal)
    const facts = await this.hosts.visit(host, () => this.mirrorNow(row, signal))
    return facts ?? this.postpone(row)
  }

  private async postpone(row: SourceRow): Promise<JobFacts> {
    const [spread = 0] = this.entropy.bytes(1)
    const lookAt = new Date(this.clock.now().getTime() + hostBusyMs * (1 + spread / 256))
    await this.database.query((db) => postponeSource(db, row, lookAt))
    return { outcome: 'host-busy' }
  }

  private async mirrorNow(row: SourceRow, signal: AbortSignal): Promise<JobFacts> {
    try {
      const mirrored = await this.mirror.run({ agreementId: row.agreementId, source: row.source }, { full: false }, signal)
      if (mirrored.outcome === 'unchanged') return { outcome: 'unchanged', sequence: mirrored.sequence }
      const { sequence, kind, bundle } = mirrored.manifest
      return { outcome: 'deposited', sequence, kind, bytes: bundle.sizeBytes, deposit: mirrored.depositId, resumed: mirrored.resumed }
    } catch (error) {
      if (!isEscrowError(error, 'LEASE_HELD')) throw error
      return this.leave(row, error)
    }
  }

  private async leave(row: SourceRow, { details: { until } }: EscrowError): Promise<JobFacts> {
    const now = this.clock.now().getTime()
    const endsMs = typeof until === 'string' ? Date.parse(until) : now
    // A lease of a clock that ran ahead may seem to last for years.
    const lookAt = new Date(Math.min(endsMs + 1000, now + lookAgainMs))
    await this.database.query((db) => postponeSource(db, row, lookAt))
    return { outcome: 'held' }
  }
}
