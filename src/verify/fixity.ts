// Pure: what reading a copy means, and when it is to be read again.
import { isEscrowError, type EscrowError } from '../core/errors.js'
import type { FixityOutcome } from './verify.table.js'

const dayMs = 86_400_000
/** A bad copy is looked at again soon: a repair may have been made by hand, and a store may come back. */
const againDays = 1
const freshDays = 7

/** What a full read of a copy gave. */
export interface ReadCopy {
  readonly outcome: FixityOutcome
  /** What the bytes had instead; null when they matched or could not be read. */
  readonly foundDigest: string | null
}

/** Compare what was read with what must be there. */
export function judgeCopy(
  expected: { readonly digest: string; readonly sizeBytes: number },
  found: { readonly sha256: string; readonly sizeBytes: number },
): ReadCopy {
  const matches = found.sha256 === expected.digest && found.sizeBytes === expected.sizeBytes
  return matches ? { outcome: 'match', foundDigest: null } : { outcome: 'mismatch', foundDigest: found.sha256 }
}

/**
 * What a failed read says. `unreadable` is no claim about the bytes: the store did not answer, or answered with a fault.
 */
export function judgeFault(error: EscrowError): ReadCopy {
  return { outcome: isEscrowError(error, 'OBJECT_MISSING') ? 'missing' : 'unreadable', foundDigest: null }
}

/**
 * When a copy is to be read again.
 *
 * What is fresh is read sooner: as soon as it is published, after a week, and then after twice its age, until it has the interval of old copies.
 * Faults of writing show early; a disk that ages does not care how old a copy is.
 *
 * @param rule.everyDays - how often every byte is to be read, 1 to 366. @param rule.storedAt - when the copy was written.
 */
export function nextCheck(outcome: FixityOutcome, rule: { readonly everyDays: number; readonly storedAt: Date }, now: Date): Date {
  const ageDays = Math.max(0, (now.getTime() - rule.storedAt.getTime()) / dayMs)
  const days = outcome === 'match' ? Math.max(freshDays, 2 * ageDays) : againDays
  return new Date(now.getTime() + Math.min(days, rule.everyDays) * dayMs)
}
