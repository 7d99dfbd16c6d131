// Pure: which version of an object on one replica counts, from the versions that lie there and the events that speak of them.
import type { StoredObject } from '../store/object-store.js'
import type { CopyState } from '../escrow/archive/copy.table.js'
import type { FixityOutcome } from './verify.table.js'

/** An event of the log about a copy on one replica. */
export type CopyEvent =
  | {
      readonly kind: 'found'
      readonly versionId: string
      readonly outcome: Exclude<FixityOutcome, 'match'>
      readonly foundDigest: string | null
      readonly at: Date
    }
  | { readonly kind: 'repaired'; readonly versionId: string; readonly at: Date }

/** A version as it belongs into the index. */
export interface CopyVersion {
  readonly versionId: string
  readonly state: CopyState
  /** As the store says; null when the version is not there any more, or has no lock. */
  readonly retainUntil: Date | null
  readonly checks: readonly Extract<CopyEvent, { kind: 'found' }>[]
}

/** What is known beside versions and events. */
export interface CopyExpectation {
  readonly sizeBytes: number
  /** The newest version counts, not the first: a receipt that was made again, the README. */
  readonly replaced: boolean
}

/**
 * The copies of an object on one replica.
 *
 * @param versions - newest first, as the store lists them; whoever can write to it can have added some.
 * @param events - of this object and replica, in the order of the log.
 * @returns at most one that is not superseded; empty when the replica never had the object.
 */
export function placeCopies(
  versions: readonly StoredObject[],
  events: readonly CopyEvent[],
  expected: CopyExpectation,
): readonly CopyVersion[] {
  const copies = new Map<string, CopyVersion>()
  const lockOf = (versionId: string) => versions.find((version) => version.versionId === versionId)?.retainUntil ?? null
  const place = (versionId: string) =>
    copies.set(versionId, { versionId, state: 'present', retainUntil: lockOf(versionId), checks: copies.get(versionId)?.checks ?? [] })
  // Versions that lie below the newest of a document that may be replaced were superseded by it.
  if (expected.replaced && events.length === 0) {
    for (const { versionId } of versions.toReversed())
      copies.set(versionId, { versionId, state: 'superseded', retainUntil: lockOf(versionId), checks: [] })
  }
  let current = firstVersion(versions, events, expected)
  if (current !== null) place(current)
  for (const event of events) {
    const before = current === null ? undefined : copies.get(current)
    if (event.kind === 'found') {
      if (before?.versionId === event.versionId)
        copies.set(event.versionId, { ...before, state: event.outcome, checks: [...before.checks, event] })
      continue
    }
    if (before !== undefined) copies.set(before.versionId, { ...before, state: 'superseded' })
    current = event.versionId
    place(current)
  }
  return [...copies.values()]
}

/** What was written first: the version that the first event speaks of, else the oldest of the right size. */
function firstVersion(versions: readonly StoredObject[], events: readonly CopyEvent[], expected: CopyExpectation): string | null {
  const [event] = events
  if (event?.kind === 'found') return event.versionId
  // Repaired without having been found bad: the replica had none.
  if (event?.kind === 'repaired') return null
  const inOrder = expected.replaced ? versions : versions.toReversed()
  return (inOrder.find((version) => version.sizeBytes === expected.sizeBytes) ?? inOrder[0])?.versionId ?? null
}
