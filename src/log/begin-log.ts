import { Inject, Injectable, type OnModuleInit } from '@nestjs/common'
import { Database } from '../db/database.js'
import { EscrowError, isEscrowError, type ErrorCode } from '../core/errors.js'
import { emptyRoot } from '../format/merkle.js'
import { checkPublished } from './check-published.js'
import { LogOptions } from './log-options.js'
import { LogStore } from './log-store.js'
import { openHead } from './log.table.js'

/** What only another index, another key or other stores can mend. A replica that does not answer is no reason not to begin. */
const refusals: ReadonlySet<ErrorCode> = new Set(['LOG_ROLLED_BACK', 'LOG_FORKED', 'LOG_INCONSISTENT', 'CHECKPOINT_INVALID'])

/**
 * Looks at the published log before a service begins its work: one whose database is older would take deposits that it could never publish. The
 * sequencer looks again before every signature.
 */
@Injectable()
export class BeginLog implements OnModuleInit {
  constructor(
    @Inject(Database) private readonly database: Database,
    @Inject(LogStore) private readonly store: LogStore,
    @Inject(LogOptions) private readonly options: LogOptions,
  ) {}

  /** @throws EscrowError `LOG_ROLLED_BACK`, `LOG_FORKED`, `LOG_INCONSISTENT`, `CHECKPOINT_INVALID`: nothing was written or signed; `DATABASE_*` */
  async onModuleInit(): Promise<void> {
    // Another process may publish while we look; what is wrong is wrong a second time.
    const refusal = (await this.refusal()) === null ? null : await this.refusal()
    if (refusal !== null) throw refusal
  }

  private async refusal(): Promise<EscrowError | null> {
    try {
      await this.look()
      return null
    } catch (error) {
      if (isEscrowError(error) && refusals.has(error.code)) return error
      if (isEscrowError(error) && (error.code.startsWith('STORE_') || error.code === 'TILE_INVALID')) return null
      throw error
    }
  }

  private async look(): Promise<void> {
    const { identity } = this.options
    // The index last: it knows of everything that was published before it is read.
    const { stored } = await this.store.readCheckpoints()
    const root = Buffer.from(emptyRoot()).toString('hex')
    const head = await this.database.transaction((tx) => openHead(tx, identity.origin, root))
    if (head.origin !== identity.origin)
      throw new EscrowError('LOG_INCONSISTENT', `expected the index of log ${identity.origin}, got that of ${head.origin}`)
    await checkPublished({ head, stored, remembered: [], store: this.store, log: identity })
  }
}
