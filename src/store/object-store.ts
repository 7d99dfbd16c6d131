import type { ObjectKey } from './object-key.js'

/** One stored version of an object, as the store reports it. */
export interface StoredObject {
  readonly key: ObjectKey
  readonly versionId: string
  readonly sizeBytes: number
  /** Until when nobody, the operator included, can delete or overwrite this version; null when the store says it is unlocked. */
  readonly retainUntil: Date | null
}

/** What a store says of itself at start-up. */
export interface StoreReport {
  readonly reachable: boolean
  readonly versioned: boolean
  readonly locked: boolean
  /** One sentence per thing that is not as it must be; empty when all is well. */
  readonly problems: readonly string[]
  /** What an operator should know although nothing is wrong, as in "this lock is kept by software alone". */
  readonly notes?: readonly string[]
}

/** An upload under way. Nothing is visible under its key until `complete` has returned. */
export interface ObjectUpload {
  /**
   * Send the next bytes. Calls must not overlap. The upload may keep no reference to `bytes` after the promise resolves.
   *
   * @throws EscrowError `STORE_UNREACHABLE`, `STORE_REFUSED`
   */
  write(bytes: Uint8Array): Promise<void>
  /**
   * Do now what `complete` would otherwise wait for, once everything is written and it is not yet known whether it may become visible.
   * Left out where there is nothing to gain; `complete` never relies on it.
   *
   * @throws EscrowError as `write`
   */
  settle?(): Promise<void>
  /**
   * Make the object visible and read back its size and retention.
   *
   * @throws EscrowError `STORE_SHORT_WRITE` when the store holds another size than was sent; `RETENTION_REFUSED` when the lock is not what was asked.
   */
  complete(): Promise<StoredObject>
  /** Give up; idempotent, never throws. Nothing stays visible. */
  abort(): Promise<void>
}

/** An upload of what is named after its own bytes: its key is known at its end. */
export interface NamelessUpload extends Omit<ObjectUpload, 'complete'> {
  /** As `ObjectUpload.complete`. @throws EscrowError `OBJECT_EXISTS` too, when the key has a version already. */
  complete(key: ObjectKey): Promise<StoredObject>
}

/** Which bytes of which version to read. */
export interface ReadRange {
  /** The newest version when left out. */
  readonly versionId?: string
  /** First byte; 0 when left out. */
  readonly offset?: number
  /** How many bytes; to the end when left out. */
  readonly sizeBytes?: number
  /** The reader is done with a block before it asks for the next, so the store may write over it. False when left out. */
  readonly transient?: boolean
}

/**
 * PORT: a write-once object store of one operator in one country. It has no delete: retention ends by time.
 *
 * Every method takes an AbortSignal last and throws `STORE_UNREACHABLE` or `STORE_REFUSED` where the store cannot or will not answer.
 */
export abstract class ObjectStore {
  /** Whether it is reachable, versioned and locked. Never throws: what is wrong is in the report. */
  abstract inspect(signal?: AbortSignal): Promise<StoreReport>

  /**
   * Start writing an object.
   *
   * @param key - unique for the attempt; the store itself cannot always refuse a second put (Ceph ignores If-None-Match).
   * @throws EscrowError `OBJECT_EXISTS` when the key has a version already and `supersede` is not set.
   */
  abstract openUpload(
    key: ObjectKey,
    options: { readonly retainUntil: Date; readonly supersede?: boolean },
    signal?: AbortSignal,
  ): Promise<ObjectUpload>

  /** As `openUpload`, before the key is known. Left out by stores that have to be told a key first. */
  openNameless?(options: { readonly retainUntil: Date }, signal?: AbortSignal): Promise<NamelessUpload>

  /**
   * Read an object as a stream of blocks of at most 1 MiB.
   *
   * @throws EscrowError `OBJECT_MISSING` on the first block when there is no such object, version or range.
   */
  abstract get(key: ObjectKey, range?: ReadRange, signal?: AbortSignal): AsyncIterable<Uint8Array>

  /** The newest version, or null when there is none. */
  abstract stat(key: ObjectKey, signal?: AbortSignal): Promise<StoredObject | null>

  /** Every version of one object, newest first; empty when there is none. */
  abstract versions(key: ObjectKey, signal?: AbortSignal): Promise<readonly StoredObject[]>

  /** Newest versions under a prefix, in key order. `retainUntil` may be null here: listing does not read locks. */
  abstract list(prefix: string, signal?: AbortSignal): AsyncIterable<StoredObject>

  /**
   * Lengthen the retention of a version; never shortens.
   *
   * @returns what the store holds afterwards, read back.
   * @throws EscrowError `RETENTION_REFUSED`, `OBJECT_MISSING`
   */
  abstract extendRetention(key: ObjectKey, versionId: string, retainUntil: Date, signal?: AbortSignal): Promise<StoredObject>
}
