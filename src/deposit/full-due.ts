const dayMs = 86_400_000

/** Why a full deposit is due, or null while an incremental will do. */
export function fullDue(
  source: { readonly fullAt: Date | null; readonly chainLength: number; readonly fullEveryDays: number; readonly chainLengthMax: number },
  now: Date,
): 'first' | 'age' | 'length' | null {
  if (source.fullAt === null) return 'first'
  // A chain is never younger than its lock allows, whatever the clock does.
  if (now.getTime() - source.fullAt.getTime() >= source.fullEveryDays * dayMs) return 'age'
  return source.chainLength >= source.chainLengthMax ? 'length' : null
}
