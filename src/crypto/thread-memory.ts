import { MessageChannel } from 'node:worker_threads'
import { assert } from '../core/errors.js'

/** Memory that other threads can read where it lies. @param sizeBytes - 0 or more. */
export function threadMemory(sizeBytes: number): Uint8Array {
  return Buffer.from(new SharedArrayBuffer(sizeBytes))
}

/**
 * Copy bytes into memory that other threads can read: `set` goes there word by word, as if another thread wrote meanwhile, at a third of the speed.
 *
 * @param at - where in `target` they begin; all of them fit.
 */
export function copyTo(target: Uint8Array, at: number, bytes: Uint8Array): void {
  assert(at + bytes.byteLength <= target.byteLength, 'what is copied fits')
  // The bytes as a pattern that fits once; no bytes would be a pattern of zeros.
  if (bytes.byteLength > 0) Buffer.prototype.fill.call(target, bytes, at, at + bytes.byteLength)
}

/** Two buffers in turn: new memory for each block would cost the page faults of every byte. */
export class BuffersInTurn {
  #next: Uint8Array = new Uint8Array(0)
  #other: Uint8Array = new Uint8Array(0)

  /** A buffer that is one's own until the call after the next. Its bytes are whatever they were. */
  take(sizeBytes: number): Uint8Array {
    const buffer = this.#next.byteLength < sizeBytes ? threadMemory(sizeBytes) : this.#next
    this.#next = this.#other
    this.#other = buffer
    return buffer.subarray(0, sizeBytes)
  }
}

/** Both ends are closed: what is sent is taken from the sender and freed. */
const { port1: nowhere } = new MessageChannel()
nowhere.close()

/** What is smaller weighs nothing with V8; and node:buffer makes small ones in memory that others use as well. */
const givenBackMin = 32 * 1024

/**
 * Free the memory of a buffer at once; its length is 0 from then on. The ciphers of node:crypto make a new buffer of every chunk, and V8 looks
 * for unused ones with a full collection every 64 MB: of a gigabyte that was sealed and opened, collections were a seventh of all processor time.
 *
 * @param bytes - nobody else may hold or use them. Memory that is shared, small, or only partly theirs is left alone.
 */
export function giveBack(bytes: Uint8Array): void {
  const { buffer } = bytes
  if (!(buffer instanceof ArrayBuffer) || bytes.byteLength < givenBackMin || bytes.byteLength !== buffer.byteLength) return
  // eslint-disable-next-line unicorn/require-post-message-target-origin -- a port has no origin
  nowhere.postMessage(null, [buffer])
}
