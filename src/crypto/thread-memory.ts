/** Memory that other threads can read where it lies. @param sizeBytes - 0 or more. */
export function threadMemory(sizeBytes: number): Uint8Array {
  return Buffer.from(new SharedArrayBuffer(sizeBytes))
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
