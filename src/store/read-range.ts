import { EscrowError } from '../core/errors.js'
import type { ObjectKey } from './object-key.js'
import type { ReadRange } from './object-store.js'

/**
 * The first byte and the byte after the last of what is to be read.
 *
 * @param heldBytes - how many bytes the store holds.
 * @throws EscrowError `OBJECT_MISSING` when the object ends before the range does: less than was asked is never given in silence.
 */
export function resolveRange(key: ObjectKey, range: ReadRange, heldBytes: number): { readonly offset: number; readonly end: number } {
  const offset = range.offset ?? 0
  const end = range.sizeBytes === undefined ? heldBytes : offset + range.sizeBytes
  if (!Number.isSafeInteger(offset) || !Number.isSafeInteger(end) || offset < 0 || end < offset || end > heldBytes) {
    throw new EscrowError('OBJECT_MISSING', `${key} has ${heldBytes} bytes, asked for ${offset} to ${end}`)
  }
  return { offset, end }
}
