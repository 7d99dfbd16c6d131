/** Bytes that somebody is still making, and others take already. Followers see all of them, from the beginning. */
export interface GrowingBytes {
  /**
   * Follow them. Whoever follows is waited for from now on, so it reads to the end or ends the iteration, also when it has not begun.
   *
   * @param signal - rejects what is waited for with its reason.
   * @returns blocks of at most 1 MiB; each is done with when the next is asked for. They end when the bytes do.
   */
  follow(signal: AbortSignal): AsyncIterableIterator<Uint8Array>

  /** The same bytes once more; null when they are gone. @param sizeBytes - all of them. */
  again(sizeBytes: number): GrowingBytes | null
}
