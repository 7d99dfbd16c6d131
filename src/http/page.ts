import { z } from 'zod'

/** Entries of one page when nobody says otherwise, and at most. */
const [usual, most] = [50, 200]

/**
 * The query of every list. A cursor is opaque to clients, and no secret: it is the last key of the page before, and a forged one shows nothing
 * that its viewer could not see anyway.
 */
export const PageQuery = z.object({
  limit: z.coerce.number().int().min(1).max(most).default(usual),
  cursor: z
    .string()
    .max(200)
    .regex(/^[A-Za-z0-9_-]+$/, 'expected a cursor as the page before gave it')
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
  return cursor === undefined ? '' : Buffer.from(cursor, 'base64url').toString('utf8').slice(0, 200)
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
