import type { FileHandle } from 'node:fs/promises'
import { assert, EscrowError } from '../core/errors.js'
import { fsFault, translated } from './fs-durable.js'
import type { ObjectKey } from './object-key.js'
import type { NamelessUpload, ObjectUpload, StoredObject } from './object-store.js'

/** Of a large file the disk begins to write as soon as so much has come: at its end whoever completes would wait for all of it. */
const syncBytes = 64 * 1024 * 1024

/** An upload into a temporary file: written, made read-only, synced once, then named. */
export class FsUpload implements NamelessUpload {
  private sentBytes = 0
  private syncedBytes = 0
  /** What the disk is doing with the first bytes meanwhile; never rejects. */
  private syncing: Promise<void> | null = null
  private syncFault: unknown = null
  private state: 'open' | 'ended' = 'open'

  /**
   * @param handle - of the temporary file; closed here.
   * @param steps.what - what words call it: its key where that is known.
   * @param steps.place - names the finished file; called at most once.
   * @param steps.discard - removes the temporary file; never throws.
   */
  constructor(
    private readonly handle: FileHandle,
    private readonly steps: {
      readonly what: string
      readonly signal: AbortSignal | undefined
      readonly place: (key: ObjectKey) => Promise<StoredObject>
      readonly discard: () => Promise<void>
    },
  ) {}

  async write(bytes: Uint8Array): Promise<void> {
    assert(this.state === 'open', 'an upload is written to before it ends')
    this.steps.signal?.throwIfAborted()
    await translated(`store ${this.steps.what}`, async () => {
      for (let at = 0; at < bytes.length;) {
        const { bytesWritten } = await this.handle.write(bytes, at, bytes.length - at, this.sentBytes)
        at += bytesWritten
        this.sentBytes += bytesWritten
      }
    })
    this.syncBehind()
    this.requireSynced()
  }

  /** Syncing hundreds of megabytes takes seconds, which whoever completes would wait for. */
  async settle(): Promise<void> {
    assert(this.state === 'open', 'an upload is settled before it ends')
    this.steps.signal?.throwIfAborted()
    await this.syncing
    this.requireSynced()
    await translated(`store ${this.steps.what}`, () => this.handle.datasync())
  }

  async complete(key: ObjectKey): Promise<StoredObject> {
    assert(this.state === 'open', 'an upload is completed once')
    try {
      this.steps.signal?.throwIfAborted()
      await translated(`store ${this.steps.what}`, () => this.finish())
      const object = await this.steps.place(key)
      if (object.sizeBytes !== this.sentBytes) throw this.shortWrite(object.sizeBytes)
      return object
    } finally {
      await this.abort()
    }
  }

  async abort(): Promise<void> {
    if (this.state === 'ended') return
    this.state = 'ended'
    await this.syncing
    await this.handle.close().catch(() => undefined)
    await this.steps.discard()
  }

  /** Let the disk write what has come so far while more comes, one stretch at a time. */
  private syncBehind(): void {
    if (this.syncing !== null || this.sentBytes - this.syncedBytes < syncBytes) return
    this.syncedBytes = this.sentBytes
    this.syncing = this.handle
      .datasync()
      .catch((error: unknown) => void (this.syncFault = error))
      .finally(() => void (this.syncing = null))
  }

  /** The system tells of a page that it could not write once, and the next sync finds nothing wrong (fsync(2), "Errors"). */
  private requireSynced(): void {
    if (this.syncFault !== null) throw fsFault(this.syncFault, `store ${this.steps.what}`)
  }

  private async finish(): Promise<void> {
    await this.syncing
    this.requireSynced()
    await this.handle.chmod(0o444)
    await this.handle.sync()
    const { size } = await this.handle.stat()
    if (size !== this.sentBytes) throw this.shortWrite(size)
  }

  private shortWrite(sizeBytes: number): EscrowError {
    return new EscrowError('STORE_SHORT_WRITE', `sent ${this.sentBytes} bytes of ${this.steps.what}, the store holds ${sizeBytes}`)
  }
}

/** An upload whose key is known from the beginning. */
export class FsKeyedUpload extends FsUpload implements ObjectUpload {
  /** As `FsUpload`. */
  constructor(
    private readonly key: ObjectKey,
    ...of: ConstructorParameters<typeof FsUpload>
  ) {
    super(...of)
  }

  override complete(): Promise<StoredObject> {
    return super.complete(this.key)
  }
}
