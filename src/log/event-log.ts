import type { Clock, Entropy } from '../core/environment.js'
import { EscrowError, assert, isEscrowError } from '../core/errors.js'
import { appendAttemptsMax, eventWritesMax, sequenceBatchMax } from '../core/limits.js'
import type { Database, Tx } from '../db/database.js'
import { canonicalize } from '../format/canonical-json.js'
import { Event, EventRecord } from '../format/event.js'
import { eventDigest, formatLogEntry, logTag, saltBytes } from '../format/log-entry.js'
import { leafHash } from '../format/merkle.js'
import { parseBody } from '../format/parse-body.js'
import { someAtOnce } from '../store/at-once.js'
import { KeyedTurns } from '../store/keyed-turns.js'
import { objectKeys } from '../store/object-key.js'
import type { ReplicaSet } from '../store/replica-set.js'
import { requireEvery } from '../store/replica.js'
import { findEntry, insertEntries, tagNumberRule, type ChainEnd, type logEntryTable } from './log.table.js'
import { TagTurn } from './tag-turn.js'

const holderBytes = 16

type WithoutPlace<E> = E extends unknown ? Omit<E, 'chain' | 'at'> : never
/** An event before it has its place in a chain: who asks for it says what happened, the log says when and as which number. */
export type EventDraft = WithoutPlace<Event>

/** Something to record, with the secret that its tag is made from. */
export interface Recording {
  readonly draft: EventDraft
  /** 32 bytes, of the event's agreement. */
  readonly tagSecret: Uint8Array
}

/** A recorded event. */
export interface Recorded {
  readonly event: Event
  /** The event's leaf in hex: the name of its object. */
  readonly leafHash: string
  readonly tag: string
  readonly salt: string
}

type NewEntry = typeof logEntryTable.$inferInsert

/** How long events are kept: at least as long as anything they prove. */
export type RetainUntil = (at: Date) => Date

/**
 * Records events: first `events/<leaf>.json` at every replica, then the change and the pending entry in one transaction. Crash before the
 * transaction: the file is an orphan that no leaf names, and nothing has happened. After it: the sequencer will find the entry.
 */
export class EventLog {
  readonly #turns = new KeyedTurns()

  constructor(
    private readonly database: Database,
    private readonly replicas: ReplicaSet,
    private readonly clock: Clock,
    private readonly entropy: Entropy,
    private readonly retainUntil: RetainUntil,
  ) {}

  /**
   * Record one event together with the change that it speaks of.
   *
   * @param change - runs in the transaction after the entry was added; may run again with another number when somebody else was quicker, so it
   *   must do nothing but use `tx`. What it throws is thrown on, and nothing has happened.
   * @throws EscrowError `FORMAT_INVALID` when the draft is no event; `STORE_*`; `DATABASE_UNAVAILABLE` (then look whether it took effect);
   *   `DATABASE_CONFLICT`
   */
  async record(recording: Recording, change: (tx: Tx, recorded: Recorded) => Promise<void>, signal?: AbortSignal): Promise<Recorded> {
    const [recorded] = await this.recordAll(
      [recording],
      (tx, [one]) => {
        assert(one !== undefined, 'one event recorded')
        return change(tx, one)
      },
      signal,
    )
    assert(recorded !== undefined, 'one event recorded')
    return recorded
  }

  /**
   * Record several events and one change, all together or not at all; several of one subject follow each other in the order given.
   *
   * @param recordings - 1 to `sequenceBatchMax`.
   * @returns in the order of `recordings`. @throws as `record`
   */
  async recordAll(recordings: readonly Recording[], change: Change, signal?: AbortSignal): Promise<readonly Recorded[]> {
    assert(recordings.length > 0 && recordings.length <= sequenceBatchMax, `1 to ${sequenceBatchMax} events at once`)
    const tags = recordings.map(({ draft, tagSecret }) => hex(logTag(tagSecret, draft.subject)))
    return this.#inTurn(tags, () => this.#attempt({ recordings, tags, change }, signal))
  }

  /**
   * In one process the events of a subject wait for each other: an event that finds its number taken has left an orphan in the store. Always
   * in the order of the tags, so that two who record several cannot wait for each other.
   */
  #inTurn<T>(tags: readonly string[], work: () => Promise<T>): Promise<T> {
    return [...new Set(tags)].sort().reduceRight<() => Promise<T>>((inner, tag) => () => this.#turns.run(tag, inner), work)()
  }

  async #attempt({ recordings, tags, change }: Batch, signal?: AbortSignal): Promise<readonly Recorded[]> {
    const turn = new TagTurn(this.database, this.clock, tags, hex(this.entropy.bytes(holderBytes)))
    try {
      for (let attempt = 1; ; attempt += 1) {
        const known = await turn.ends(signal)
        const at = this.clock.now()
        const entries = this.#chain(recordings, { tags, known, at })
        await this.#store(entries, this.retainUntil(at), signal)
        if (await this.#commit(entries, change, attempt < appendAttemptsMax)) return entries.map(({ recorded }) => recorded)
        await turn.take(signal)
      }
    } finally {
      await turn.end()
    }
  }

  /** Give each event the next number of its tag, as far as is known now; the transaction finds out whether that was so. */
  #chain(
    recordings: readonly Recording[],
    { tags, known, at }: { readonly tags: readonly string[]; readonly known: readonly ChainEnd[]; readonly at: Date },
  ): readonly ChainedEntry[] {
    const ends = new Map<string, ChainEnd>(known.map((end) => [end.tag, end]))
    return recordings.map(({ draft }, place) => {
      const tag = tags[place] ?? ''
      const entry = this.#enter(draft, { tag, end: ends.get(tag), at })
      ends.set(tag, { tag, tagNumber: entry.row.tagNumber, leafHash: entry.recorded.leafHash })
      return entry
    })
  }

  #enter(
    draft: EventDraft,
    { tag, end, at }: { readonly tag: string; readonly end: ChainEnd | undefined; readonly at: Date },
  ): ChainedEntry {
    const chain = { number: (end?.tagNumber ?? 0) + 1, previous: end?.leafHash ?? null }
    const event = parseBody({ ...draft, chain, at: at.toISOString() }, Event, 'event')
    const salt = this.entropy.bytes(saltBytes)
    const digest = eventDigest(salt, canonicalize(event))
    const leaf = hex(leafHash(formatLogEntry({ tag: Buffer.from(tag, 'hex'), digest })))
    const recorded = { event, leafHash: leaf, tag, salt: hex(salt) }
    const { agreement: agreementId, subject, type: eventType } = event
    const row = { leafHash: leaf, tag, tagNumber: chain.number, eventDigest: hex(digest), agreementId, subject, eventType, recordedAt: at }
    return { recorded, row }
  }

  /** If we stop here, the files are orphans: locked, harmless, and named by no leaf. */
  async #store(entries: readonly ChainedEntry[], retainUntil: Date, signal?: AbortSignal): Promise<void> {
    await someAtOnce(entries, eventWritesMax, async ({ recorded }) => {
      const record: EventRecord = { type: 'escrow/event-record/v1', salt: recorded.salt, event: recorded.event }
      requireEvery(await this.replicas.putBytes(objectKeys.event(recorded.leafHash), canonicalize(record), { retainUntil }, signal))
    })
  }

  /** @returns false when the numbers were taken and another attempt is worth it. */
  async #commit(entries: readonly ChainedEntry[], change: Change, mayRetry: boolean): Promise<boolean> {
    try {
      await this.database.transaction(async (tx) => {
        // The entries first: who is too late finds out before the change does any work.
        await insertEntries(
          tx,
          entries.map(({ row }) => row),
        )
        await change(
          tx,
          entries.map(({ recorded }) => recorded),
        )
      })
      return true
    } catch (error) {
      if (mayRetry && isEscrowError(error, 'DATABASE_CONFLICT') && error.details['rule'] === tagNumberRule) return false
      if (isEscrowError(error, 'DATABASE_UNAVAILABLE') && (await this.#tookEffect(entries))) return true
      throw error
    }
  }

  /** Whether a transaction whose answer was lost was committed all the same: its entries are there together or not at all. */
  async #tookEffect(entries: readonly ChainedEntry[]): Promise<boolean> {
    try {
      const leaf = entries[0]?.recorded.leafHash ?? ''
      return (await this.database.query((db) => findEntry(db, leaf))) !== null
    } catch (error) {
      // The database still does not answer; the first fault says so better.
      if (error instanceof EscrowError) return false
      throw error
    }
  }
}

type Change = (tx: Tx, recorded: readonly Recorded[]) => Promise<void>

interface Batch {
  readonly recordings: readonly Recording[]
  /** In hex, in the order of the recordings. */
  readonly tags: readonly string[]
  readonly change: Change
}

interface ChainedEntry {
  readonly recorded: Recorded
  readonly row: NewEntry
}

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')
