import type { FileHandle } from 'node:fs/promises'
import { assert, EscrowError } from '../core/errors.js'
import { translated } from './fs-durable.js'
import type { ObjectKey } from './object-key.js'
import type { ObjectUpload, StoredObject } from './object-store.js'

/** An upload into a temporary file: written, made read-only, synced once, then named. */
export class FsUpload implements ObjectUpload {
  private sentBytes = 0
  private state: 'open' | 'ended' = 'open'

  /**
   * @param handle - of the temporary file; closed here.
   * @param steps.place - names the finished file; called at most once.
   * @param steps.discard - removes the temporary file; never throws.
   */
  constructor(
    private readonly handle: FileHandle,
    private readonly steps: {
      readonly key: ObjectKey
      readonly signal: AbortSignal | undefined
      readonly place: () => Promise<StoredObject>
      readonly discard: () => Promise<void>
    },
  ) {}

  async write(bytes: Uint8Array): Promise<void> {
    assert(this.state === 'open', 'an upload is written to before it ends')
    this.steps.signal?.throwIfAborted()
    await translated(`store ${this.steps.key}`, async () => {
      for (let at = 0; at < bytes.length;) {
        const { bytesWritten } = await this.handle.write(bytes, at, bytes.length - at, this.sentBytes)
        at += bytesWritten
        this.sentBytes += bytesWritten
      }
    })
  }

  /** Syncing hundreds of megabytes takes seconds, which whoever completes would wait for. */
  async settle(): Promise<void> {
    assert(this.state === 'open', 'an upload is settled before it ends')
    this.steps.signal?.throwIfAborted()
    await translated(`store ${this.steps.key}`, () => this.handle.datasync())
  }

  async complete(): Promise<StoredObject> {
    assert(this.state === 'open', 'an upload is completed once')
    try {
      this.steps.signal?.throwIfAborted()
      await translated(`store ${this.steps.key}`, () => this.finish())
      const object = await this.steps.place()
      if (object.sizeBytes !== this.sentBytes) throw this.shortWrite(object.sizeBytes)
      return object
    } finally {
      await this.abort()
    }
  }

  async abort(): Promise<void> {
    if (this.state === 'ended') return
    this.state = 'ended'
    await this.handle.close().catch(() => undefined)
    await this.steps.discard()
  }

  private async finish(): Promise<void> {
    await this.handle.chmod(0o444)
    await this.handle.sync()
    const { size } = await this.handle.stat()
    if (size !== this.sentBytes) throw this.shortWrite(size)
  }

  private shortWrite(sizeBytes: number): EscrowError {
    return new EscrowError('STORE_SHORT_WRITE', `sent ${this.sentBytes} bytes of ${this.steps.key}, the store holds ${sizeBytes}`)
  }
}
