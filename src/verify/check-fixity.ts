import { Inject, Injectable } from '@nestjs/common'
import { Clock } from '../core/environment.js'
import { isEscrowError } from '../core/errors.js'
import { unreadableAgainMs } from '../core/job-limits.js'
import { Database, type Tx } from '../db/database.js'
import type { StoredObjectRow } from '../escrow/archive/object.table.js'
import { CopyReader } from './copy-reader.js'
import { nextCheck, type ReadCopy } from './fixity.js'
import { ReadPace } from './read-pace.js'
import { RecordFixity } from './record-fixity.js'
import { VerifyOptions } from './verify-options.js'
import {
  insertCheck,
  listChecks,
  listCopiesInOrder,
  listCopiesOf,
  listOverdueCopies,
  markCopy,
  postponeCopy,
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
  /** Nobody waits: within the budget, and what could not be read once is read again before anybody is told. */
  readonly background?: boolean
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
    @Inject(CopyReader) private readonly reader: CopyReader,
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
    if (wish.replica !== null) this.reader.requireReplica(wish.replica)
    const startedAt = this.clock.now()
    const pace = new ReadPace(wish.background === true ? this.options.bytesPerSecond : null)
    const checked = { copies: 0, bytes: 0, bad: new Array<BadCopy>() }
    for (let afterCopy = 0; ;) {
      const page = await this.page(wish, { afterCopy, startedAt })
      for await (const { object, bad } of this.checkPage(page, { pace, patient: wish.background === true }, signal)) {
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
  private async *checkPage(
    page: readonly CopyOfObject[],
    how: { readonly pace: ReadPace; readonly patient: boolean },
    signal?: AbortSignal,
  ): AsyncGenerator<CheckedCopy> {
    const matches: Match[] = []
    const record = () => this.database.transaction((tx) => recordMatches(tx, matches.splice(0)))
    try {
      for (const { copy, object } of page) {
        signal?.throwIfAborted()
        const read = await this.reader.whole({ copy, object }, how.pace, signal)
        const checkedAt = this.clock.now()
        const nextCheckAt = nextCheck(read.outcome, { everyDays: this.options.everyDays, storedAt: copy.storedAt }, checkedAt)
        if (read.outcome === 'match') matches.push({ copyId: copy.copyId, checkedAt, nextCheckAt })
        else if (how.patient && (await this.isFirstFault(copy, read.outcome))) await this.postpone(copy, checkedAt)
        else await this.tell({ copy, object }, { ...read, outcome: read.outcome, checkedAt, nextCheckAt }, how.patient, signal)
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

  private async tell(one: CopyOfObject, found: BadRead, patient: boolean, signal?: AbortSignal): Promise<void> {
    try {
      await this.recordBad(one, found, signal)
    } catch (error) {
      // The log takes nothing while a store is out of reach. What other stores hold is read all the same.
      if (!patient || !isEscrowError(error) || !error.code.startsWith('STORE_')) throw error
      await this.postpone(one.copy, found.checkedAt)
    }
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

  /** A store that is away for a while is no damage. The second time in a row, it is told. */
  private async isFirstFault(copy: CopyOfObject['copy'], outcome: FixityOutcome): Promise<boolean> {
    if (outcome !== 'unreadable' || copy.state !== 'present') return false
    const [last] = await this.database.query((db) => listChecks(db, copy.copyId, 1))
    return last?.outcome !== 'unreadable'
  }

  private postpone({ copyId }: CopyOfObject['copy'], checkedAt: Date): Promise<void> {
    const nextCheckAt = new Date(checkedAt.getTime() + unreadableAgainMs)
    return this.database.transaction((tx) => postponeCopy(tx, { copyId, checkedAt, nextCheckAt }))
  }
}
