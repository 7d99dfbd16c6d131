import { EscrowError } from '../core/errors.js'

/**
 * The same chunks, given up when the next one takes too long. One timer for the whole stream: it is moved on, not made anew, because
 * thousands of chunks pass each second.
 *
 * @param idleTimeoutMs - 1 to 2^31 - 1; time in which the consumer is busy does not count.
 * @throws EscrowError `REMOTE_TIMEOUT` while iterating.
 */
export async function* withIdleLimit(
  source: AsyncIterable<Uint8Array>,
  idleTimeoutMs: number,
): AsyncGenerator<Uint8Array, void, undefined> {
  const iterator = source[Symbol.asyncIterator]()
  let giveUp: (error: EscrowError) => void = () => undefined
  const timer = setTimeout(() => {
    giveUp(new EscrowError('REMOTE_TIMEOUT', `the remote sent nothing for ${idleTimeoutMs} ms`))
  }, idleTimeoutMs)
  try {
    for (;;) {
      timer.refresh()
      const next = await new Promise<IteratorResult<Uint8Array>>((resolve, reject) => {
        giveUp = reject
        iterator.next().then(resolve, reject)
      })
      if (next.done === true) return
      giveUp = () => undefined
      yield next.value
    }
  } finally {
    clearTimeout(timer)
    // Not awaited: a source that hangs would hang us too; the caller kills what is behind it.
    iterator.return?.()?.catch(() => undefined)
  }
}
