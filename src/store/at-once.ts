/**
 * Do the same with many things, a few of them at a time: what waits for a disk or a network waits together.
 *
 * @param atOnceMax - how many may be under way; at least 1.
 * @returns results in the order of `things`; empty for none.
 * @throws the first failure in that order, after everything that was begun has ended; nothing is begun after a failure.
 */
export async function someAtOnce<T, R>(things: readonly T[], atOnceMax: number, work: (thing: T) => Promise<R>): Promise<readonly R[]> {
  const results = new Map<number, R>()
  const failures = new Map<number, unknown>()
  const queue = things.entries()
  const worker = async () => {
    for (const [place, thing] of queue) {
      if (failures.size > 0) return
      try {
        results.set(place, await work(thing))
      } catch (error) {
        failures.set(place, error)
      }
    }
  }
  await Promise.all(Array.from({ length: Math.min(things.length, atOnceMax) }, worker))
  const first = [...failures.keys()].sort((left, right) => left - right)[0]
  if (first !== undefined) throw failures.get(first)
  return [...results].sort(([left], [right]) => left - right).map(([, result]) => result)
}
