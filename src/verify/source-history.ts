// Pure: what the events of a source say of it, one after the other, as `escrow/archive/source.table.ts` has recorded it.
import { periodAfter, type Period, type Rhythm } from '../escrow/source/schedule.js'
import type { SourceRow } from '../escrow/archive/source.table.js'
import type { Event } from '../format/event.js'
import type { Manifest } from '../format/manifest.js'

/** The part of a source's row that its events tell. */
export type SourceProgress = Pick<
  SourceRow,
  | 'periodAt'
  | 'deadlineAt'
  | 'dueAt'
  | 'lookAt'
  | 'refsDigest'
  | 'manifestDigest'
  | 'nextSequence'
  | 'fullSequence'
  | 'fullAt'
  | 'chainLength'
  | 'freshAt'
>

/** A source before its first event. */
export function untouched(first: Period): SourceProgress {
  const none = { refsDigest: null, manifestDigest: null, nextSequence: 1, fullSequence: null, fullAt: null, chainLength: 0, freshAt: null }
  return { ...none, ...due(first) }
}

/** After a deposit. @param manifestDigest - of `manifest`. */
export function afterDeposit(source: SourceProgress, rhythm: Rhythm, manifest: Manifest, manifestDigest: string): SourceProgress {
  const { sequence, kind, refsDigest } = manifest
  const takenAt = new Date(manifest.takenAt)
  const chain = kind === 'full' ? { fullSequence: sequence, fullAt: takenAt, chainLength: 0 } : { chainLength: source.chainLength + 1 }
  const fresh = { freshAt: takenAt, nextSequence: sequence + 1, refsDigest, manifestDigest }
  return { ...source, ...fresh, ...chain, ...due(periodAfter(rhythm, takenAt)) }
}

/** After an event that brought no deposit. Failures move nothing: only a deposit meets the schedule. */
export function afterEvent(source: SourceProgress, rhythm: Rhythm, event: Event): SourceProgress {
  if (event.type === 'escrow/event/deposit-unchanged/v1') {
    const at = new Date(event.at)
    return { ...source, freshAt: at, ...due(periodAfter(rhythm, at)) }
  }
  if (event.type !== 'escrow/event/deposit-missed/v1') return source
  // What is late is still wanted: it stays due.
  const { periodAt, deadlineAt } = periodAfter(rhythm, new Date(event.dueAt))
  return { ...source, periodAt, deadlineAt }
}

const due = ({ periodAt, deadlineAt }: Period) => ({ periodAt, deadlineAt, dueAt: periodAt, lookAt: periodAt })
