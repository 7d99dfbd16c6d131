import { z } from 'zod'
import { EscrowError } from '../core/errors.js'

/** Entries of one page when nobody says otherwise, and at most. */
const [usual, most] = [50, 200]

const expectedCursor = 'expected a cursor as the page before gave it'
/** Keys of ours are ids, names and numbers. PostgreSQL takes no NUL, and would call a cursor with one our fault. */
const keyPattern = /^[ -~]{1,150}$/

/**
 * The query of every list. A cursor is opaque to clients, and no secret: it is the last key of the page before, and a forged one shows nothing
 * that its viewer could not see anyway.
 */
export const PageQuery = z.object({
  limit: z.coerce.number().int().min(1).max(most).default(usual),
  cursor: z
    .string()
    .max(200)
    .regex(/^[A-Za-z0-9_-]+$/, expectedCursor)
    .refine((cursor) => keyPattern.test(keyIn(cursor)), expectedCursor)
    .optional(),
})
export type PageQuery = z.infer<typeof PageQuery>

/** The schema of a page. */
export const pageOf = <T extends z.ZodType>(entry: T) => z.object({ items: z.array(entry), next: z.string().nullable() })

/** A page of entries and the cursor of the next; null at the end. */
export interface Page<T> {
  readonly items: readonly T[]
  readonly next: string | null
}

/** The key behind a cursor; '' for the first page. */
export function afterOf({ cursor }: PageQuery): string {
  return cursor === undefined ? '' : keyIn(cursor)
}

/**
 * The number behind a cursor of a list whose entries are counted.
 *
 * @returns null for the first page.
 * @throws EscrowError `BODY_INVALID` for a cursor of another list: to begin again in silence would let a client turn in circles
 */
export function countAfterOf(query: PageQuery): number | null {
  const key = afterOf(query)
  if (key === '') return null
  if (!/^\d{1,15}$/.test(key)) throw strangeCursor()
  return Number(key)
}

/** The refusal of a cursor that this list has not given. */
export function strangeCursor(): EscrowError {
  return new EscrowError('BODY_INVALID', `/cursor: ${expectedCursor}`, { details: { pointer: '/cursor' } })
}

function keyIn(cursor: string): string {
  return Buffer.from(cursor, 'base64url').toString('latin1')
}

/** The cursor of the page that begins behind a key. */
export function cursorAfter(key: string): string {
  return Buffer.from(key).toString('base64url')
}

/**
 * A page of rows.
 *
 * @param rows - up to `limit` of them: a full page may be the last one, then the next is empty.
 * @param keyOf - what the next page begins after.
 */
export function pageFrom<Row, Entry>(
  rows: readonly Row[],
  query: PageQuery,
  how: { readonly keyOf: (row: Row) => string; readonly show: (row: Row) => Entry },
): Page<Entry> {
  const last = rows.length < query.limit ? undefined : rows.at(-1)
  return { items: rows.map(how.show), next: last === undefined ? null : cursorAfter(how.keyOf(last)) }
}
