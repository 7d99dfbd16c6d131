import { expect, test } from 'vitest'
import { afterOf, countAfterOf, cursorAfter, PageQuery, pageFrom } from '../../../src/http/page.js'

const cursorOf = (bytes: string | Uint8Array) => Buffer.from(bytes).toString('base64url')

test.for(['agr_fzouyu2hznuzc7usifod', '12', `${'a'.repeat(64)} agr_fzouyu2hznuzc7usifod`, 'a'.repeat(150)])(
  'what a page gives as its cursor leads to the key it stands for: %s',
  (key) => {
    const { next } = pageFrom([key], PageQuery.parse({ limit: 1 }), { keyOf: (row) => row, show: (row) => row })
    expect(afterOf(PageQuery.parse({ cursor: next }))).toBe(key)
  },
)

// PostgreSQL refuses a NUL in any text: passed on, these were answered as a fault of the service.
test.for(['\0', 'agr_\0', '5\0', '\x01', '\x7f', 'ä', '\ufeff', Uint8Array.of(0xff, 0xfe), 'a'.repeat(151)])(
  'a cursor that stands for no key of ours is refused before it reaches a query: %j',
  (forged) => {
    expect(PageQuery.safeParse({ cursor: cursorOf(forged) }).success).toBe(false)
  },
)

test.for(['', 'A', '=', 'a b', '../..'])('a cursor that is not written as one is refused: %j', (cursor) => {
  expect(PageQuery.safeParse({ cursor }).success).toBe(false)
})

test('a list of numbers goes on behind its number, and begins without a cursor', () => {
  expect(countAfterOf(PageQuery.parse({}))).toBeNull()
  expect(countAfterOf(PageQuery.parse({ cursor: cursorAfter('0') }))).toBe(0)
  expect(countAfterOf(PageQuery.parse({ cursor: cursorAfter('999999999999999') }))).toBe(999_999_999_999_999)
})

test.for(['agr_fzouyu2hznuzc7usifod', '-1', '1e3', '0x10', ' 1', '1000000000000000'])(
  'a list of numbers refuses the cursor of another list instead of beginning again: %s',
  (key) => {
    const take = () => countAfterOf(PageQuery.parse({ cursor: cursorAfter(key) }))
    expect(take).toThrow(expect.objectContaining({ code: 'BODY_INVALID', details: { pointer: '/cursor' } }))
  },
)
