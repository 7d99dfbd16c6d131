const nothing: Uint8Array = new Uint8Array(0)

/**
 * Takes counted bytes and lines from chunks of any size. What it gives are views of the chunks that arrived, valid until the next
 * read; bytes are joined only where a request crosses chunks, and then once, however small the chunks are.
 */
export class ByteReader {
  readonly #source: AsyncIterator<Uint8Array>
  #chunk = nothing
  #offset = 0

  /** @param source - read only by this object from now on; `close` ends it. */
  constructor(source: AsyncIterable<Uint8Array>) {
    this.#source = source[Symbol.asyncIterator]()
  }

  /** Bytes that can be taken without waiting. */
  get available(): number {
    return this.#chunk.length - this.#offset
  }

  /**
   * Wait until `count` bytes are available.
   *
   * @returns false if the stream ends first; what is left stays available.
   */
  async need(count: number): Promise<boolean> {
    if (this.available >= count) return true
    const parts: Uint8Array[] = this.available === 0 ? [] : [this.#chunk.subarray(this.#offset)]
    let have = this.available
    while (have < count) {
      const { value, done } = await this.#source.next()
      if (done === true) break
      parts.push(value)
      have += value.length
    }
    this.#chunk = parts.length === 1 && parts[0] !== undefined ? parts[0] : Buffer.concat(parts)
    this.#offset = 0
    return have >= count
  }

  /** The next bytes, at most `count` and at most what is available; they stay where they are. */
  peek(count: number): Uint8Array {
    return this.#chunk.subarray(this.#offset, this.#offset + count)
  }

  /** The next bytes, at most `count` and at most what is available. */
  take(count: number): Uint8Array {
    const bytes = this.#chunk.subarray(this.#offset, this.#offset + count)
    this.#offset += bytes.length
    return bytes
  }

  /**
   * The next line without its line feed.
   *
   * @returns null if the stream ends, or if no line feed comes within `bytesMax` bytes.
   */
  async line(bytesMax: number): Promise<string | null> {
    for (let want = 1; want <= bytesMax; want = this.available + 1) {
      const isThere = await this.need(want)
      const end = this.#chunk.indexOf(0x0a, this.#offset)
      if (end !== -1) {
        const line = Buffer.from(this.#chunk.subarray(this.#offset, end)).toString('utf8')
        this.#offset = end + 1
        return line
      }
      if (!isThere) return null
    }
    return null
  }

  /** The next line without its line feed, if it lies within the first `bytesMax` bytes that have arrived; null otherwise. It stays where it is. */
  peekLine(bytesMax: number): string | null {
    const some = this.peek(bytesMax)
    const end = some.indexOf(0x0a)
    return end === -1 ? null : Buffer.from(some.buffer, some.byteOffset, end).toString('latin1')
  }

  /** Everything that follows, in the chunks in which it comes. Nothing else may be read afterwards. */
  async *rest(): AsyncGenerator<Uint8Array, void, undefined> {
    if (this.available > 0) yield this.take(this.available)
    for (;;) {
      const { value, done } = await this.#source.next()
      if (done === true) return
      yield value
    }
  }

  /** End the source early. Idempotent. */
  async close(): Promise<void> {
    await this.#source.return?.()
  }
}
