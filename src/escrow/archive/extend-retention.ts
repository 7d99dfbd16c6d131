import { Inject, Injectable } from '@nestjs/common'
import { Clock } from '../../core/environment.js'
import { EscrowError } from '../../core/errors.js'
import { Database } from '../../db/database.js'
import { parseObjectKey } from '../../store/object-key.js'
import { ReplicaSet } from '../../store/replica-set.js'
import type { ReplicaFault } from '../../store/replica.js'
import { EscrowOptions } from '../escrow-options.js'
import { listShortRetention, recordRetention } from './copy.table.js'

const dayMs = 86_400_000
const pageSize = 500

/** What a run came to. */
export interface ExtendedRetention {
  readonly extended: number
  /** The first fault of each replica that refused or did not answer. */
  readonly failed: readonly ReplicaFault[]
}

/**
 * Keeps everything of agreements that go on locked well ahead of its expiry. Whatever is short is extended to the same moment, a base
 * before what rests on it, so that nothing outlives its base.
 */
@Injectable()
export class ExtendRetention {
  constructor(
    @Inject(Database) private readonly database: Database,
    @Inject(ReplicaSet) private readonly replicas: ReplicaSet,
    @Inject(EscrowOptions) private readonly options: EscrowOptions,
    @Inject(Clock) private readonly clock: Clock,
  ) {}

  /**
   * Extend every lock that ends within `lockAheadDays`, to twice as long from now. Idempotent; what failed is short still and comes again.
   *
   * @throws EscrowError `DATABASE_*`; the signal's reason
   */
  async run(signal?: AbortSignal): Promise<ExtendedRetention> {
    const nowMs = this.clock.now().getTime()
    const lockedUntil = new Date(nowMs + this.options.lockAheadDays * dayMs)
    const until = new Date(nowMs + 2 * this.options.lockAheadDays * dayMs)
    const failed = new Map<string, ReplicaFault>()
    for (let extended = 0; ;) {
      const page = await this.database.query((db) => listShortRetention(db, lockedUntil, pageSize))
      let done = 0
      for (const { copy, key } of page) {
        signal?.throwIfAborted()
        if (failed.has(copy.replica)) continue
        const error = await this.extend({ ...copy, key, until }, signal)
        if (error === null) done += 1
        else failed.set(copy.replica, { replica: copy.replica, error })
      }
      extended += done
      // Those that fail come first in the list again: without progress there is nothing more to do now.
      if (done === 0) return { extended, failed: [...failed.values()] }
    }
  }

  private async extend(
    copy: { readonly copyId: number; readonly replica: string; readonly versionId: string; readonly key: string; readonly until: Date },
    signal?: AbortSignal,
  ): Promise<EscrowError | null> {
    try {
      const { store } = this.replicas.named(copy.replica)
      const held = await store.extendRetention(parseObjectKey(copy.key), copy.versionId, copy.until, signal)
      await this.database.query((db) => recordRetention(db, copy.copyId, held.retainUntil ?? copy.until))
      return null
    } catch (error) {
      signal?.throwIfAborted()
      if (error instanceof EscrowError) return error
      throw error
    }
  }
}
