import { open } from 'node:fs/promises'
import { EscrowError } from '../core/errors.js'
import { readBlockBytes } from '../core/limits.js'
import type { GrowingBytes } from './growing-bytes.js'

/**
 * A file that somebody is still writing and others already read: its first bytes are final, the rest is to come. One writer calls
 * `advance` and `finish`; any number of readers wait in `beyond`, each at its own pace.
 */
export class GrowingFile implements GrowingBytes {
  private finalBytes = 0
  private finished = false
  private readonly waiting = new Set<() => void>()

  /** @param path - a file that exists already. */
  constructor(readonly path: string) {}

  /** A file that will not grow any more. @param sizeBytes - its length. */
  static finished(path: string, sizeBytes: number): GrowingFile {
    const file = new GrowingFile(path)
    file.finish(sizeBytes)
    return file
  }

  /** Say that the first bytes will never change again. @param finalBytes - from the beginning of the file; a smaller number than before is passed over. */
  advance(finalBytes: number): void {
    if (finalBytes <= this.finalBytes) return
    this.finalBytes = finalBytes
    this.wakeAll()
  }

  /** Say that nothing more will come. @param sizeBytes - the whole length. */
  finish(sizeBytes: number): void {
    this.finished = true
    this.advance(sizeBytes)
    this.wakeAll()
  }

  /** Wait until there is more than a reader has, or nothing more to come. Rejects with the signal's reason. */
  async beyond(offset: number, signal: AbortSignal): Promise<{ readonly finalBytes: number; readonly finished: boolean }> {
    while (this.finalBytes <= offset && !this.finished) await this.change(signal)
    signal.throwIfAborted()
    return { finalBytes: this.finalBytes, finished: this.finished }
  }

  /** Each follower at its own pace. The iteration fails with `FILE_UNREADABLE` when the file is shorter than its writer said. */
  async *follow(signal: AbortSignal): AsyncGenerator<Uint8Array, undefined> {
    const handle = await open(this.path, 'r')
    try {
      const block = Buffer.allocUnsafe(readBlockBytes)
      for (let readBytes = 0; ;) {
        const { finalBytes, finished } = await this.beyond(readBytes, signal)
        while (readBytes < finalBytes) {
          const { bytesRead } = await handle.read(block, 0, Math.min(block.length, finalBytes - readBytes), readBytes)
          if (bytesRead === 0)
            throw new EscrowError('FILE_UNREADABLE', `the sealed file ended at byte ${readBytes}, expected ${finalBytes}`)
          yield block.subarray(0, bytesRead)
          readBytes += bytesRead
        }
        if (finished) return undefined
      }
    } finally {
      await handle.close()
    }
  }

  again(sizeBytes: number): GrowingFile {
    return GrowingFile.finished(this.path, sizeBytes)
  }

  private change(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted()
    return new Promise((resolve, reject) => {
      const settle = (end: () => void) => () => {
        this.waiting.delete(wake)
        signal.removeEventListener('abort', stop)
        end()
      }
      const wake = settle(resolve)
      const stop = settle(() => reject(signal.reason as Error))
      this.waiting.add(wake)
      signal.addEventListener('abort', stop, { once: true })
    })
  }

  private wakeAll(): void {
    for (const wake of this.waiting) wake()
  }
}
