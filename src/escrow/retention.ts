// Pure: until when objects are locked. A chain is locked as one: whoever can still read its last incremental can read its base.
import { retainUntilMaxMs } from '../core/limits.js'
import type { Agreement, Source } from '../format/agreement.js'

const dayMs = 86_400_000

/**
 * Until when all objects of a chain are locked.
 *
 * @param baseTakenAt - when its full deposit was taken.
 * @returns so late that the last incremental, at most `fullEveryDays` younger, still has `retentionDays` before it.
 */
export function chainRetainUntil(
  agreement: Pick<Agreement, 'retentionDays'>,
  source: Pick<Source, 'fullEveryDays'>,
  baseTakenAt: Date,
): Date {
  return capped(baseTakenAt.getTime() + (agreement.retentionDays + source.fullEveryDays) * dayMs)
}

/** Until when the agreement's own documents are locked: as long as the last chain that begins before its end. */
export function documentRetainUntil(agreement: Pick<Agreement, 'endsAt' | 'retentionDays' | 'sources'>): Date {
  const longest = Math.max(0, ...agreement.sources.map((source) => source.fullEveryDays))
  return capped(Date.parse(agreement.endsAt) + (agreement.retentionDays + longest) * dayMs)
}

function capped(untilMs: number): Date {
  return new Date(Math.min(untilMs, retainUntilMaxMs))
}
