import { Inject, Injectable } from '@nestjs/common'
import { Clock } from '../core/environment.js'
import { EscrowError, isEscrowError } from '../core/errors.js'
import { Digester } from '../crypto/digest.js'
import { Database, type Tx } from '../db/database.js'
import { parseObjectKey } from '../store/object-key.js'
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
  type CopyOfObject,
  type FixityOutcome,
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

const pageSize = 200
/** Bad copies that are listed; all of them are recorded. */
const badListedMax = 1000

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
      for (const copy of page) {
        signal?.throwIfAborted()
        const found = await this.check(copy, signal)
        checked.copies += 1
        checked.bytes += copy.object.sizeBytes
        if (found !== null && checked.bad.length < badListedMax) checked.bad.push(found)
        wish.onCopy?.(checked)
      }
      const last = page.at(-1)
      if (last === undefined) return checked
      afterCopy = last.copy.copyId
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

  private async check({ copy, object }: CopyOfObject, signal?: AbortSignal): Promise<BadCopy | null> {
    const read = await this.read({ copy, object }, signal)
    const checkedAt = this.clock.now()
    const nextCheckAt = nextCheck(read.outcome, this.options.everyDays, checkedAt)
    const record = async (tx: Tx, at = checkedAt) => {
      await insertCheck(tx, { copyId: copy.copyId, checkedAt: at, outcome: read.outcome, foundDigest: read.foundDigest })
      await markCopy(tx, { copyId: copy.copyId, checkedAt: at, outcome: read.outcome, nextCheckAt })
    }
    const { outcome } = read
    if (outcome === 'match') {
      await this.database.transaction((tx) => record(tx))
      return null
    }
    // Damage that is known already is no news.
    if (copy.state === outcome) await this.database.transaction((tx) => record(tx))
    else await this.events.found({ object, copy, outcome, foundDigest: read.foundDigest }, record, signal)
    return { key: object.key, replica: copy.replica, outcome }
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
