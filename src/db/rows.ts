import { assert } from '../core/errors.js'
import { rowsMax } from '../core/limits.js'

/**
 * The first row of a result, for statements that always give one.
 *
 * @throws BugError when there is none.
 */
export function only<T>(rows: readonly T[]): T {
  const [row] = rows
  assert(row !== undefined, 'expected a row')
  return row
}

/** The first row of a result, or null. */
export function first<T>(rows: readonly T[]): T | null {
  return rows[0] ?? null
}

/**
 * Check a page size.
 *
 * @throws BugError outside 1 to `rowsMax`.
 */
export function page(limit: number): number {
  assert(Number.isInteger(limit) && limit >= 1 && limit <= rowsMax, `expected a page of 1 to ${rowsMax} rows, got ${limit}`)
  return limit
}
