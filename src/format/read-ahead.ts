/** Asked for ahead of the one that is worked on: enough to hide the latency of a store, few enough to be polite. */
const aheadMax = 16

/**
 * Ask for many things at once and take them in their order.
 *
 * @param ask - its promise is waited for in its turn; what it throws comes out there.
 */
export async function* readAhead<T, R>(items: Iterable<T>, ask: (item: T) => Promise<R>): AsyncGenerator<R> {
  const waiting: Promise<R>[] = []
  for (const item of items) {
    const asked = ask(item)
    // Its turn will come; until then a rejection must not count as unhandled.
    asked.catch(() => undefined)
    waiting.push(asked)
    const first = waiting.length < aheadMax ? undefined : waiting.shift()
    if (first !== undefined) yield await first
  }
  for (const asked of waiting) yield await asked
}
