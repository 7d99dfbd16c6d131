import { assert } from '../core/errors.js'
import type { GrowingBytes } from './growing-bytes.js'

/**
 * Bytes that lie nowhere: every block is given to all followers, and the next is made when all are done with it. One that stops is waited for no
 * more; the slowest sets the pace. Followers come before the first block.
 */
export class RelayedBytes implements GrowingBytes {
  private readonly followers = new Set<Follower>()
  private ended = false

  follow(signal: AbortSignal): AsyncIterableIterator<Uint8Array> {
    const follower = new Follower(signal, () => this.followers.delete(follower))
    this.followers.add(follower)
    return follower
  }

  again(): null {
    return null
  }

  /** Give a block to all. Calls must not overlap. @returns when nobody uses `bytes` any more; at once when nobody follows. */
  async give(bytes: Uint8Array): Promise<void> {
    assert(!this.ended, 'nothing comes after the end')
    await Promise.all([...this.followers].map((follower) => follower.give(bytes)))
  }

  /** Say that nothing more will come. Idempotent. */
  end(): void {
    this.ended = true
    for (const follower of this.followers) follower.end()
  }
}

type Next = IteratorResult<Uint8Array, undefined>
const over: Next = { done: true, value: undefined }

/** One reader and the block that it has, or waits for. */
class Follower implements AsyncIterableIterator<Uint8Array> {
  /** The reader waits. */
  private asked: { readonly resolve: (next: Next) => void; readonly reject: (reason: unknown) => void } | null = null
  /** A block waits for the reader, or for the reader to be done with it. */
  private given: { readonly bytes: Uint8Array; readonly done: () => void } | null = null
  private taken = false
  private ended = false
  private readonly stop = () => {
    this.asked?.reject(this.signal.reason)
    this.asked = null
    this.leave()
  }

  constructor(
    private readonly signal: AbortSignal,
    private readonly left: () => void,
  ) {
    signal.addEventListener('abort', this.stop, { once: true })
  }

  give(bytes: Uint8Array): Promise<void> {
    return new Promise((resolve) => {
      this.given = { bytes, done: resolve }
      this.taken = false
      this.answer()
    })
  }

  end(): void {
    this.ended = true
    this.answer()
  }

  next(): Promise<Next> {
    if (this.signal.aborted) return Promise.reject(this.signal.reason as Error)
    if (this.taken) this.release()
    return new Promise((resolve, reject) => {
      this.asked = { resolve, reject }
      this.answer()
    })
  }

  async return(): Promise<Next> {
    this.leave()
    return over
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  private answer(): void {
    if (this.asked === null) return
    const { resolve } = this.asked
    if (this.given !== null && !this.taken) {
      this.taken = true
      this.asked = null
      resolve({ done: false, value: this.given.bytes })
    } else if (this.ended) {
      this.asked = null
      this.leave()
      resolve(over)
    }
  }

  /** Done with the block. */
  private release(): void {
    const given = this.given
    this.given = null
    this.taken = false
    given?.done()
  }

  private leave(): void {
    this.ended = true
    this.signal.removeEventListener('abort', this.stop)
    this.left()
    this.release()
  }
}
