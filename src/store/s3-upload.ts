// Our own multipart loop: minio's putObject resumes stale uploads with part numbers off by one and reports success for 15.7 of 21 MB
// (DESIGN section 10). Every part's MD5 is compared with what the store says it kept, and so is the whole.
import { createHash } from 'node:crypto'
import type { Client } from 'minio'
import { assert, EscrowError, isEscrowError } from '../core/errors.js'
import { partBytes, partsMax } from '../core/limits.js'
import type { ObjectKey } from './object-key.js'
import type { ObjectUpload, StoredObject } from './object-store.js'
import type { S3Connection } from './s3-connection.js'
import { s3CodeOf } from './s3-fault.js'

const firstBufferBytes = 64 * 1024

/** A version that the store says it has, before anybody has looked at its lock. */
export interface PutVersion {
  readonly versionId: string
  readonly etag: string
}

/** What an upload needs from its store. */
export interface UploadSteps {
  readonly key: ObjectKey
  readonly signal: AbortSignal | undefined
  /** The newest version and its ETag, or null. */
  readonly newest: () => Promise<PutVersion | null>
  /** Lock the version and read back its size, ETag and retention. */
  readonly lock: (put: PutVersion, sentBytes: number) => Promise<StoredObject>
}

/** An upload of parts, each sent when it is full; an object of one part is sent in one request. */
export class S3Upload implements ObjectUpload {
  private buffer = Buffer.alloc(0)
  private filled = 0
  private sentBytes = 0
  private uploadId: string | null = null
  private readonly parts: { part: number; etag: string }[] = []
  private state: 'open' | 'ended' = 'open'

  constructor(
    private readonly connection: S3Connection,
    private readonly steps: UploadSteps,
  ) {}

  async write(bytes: Uint8Array): Promise<void> {
    assert(this.state === 'open', 'an upload is written to before it ends')
    this.steps.signal?.throwIfAborted()
    for (let at = 0; at < bytes.length;) {
      // A full part is sent only when more follows: a last part may be small, but an object of exactly one part is one request.
      if (this.filled === partBytes) await this.sendPart()
      const taken = bytes.subarray(at, at + partBytes - this.filled)
      this.reserve(this.filled + taken.length)
      this.buffer.set(taken, this.filled)
      this.filled += taken.length
      at += taken.length
    }
    this.sentBytes += bytes.length
  }

  async complete(): Promise<StoredObject> {
    assert(this.state === 'open', 'an upload is completed once')
    try {
      this.steps.signal?.throwIfAborted()
      const put = this.uploadId === null ? await this.putWhole() : await this.joinParts(this.uploadId)
      this.uploadId = null
      // If we stop here, the object is visible without a lock; the next run finds it and extends its retention (replica-upload.ts).
      return await this.steps.lock(put, this.sentBytes)
    } finally {
      await this.abort()
    }
  }

  async abort(): Promise<void> {
    this.state = 'ended'
    this.buffer = Buffer.alloc(0)
    const uploadId = this.uploadId
    if (uploadId === null) return
    this.uploadId = null
    // Without the caller's signal, which may be why we are here. What cannot be removed stays invisible; a lifecycle rule of the bucket may remove it.
    await this.connection
      .call({ doing: `give up ${this.steps.key}`, repeatable: false }, (client) =>
        client.abortMultipartUpload(this.connection.bucket, this.steps.key, uploadId),
      )
      .catch(() => undefined)
  }

  /** Small objects get a small buffer; memory grows to one part and no further. */
  private reserve(sizeBytes: number): void {
    if (sizeBytes <= this.buffer.length) return
    const grown = Buffer.allocUnsafe(Math.min(partBytes, Math.max(firstBufferBytes, sizeBytes, 2 * this.buffer.length)))
    this.buffer.copy(grown, 0, 0, this.filled)
    this.buffer = grown
  }

  private async sendPart(): Promise<void> {
    const { connection, steps } = this
    const payload = this.buffer.subarray(0, this.filled)
    const part = this.parts.length + 1
    if (part > partsMax) throw new EscrowError('STORE_REFUSED', `${steps.key} needs more than ${partsMax} parts`)
    const uploadId = (this.uploadId ??= await this.begin())
    const md5 = createHash('md5').update(payload).digest()
    const call = { doing: `store part ${part} of ${steps.key}`, signal: steps.signal, repeatable: true }
    const sent = await connection.call(call, (client) => {
      const headers = { 'Content-MD5': md5.toString('base64') }
      return client.uploadPart(
        { bucketName: connection.bucket, objectName: steps.key, uploadID: uploadId, partNumber: part, headers },
        payload,
      )
    })
    requireEtag(steps.key, md5.toString('hex'), sent.etag)
    this.parts.push({ part, etag: sent.etag })
    this.filled = 0
  }

  private begin(): Promise<string> {
    const { connection, steps } = this
    const call = { doing: `begin ${steps.key}`, signal: steps.signal, repeatable: true }
    return connection.call(call, async (client) => {
      const uploadId: unknown = await client.initiateNewMultipartUpload(connection.bucket, steps.key, { 'Content-Type': contentType })
      if (typeof uploadId === 'string' && /^[\w.~+=/-]{1,1024}$/.test(uploadId)) return encodeURIComponent(uploadId)
      throw new EscrowError('STORE_REFUSED', `cannot begin ${steps.key}: the store answered with no usable upload id`)
    })
  }

  private async joinParts(uploadId: string): Promise<PutVersion> {
    if (this.filled > 0) await this.sendPart()
    const { connection, steps, parts } = this
    const digest = createHash('md5').update(Buffer.from(parts.map(({ etag }) => etag).join(''), 'hex'))
    const etag = `${digest.digest('hex')}-${parts.length}`
    return this.finish(etag, (client) => client.completeMultipartUpload(connection.bucket, steps.key, decodeURIComponent(uploadId), parts))
  }

  private putWhole(): Promise<PutVersion> {
    const { connection, steps } = this
    const payload = this.buffer.subarray(0, this.filled)
    const etag = createHash('md5').update(payload).digest('hex')
    return this.finish(etag, (client) =>
      client.putObject(connection.bucket, steps.key, payload, payload.length, { 'Content-Type': contentType }),
    )
  }

  /** The request that makes the object visible: never sent twice, and looked up when its answer was lost. */
  private async finish(etag: string, work: (client: Client) => Promise<{ versionId: string | null }>): Promise<PutVersion> {
    const { connection, steps } = this
    let fault: unknown = null
    try {
      const put = await connection.call({ doing: `store ${steps.key}`, signal: steps.signal, repeatable: false }, work)
      if (put.versionId !== null) return { versionId: put.versionId, etag }
    } catch (error) {
      steps.signal?.throwIfAborted()
      if (!isEscrowError(error, 'STORE_UNREACHABLE') && s3CodeOf(error) !== 'NoSuchUpload') throw error
      fault = error
    }
    const newest = await steps.newest().catch(() => null)
    if (newest?.etag === etag) return { versionId: newest.versionId, etag }
    throw fault ?? new EscrowError('REPLICA_UNSUITABLE', `the store gave no version to ${steps.key}: is the bucket versioned?`)
  }
}

const contentType = 'application/octet-stream'

/**
 * Compare what a store says it kept with what was sent. An ETag is the MD5 of the bytes (for parts joined, of the parts' MD5s), unless
 * the store encrypts with keys of its own, which a store of ciphertext need not do.
 *
 * @throws EscrowError `STORE_SHORT_WRITE`
 */
export function requireEtag(key: ObjectKey, expected: string, got: string | undefined): void {
  if (got?.replaceAll('"', '').toLowerCase() === expected) return
  throw new EscrowError(
    'STORE_SHORT_WRITE',
    `the store kept other bytes of ${key} than were sent (ETag ${String(got).slice(0, 80)}, expected ${expected})`,
  )
}
