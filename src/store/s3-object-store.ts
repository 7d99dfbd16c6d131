// ADAPTER for S3 with object lock. The store's answers are not trusted: sizes, digests and retention are read back, keys that are not
// ours are passed over, and an answer that cannot be understood is no answer. Write-once comes from unique keys and the index, not from
// the store: Ceph ignores If-None-Match on versioned buckets (DESIGN section 10).
import type { IncomingMessage } from 'node:http'
import type { Client } from 'minio'
import { EscrowError, isEscrowError } from '../core/errors.js'
import { storeAttemptsMax } from '../core/limits.js'
import { parseKeyPrefix, parseObjectKey, type ObjectKey } from './object-key.js'
import { ObjectStore, type ObjectUpload, type ReadRange, type StoredObject, type StoreReport } from './object-store.js'
import { resolveRange } from './read-range.js'
import { inspectBucket } from './s3-bucket.js'
import { S3Connection, type S3Address } from './s3-connection.js'
import { s3CodeOf, s3Fault } from './s3-fault.js'
import { listVersions, type VersionRow } from './s3-listing.js'
import { requireEtag, S3Upload, type PutVersion } from './s3-upload.js'

const versionIdShape = /^[\w.~-]{1,1024}$/

/** ADAPTER: a write-once object store in a bucket with versioning and object lock. Owns nothing that must be closed. */
export class S3ObjectStore extends ObjectStore {
  private readonly connection: S3Connection

  /** @throws EscrowError `CONFIG_INVALID` */
  constructor(address: S3Address) {
    super()
    this.connection = new S3Connection(address)
  }

  inspect(signal?: AbortSignal): Promise<StoreReport> {
    return inspectBucket(this.connection, signal)
  }

  async openUpload(
    key: ObjectKey,
    options: { readonly retainUntil: Date; readonly supersede?: boolean },
    signal?: AbortSignal,
  ): Promise<ObjectUpload> {
    parseObjectKey(key)
    if (options.supersede !== true && (await this.head(key, undefined, signal)) !== null) {
      throw new EscrowError('OBJECT_EXISTS', `${key} is stored already, and objects are written once`)
    }
    return new S3Upload(this.connection, {
      key,
      signal,
      newest: () => this.head(key, undefined, signal),
      lock: (put, sentBytes) => this.lock(key, { ...put, sentBytes, retainUntil: options.retainUntil }, signal),
    })
  }

  async *get(key: ObjectKey, range: ReadRange = {}, signal?: AbortSignal): AsyncIterable<Uint8Array> {
    parseObjectKey(key)
    requireVersionShape(key, range.versionId)
    if (range.sizeBytes === 0) {
      await this.resolveByHead(key, range, signal)
      return
    }
    const reading = { versionId: range.versionId, offset: range.offset ?? 0, end: null as number | null }
    for (let silent = 0; ;) {
      const before = reading.offset
      try {
        yield* this.readFrom(key, range, reading, signal)
        return
      } catch (error) {
        signal?.throwIfAborted()
        const fault = s3Fault(error, `read ${key} in bucket ${this.connection.bucket}`)
        silent = reading.offset > before ? 0 : silent + 1
        if (fault.code !== 'STORE_UNREACHABLE' || silent >= storeAttemptsMax || reading.end === null) throw fault
      }
    }
  }

  async stat(key: ObjectKey, signal?: AbortSignal): Promise<StoredObject | null> {
    parseObjectKey(key)
    const held = await this.head(key, undefined, signal)
    if (held === null) return null
    return { key, versionId: held.versionId, sizeBytes: held.sizeBytes, retainUntil: await this.retention(key, held.versionId, signal) }
  }

  async versions(key: ObjectKey, signal?: AbortSignal): Promise<readonly StoredObject[]> {
    parseObjectKey(key)
    const found: StoredObject[] = []
    for await (const row of listVersions(this.connection, key, signal)) {
      if (row.name > key) break
      if (row.name !== key || row.isDeleteMarker) continue
      found.push(stored(key, row, await this.retention(key, row.versionId, signal)))
    }
    return found
  }

  async *list(prefix: string, signal?: AbortSignal): AsyncIterable<StoredObject> {
    parseKeyPrefix(prefix)
    for await (const row of listVersions(this.connection, prefix, signal)) {
      const key = row.isLatest && !row.isDeleteMarker ? keyOrNull(row.name) : null
      if (key !== null) yield stored(key, row, null)
    }
  }

  async extendRetention(key: ObjectKey, versionId: string, retainUntil: Date, signal?: AbortSignal): Promise<StoredObject> {
    parseObjectKey(key)
    requireVersionShape(key, versionId)
    const held = await this.head(key, versionId, signal)
    if (held === null) throw missing(key, versionId)
    const before = await this.retention(key, versionId, signal)
    if (before !== null && before >= retainUntil) return { key, versionId, sizeBytes: held.sizeBytes, retainUntil: before }
    return this.lock(key, { versionId, etag: held.etag, sentBytes: held.sizeBytes, retainUntil }, signal)
  }

  /** Set the lock of a version, and believe only what the store says afterwards. */
  private async lock(
    key: ObjectKey,
    { versionId, etag, sentBytes, retainUntil }: PutVersion & { readonly sentBytes: number; readonly retainUntil: Date },
    signal?: AbortSignal,
  ): Promise<StoredObject> {
    // Some stores keep whole seconds; rounded up, nothing is kept for less than was promised.
    const retainUntilDate = new Date(Math.ceil(retainUntil.getTime() / 1000) * 1000).toISOString()
    try {
      await this.call(`lock ${key}`, signal, (client, bucket) =>
        client.putObjectRetention(bucket, key, { mode: 'COMPLIANCE', retainUntilDate, versionId }),
      )
    } catch (error) {
      if (!isEscrowError(error, 'STORE_REFUSED')) throw error
      throw new EscrowError('RETENTION_REFUSED', error.message, { cause: error, details: error.details })
    }
    const held = await this.head(key, versionId, signal)
    if (held === null) throw missing(key, versionId)
    if (held.sizeBytes !== sentBytes)
      throw new EscrowError('STORE_SHORT_WRITE', `sent ${sentBytes} bytes of ${key}, the store holds ${held.sizeBytes}`)
    requireEtag(key, etag, held.etag)
    const until = await this.retention(key, versionId, signal)
    if (until !== null && until >= retainUntil) return { key, versionId, sizeBytes: held.sizeBytes, retainUntil: until }
    throw new EscrowError(
      'RETENTION_REFUSED',
      `expected ${key} to be locked until ${retainUntilDate}, the store says ${until?.toISOString() ?? 'not at all'}`,
    )
  }

  /** Null when there is no such object; a bucket that is missing or closed is a refusal, not an archive that lost everything. */
  private async head(key: ObjectKey, versionId: string | undefined, signal?: AbortSignal) {
    try {
      const held = await this.call(`read ${key}`, signal, (client, bucket) =>
        client.statObject(bucket, key, versionId === undefined ? {} : { versionId }),
      )
      if (!Number.isSafeInteger(held.size) || held.size < 0) throw new EscrowError('STORE_UNREACHABLE', `the store gave no size of ${key}`)
      return { versionId: versionId ?? held.versionId ?? 'null', sizeBytes: held.size, etag: held.etag.toLowerCase() }
    } catch (error) {
      if (versionId !== undefined && s3CodeOf(error) === 'InvalidArgument') return null
      if (!isEscrowError(error, 'OBJECT_MISSING')) throw error
      const exists = await this.call(`read ${key}`, signal, (client, bucket) => client.bucketExists(bucket))
      if (!exists) throw new EscrowError('STORE_REFUSED', `cannot read ${key}: there is no bucket ${this.connection.bucket}`)
      return null
    }
  }

  /** Only a COMPLIANCE lock is a lock: whoever holds the right permission can lift any other. */
  private async retention(key: ObjectKey, versionId: string, signal?: AbortSignal): Promise<Date | null> {
    try {
      const held = await this.call(`read the lock of ${key}`, signal, (client, bucket) =>
        client.getObjectRetention(bucket, key, { versionId }),
      )
      const until = new Date(held?.retainUntilDate ?? '')
      return held?.mode === 'COMPLIANCE' && !Number.isNaN(until.getTime()) ? until : null
    } catch (error) {
      const code = s3CodeOf(error)
      if (code === 'NoSuchObjectLockConfiguration' || code === 'ObjectLockConfigurationNotFoundError') return null
      throw error
    }
  }

  /** Blocks from where `reading` stands; what has been given is noted there, so that a broken connection is taken up again. */
  private async *readFrom(
    key: ObjectKey,
    range: ReadRange,
    reading: { versionId: string | undefined; offset: number; end: number | null },
    signal?: AbortSignal,
  ): AsyncIterable<Uint8Array> {
    const asked = (range.offset ?? 0) + (range.sizeBytes ?? 0)
    const wanted = reading.end ?? (range.sizeBytes === undefined ? null : asked)
    const response = await this.openRead(key, { versionId: reading.versionId, offset: reading.offset, end: wanted }, signal)
    if (response === null) {
      await this.resolveByHead(key, range, signal)
      return
    }
    try {
      const length = Number(response.headers['content-length'])
      if (!Number.isSafeInteger(length)) throw new Error('the store gave no length')
      if (wanted !== null && reading.offset + length !== wanted) await this.resolveByHead(key, range, signal)
      // A broken connection is taken up in the same version: a newer one may have come meanwhile.
      reading.versionId ??= typeof response.headers['x-amz-version-id'] === 'string' ? response.headers['x-amz-version-id'] : undefined
      reading.end = reading.offset + length
      for await (const block of response as AsyncIterable<Buffer>) {
        reading.offset += block.length
        if (reading.offset > reading.end) throw new EscrowError('OBJECT_CORRUPT', `the store gave more of ${key} than it announced`)
        yield block
      }
      if (reading.offset < reading.end) throw new Error('the answer ended early')
    } finally {
      response.destroy()
    }
  }

  /** Null when the store has no byte in the range. */
  private async openRead(
    key: ObjectKey,
    { versionId, offset, end }: { readonly versionId: string | undefined; readonly offset: number; readonly end: number | null },
    signal?: AbortSignal,
  ): Promise<IncomingMessage | null> {
    const call = { doing: `read ${key}`, signal, repeatable: true, streamed: true }
    try {
      const opened = await this.connection.call(call, (client) =>
        client.getPartialObject(
          this.connection.bucket,
          key,
          offset,
          end === null ? 0 : end - offset,
          versionId === undefined ? {} : { versionId },
        ),
      )
      return opened as IncomingMessage
    } catch (error) {
      if (s3CodeOf(error) === 'InvalidRange') return null
      if (versionId !== undefined && s3CodeOf(error) === 'InvalidArgument') throw missing(key, versionId)
      throw error
    }
  }

  /** Say what is wrong with a range that the store did not give whole; nothing when it is empty. */
  private async resolveByHead(key: ObjectKey, range: ReadRange, signal?: AbortSignal): Promise<void> {
    const held = await this.head(key, range.versionId, signal)
    if (held === null) throw missing(key, range.versionId)
    const { offset, end } = resolveRange(key, range, held.sizeBytes)
    if (offset < end) throw new EscrowError('STORE_UNREACHABLE', `the store gave less of ${key} than it says it holds`)
  }

  private call<T>(doing: string, signal: AbortSignal | undefined, work: (client: Client, bucket: string) => Promise<T>): Promise<T> {
    return this.connection.call({ doing, signal, repeatable: true }, (client) => work(client, this.connection.bucket))
  }
}

function stored(key: ObjectKey, row: VersionRow, retainUntil: Date | null): StoredObject {
  return { key, versionId: row.versionId, sizeBytes: row.size, retainUntil }
}

function keyOrNull(name: string): ObjectKey | null {
  try {
    return parseObjectKey(name)
  } catch {
    return null
  }
}

function requireVersionShape(key: ObjectKey, versionId: string | undefined): void {
  if (versionId !== undefined && !versionIdShape.test(versionId)) throw missing(key, undefined)
}

const missing = (key: ObjectKey, versionId: string | undefined) =>
  new EscrowError('OBJECT_MISSING', `the store has no ${versionId === undefined ? '' : `version ${versionId} of `}${key}`)
