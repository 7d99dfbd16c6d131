import { Inject, Injectable } from '@nestjs/common'
import { Clock } from '../core/environment.js'
import { isEscrowError } from '../core/errors.js'
import { Database } from '../db/database.js'
import type { JobFacts } from '../jobs/job-handler.js'
import type { SourceKey } from './lease.table.js'
import { MirrorSource } from './mirror-source.js'
import { findSource } from './source.table.js'

/** Mirrors a source that was enqueued, if the database still says that it is due: a queue may be late, and may say things twice. */
@Injectable()
export class MirrorDueSource {
  constructor(
    @Inject(Database) private readonly database: Database,
    @Inject(MirrorSource) private readonly mirror: MirrorSource,
    @Inject(Clock) private readonly clock: Clock,
  ) {}

  /**
   * Mirror it, or find that there is nothing to do.
   *
   * @returns `outcome`: `deposited`, `unchanged`, `not-due`, or `held` when somebody else is at it.
   * @throws EscrowError whatever stops a deposit; it is recorded, and the source is due again after its backoff
   */
  async run(key: SourceKey, signal: AbortSignal): Promise<JobFacts> {
    const row = await this.database.query((db) => findSource(db, key))
    const due = row !== null && row.state === 'active' && row.url !== null && row.dueAt <= this.clock.now()
    if (!due) return { outcome: 'not-due' }
    try {
      const mirrored = await this.mirror.run(key, { full: false }, signal)
      if (mirrored.outcome === 'unchanged') return { outcome: 'unchanged', sequence: mirrored.sequence }
      const { sequence, kind, bundle } = mirrored.manifest
      return { outcome: 'deposited', sequence, kind, bytes: bundle.sizeBytes, deposit: mirrored.depositId, resumed: mirrored.resumed }
    } catch (error) {
      if (isEscrowError(error, 'LEASE_HELD')) return { outcome: 'held' }
      throw error
    }
  }
}
