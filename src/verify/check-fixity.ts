import { Inject, Injectable } from '@nestjs/common'
import { Clock } from '../core/environment.js'
import { EscrowError, isEscrowError } from '../core/errors.js'
import { Digester } from '../crypto/digest.js'
import { Database, type Tx } from '../db/database.js'
import { parseObjectKey } from '../store/object-key.js'
import type { StoredObjectRow } from '../escrow/object.table.js'
import { ReplicaSet } from '../store/replica-set.js'
import { judgeCopy, judgeFault, nextCheck, type ReadCopy } from './fixity.js'
import { RecordFixity } from './record-fixity.js'
import { VerifyOptions } from './verify-options.js'
import {
  insertCheck,
  listCopiesInOrder,
  listCopiesOf,
  listOverdueCopies,
  markCopy,
  recordMatches,
  type CopyOfObject,
  type FixityOutcome,
  type Match,
} from './verify.table.js'

/** What is to be checked. */
export interface CheckWish {
  /** Everything, or only what is due. */
  readonly all: boolean
  /** Only this replica; null for all. */
  readonly replica: string | null
  /** Only the copies of these objects, up to `rowsMax`, whether due or not; all when left out. */
  readonly objects?: readonly number[]
  /** Hears of every copy that was read. */
  readonly onCopy?: (done: { readonly copies: number; readonly bytes: number }) => void
}

/** A copy that is not as it must be. */
export interface BadCopy {
  readonly key: string
  readonly replica: string
  readonly outcome: Exclude<FixityOutcome, 'match'>
}

/** What a check found. */
export interface Checked {
  readonly copies: number
  readonly bytes: number
  readonly bad: readonly BadCopy[]
}

interface CheckedCopy {
  readonly object: StoredObjectRow
  readonly bad: BadCopy | null
}

interface BadRead extends Omit<ReadCopy, 'outcome'> {
  readonly outcome: BadCopy['outcome']
  readonly checkedAt: Date
  readonly nextCheckAt: Date
}

const pageSize = 200
/** Bad copies that are listed; all of them are recorded. */
const badListedMax = 1000
/** Matches wait at most so long to be recorded: whoever stops us reads no more than this again. */
const recordAfterMs = 5000

/** Reads stored copies again, most overdue first, and records what their bytes are. */
@Injectable()
export class CheckFixity {
  constructor(
    @Inject(Database) private readonly database: Database,
    @Inject(ReplicaSet) private readonly replicas: ReplicaSet,
    @Inject(RecordFixity) private readonly events: RecordFixity,
    @Inject(VerifyOptions) private readonly options: VerifyOptions,
    @Inject(Clock) private readonly clock: Clock,
  ) {}

  /**
   * Check copies until none is left that was asked for.
   *
   * @returns what was found; a bad copy is a finding, not an error.
   * @throws EscrowError `NOT_FOUND` for an unknown replica; `DATABASE_*`; the signal's reason
   */
  async run(wish: CheckWish, signal?: AbortSignal): Promise<Checked> {
    if (wish.replica !== null) this.replicas.named(wish.replica)
    const startedAt = this.clock.now()
    const checked = { copies: 0, bytes: 0, bad: new Array<BadCopy>() }
    for (let afterCopy = 0; ;) {
      const page = await this.page(wish, { afterCopy, startedAt })
      for await (const { object, bad } of this.checkPage(page, signal)) {
        checked.copies += 1
        checked.bytes += object.sizeBytes
        if (bad !== null && checked.bad.length < badListedMax) checked.bad.push(bad)
        wish.onCopy?.(checked)
      }
      const last = page.at(-1)
      if (last === undefined) return checked
      afterCopy = last.copy.copyId
    }
  }

  /** Damage is recorded at once; matches together, because a transaction for each costs more than reading a small object. */
  private async *checkPage(page: readonly CopyOfObject[], signal?: AbortSignal): AsyncGenerator<CheckedCopy> {
    const matches: Match[] = []
    const record = () => this.database.transaction((tx) => recordMatches(tx, matches.splice(0)))
    try {
      for (const { copy, object } of page) {
        signal?.throwIfAborted()
        const read = await this.read({ copy, object }, signal)
        const checkedAt = this.clock.now()
        const nextCheckAt = nextCheck(read.outcome, this.options.everyDays, checkedAt)
        if (read.outcome === 'match') matches.push({ copyId: copy.copyId, checkedAt, nextCheckAt })
        else await this.recordBad({ copy, object }, { ...read, outcome: read.outcome, checkedAt, nextCheckAt }, signal)
        const [oldest] = matches
        if (oldest !== undefined && checkedAt.getTime() - oldest.checkedAt.getTime() >= recordAfterMs) await record()
        yield { object, bad: read.outcome === 'match' ? null : { key: object.key, replica: copy.replica, outcome: read.outcome } }
      }
    } finally {
      // Also when we are stopped: what was read is known.
      if (matches.length > 0) await record()
    }
  }

  private page(wish: CheckWish, at: { readonly afterCopy: number; readonly startedAt: Date }): Promise<readonly CopyOfObject[]> {
    const { replica } = wish
    const limit = pageSize
    const { objects } = wish
    if (objects !== undefined) return this.database.query((db) => listCopiesOf(db, { objects, afterCopy: at.afterCopy, replica, limit }))
    if (wish.all) return this.database.query((db) => listCopiesInOrder(db, { afterCopy: at.afterCopy, replica, limit }))
    // What is checked moves out of this list: its next check is later than the start of this one.
    return this.database.query((db) => listOverdueCopies(db, { now: at.startedAt, replica, limit }))
  }

  private async recordBad({ copy, object }: CopyOfObject, found: BadRead, signal?: AbortSignal): Promise<void> {
    const { outcome, foundDigest, nextCheckAt } = found
    const record = async (tx: Tx, checkedAt = found.checkedAt) => {
      await insertCheck(tx, { copyId: copy.copyId, checkedAt, outcome, foundDigest })
      await markCopy(tx, { copyId: copy.copyId, checkedAt, outcome, nextCheckAt })
    }
    // Damage that is known already is no news.
    if (copy.state === outcome) await this.database.transaction((tx) => record(tx))
    else await this.events.found({ object, copy, outcome, foundDigest }, record, signal)
  }

  private async read({ copy, object }: CopyOfObject, signal?: AbortSignal): Promise<ReadCopy> {
    const digester = new Digester()
    try {
      const { store } = this.replicas.named(copy.replica)
      for await (const block of store.get(parseObjectKey(object.key), { versionId: copy.versionId, transient: true }, signal))
        digester.update(block)
      return judgeCopy(object, digester.finish())
    } catch (error) {
      signal?.throwIfAborted()
      if (!(error instanceof EscrowError) || isEscrowError(error, 'OBJECT_KEY_INVALID')) throw error
      return judgeFault(error)
    }
  }
}
