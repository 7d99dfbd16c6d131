import { assert, EscrowError, isEscrowError } from '../core/errors.js'
import { verifiedAtEnd, type ExpectedObject } from './expected-object.js'
import type { GrowingBytes } from './growing-bytes.js'
import type { ObjectKey } from './object-key.js'
import type { StoredObject } from './object-store.js'
import { sendBytes, sendGrowing } from './replica-upload.js'
import { atEach, type Placement, type Replica, type ReplicaFault } from './replica.js'
import { readStream, readWhole, type Search } from './verified-read.js'

/** How an object is to be placed. */
export interface PlaceOptions {
  readonly retainUntil: Date
  /** Put a new version over an old one: for repair, and for what the layout allows to change. */
  readonly supersede?: boolean
  /** Only these replicas: those that have to catch up. All when left out. */
  readonly only?: readonly string[]
}

/** What a repair did. */
export interface Repair {
  readonly object: StoredObject
  /** The version that was newest before, which the store keeps; null when there was none. */
  readonly supersedes: string | null
  /** The replica that gave the good bytes; of several that gave parts of them, the last. */
  readonly copiedFrom: string
}

/**
 * The replicas of one service: put to all, read from the first that verifies, repair from a good one. A fault at one replica never
 * hides what happened at the others: every method says who has what.
 */
export class ReplicaSet {
  /** @param replicas - at least one, with distinct names; in the order in which they are read. */
  constructor(readonly replicas: readonly Replica[]) {
    assert(replicas.length > 0, 'a replica set has a replica')
    assert(new Set(replicas.map((replica) => replica.name)).size === replicas.length, 'replicas have distinct names')
  }

  /** The replica of that name. @throws EscrowError `NOT_FOUND` */
  named(name: string): Replica {
    const replica = this.replicas.find((candidate) => candidate.name === name)
    if (replica !== undefined) return replica
    throw new EscrowError('NOT_FOUND', `no replica is named ${name}; there are ${this.replicas.map((other) => other.name).join(', ')}`)
  }

  /**
   * Store a document at every replica. Idempotent: a replica that already holds these bytes counts as stored.
   *
   * @returns who holds it and who does not; `requireEvery` insists on all.
   */
  async putBytes(key: ObjectKey, bytes: Uint8Array, options: PlaceOptions, signal?: AbortSignal): Promise<Placement> {
    const sent = await atEach(this.chosen(options.only), ({ store }) => sendBytes(store, { key, ...options }, bytes, signal))
    return placementOf(sent)
  }

  /** Whether every replica takes bytes before their key is known. */
  get takesNameless(): boolean {
    return this.replicas.every(({ store }) => store.openNameless !== undefined)
  }

  /**
   * Upload a sealed file while it is being written. Each replica follows at its own pace, with the memory of one part; a slow or
   * broken one holds up nobody. Nothing becomes visible before `commit` resolves.
   *
   * @param key - a promise of one for what is named after its own bytes, settled as soon as `commit` is: stores that name at the end follow the
   *   file all the same.
   * @param commit - resolves to what the finished file must be once all checks have passed; when it rejects every upload is given up.
   * @returns who holds it and who does not.
   * @throws what `commit` rejects with, after every upload has ended; the signal's reason.
   */
  async uploadGrowingFile(
    key: ObjectKey | Promise<ObjectKey>,
    { file, commit }: { readonly file: GrowingBytes; readonly commit: Promise<ExpectedObject> },
    options: PlaceOptions,
    signal?: AbortSignal,
  ): Promise<Placement> {
    const stop = new AbortController()
    const stopped = signal === undefined ? stop.signal : AbortSignal.any([signal, stop.signal])
    commit.catch((reason: unknown) => stop.abort(reason))
    try {
      const sent = await atEach(this.chosen(options.only), ({ store }) =>
        sendGrowing(store, { key, ...options }, { blocks: file.follow(stopped), commit }, stopped),
      )
      signal?.throwIfAborted()
      await commit
      return placementOf(sent)
    } catch (error) {
      signal?.throwIfAborted()
      throw error
    }
  }

  /**
   * A document, from the first replica whose bytes are what was expected.
   *
   * @param options.onFault - hears of each replica that could not give it.
   * @throws EscrowError `OBJECT_MISSING`, `OBJECT_CORRUPT`, `STORE_UNREACHABLE`, `STORE_REFUSED` when none can.
   */
  readVerified(key: ObjectKey, expected: ExpectedObject, options: Pick<Search, 'onFault'> = {}, signal?: AbortSignal): Promise<Uint8Array> {
    return readWhole(this.replicas, { key, expected, ...options }, signal)
  }

  /**
   * A large object as a stream, changing replica at a part boundary when one fails.
   *
   * @param options.only - read from these replicas alone.
   * @param options.range - give only these bytes, which lie inside the object.
   * @param options.transient - each block is done with when the next is asked for.
   * @returns with part digests, blocks that are verified; without, take nothing for good before the stream has ended well.
   */
  readVerifiedStream(
    key: ObjectKey,
    expected: ExpectedObject,
    options: Pick<Search, 'onFault' | 'range' | 'transient'> & { readonly only?: readonly string[] } = {},
    signal?: AbortSignal,
  ): AsyncIterable<Uint8Array> {
    return readStream(this.chosen(options.only), { key, expected, ...options }, signal)
  }

  /** What each replica holds under a key: null for nothing. */
  async stat(
    key: ObjectKey,
    signal?: AbortSignal,
  ): Promise<{
    readonly held: readonly { readonly replica: string; readonly object: StoredObject | null }[]
    readonly failed: readonly ReplicaFault[]
  }> {
    const { results, faults } = await atEach(this.replicas, ({ store }) => store.stat(key, signal))
    return { held: results.map(({ replica, result }) => ({ replica, object: result })), failed: faults }
  }

  /**
   * Replace a bad or missing copy by a new version, copied from a replica that verifies and read back from the target. The bad
   * version is locked and stays; the caller records which version it was.
   *
   * @throws EscrowError `REPAIR_IMPOSSIBLE` when every replica has answered and none is good; `STORE_UNREACHABLE`, `STORE_REFUSED`.
   */
  async repairObject(
    key: ObjectKey,
    expected: ExpectedObject,
    { target, retainUntil }: { readonly target: string; readonly retainUntil: Date },
    signal?: AbortSignal,
  ): Promise<Repair> {
    const { store } = this.named(target)
    const before = await store.stat(key, signal)
    let copiedFrom = target
    const onCopy = (replica: string) => void (copiedFrom = replica)
    const good = verifiedAtEnd(key, expected, this.goodCopy({ key, expected, onCopy }, target, signal))
    const upload = await store.openUpload(key, { retainUntil, supersede: true }, signal)
    try {
      for await (const block of good) await upload.write(block)
      const object = await upload.complete()
      for await (const block of verifiedAtEnd(key, expected, store.get(key, { versionId: object.versionId, transient: true }, signal)))
        void block
      return { object, supersedes: before?.versionId ?? null, copiedFrom }
    } finally {
      await upload.abort()
    }
  }

  /** Other replicas first: the target may hold a good superseded version, but its newest has just been found bad. */
  private async *goodCopy(search: Search, target: string, signal?: AbortSignal): AsyncIterable<Uint8Array> {
    const sources = [...this.replicas.filter((replica) => replica.name !== target), this.named(target)]
    try {
      yield* readStream(sources, search, signal)
    } catch (error) {
      if (!isEscrowError(error, 'OBJECT_CORRUPT') && !isEscrowError(error, 'OBJECT_MISSING')) throw error
      throw new EscrowError('REPAIR_IMPOSSIBLE', `no replica holds a good copy of ${search.key}: ${error.message}`, { cause: error })
    }
  }

  private chosen(only: readonly string[] | undefined): readonly Replica[] {
    return only === undefined ? this.replicas : only.map((name) => this.named(name))
  }
}

function placementOf(sent: Awaited<ReturnType<typeof atEach<StoredObject>>>): Placement {
  return { stored: sent.results.map(({ replica, result }) => ({ replica, object: result })), failed: sent.faults }
}
