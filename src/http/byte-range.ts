import { EscrowError } from '../core/errors.js'

/** A piece of something, from its first byte on. */
export interface ByteRange {
  readonly offset: number
  /** To the end when left out. */
  readonly sizeBytes?: number
}

/**
 * The one range that a client asks for (RFC 9110, section 14): `bytes=100-` to go on where a download stopped, `bytes=0-99` for a piece.
 *
 * @param header - attacker-controlled.
 * @returns null for the whole: no header, several ranges, or a suffix, which a server may ignore.
 * @throws EscrowError `RANGE_INVALID` when it ends before it begins
 */
export function parseRange(header: string | undefined): ByteRange | null {
  const [, first, last] = /^bytes=(\d{1,15})-(\d{1,15})?$/.exec(header?.trim() ?? '') ?? []
  if (first === undefined) return null
  const offset = Number(first)
  if (last === undefined) return { offset }
  const sizeBytes = Number(last) - offset + 1
  if (sizeBytes < 1) throw new EscrowError('RANGE_INVALID', 'expected a range that ends where it begins, or later')
  return { offset, sizeBytes }
}
