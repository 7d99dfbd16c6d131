import { sql } from 'drizzle-orm'
import { integer, pgTable, text } from 'drizzle-orm/pg-core'
import * as ofDrizzle from 'drizzle-orm/utils'
import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { BugError } from '../../../src/core/errors.js'
import { count, digest, instant } from '../../../src/db/columns.js'
import { mapQuickly, rowMapper } from '../../../src/db/row-mapper.js'

/** Exported, but left out of the types. */
const { mapResultRow } = ofDrizzle as unknown as {
  readonly mapResultRow: (fields: readonly unknown[], row: readonly unknown[], joined: Record<string, boolean> | undefined) => unknown
}
const near = pgTable('near', { name: text('name'), size: count('size'), sha256: digest('sha256'), at: instant('at') })
const far = pgTable('far', { number: integer('number'), at: instant('at') })
const selected = [
  { path: ['name'], field: near.name },
  { path: ['row', 'size'], field: near.size },
  { path: ['row', 'sha256'], field: near.sha256 },
  { path: ['other', 'number'], field: far.number },
  { path: ['other', 'at'], field: far.at },
  { path: ['mixed', 'at'], field: near.at },
  { path: ['mixed', 'number'], field: far.number },
  { path: ['list'], field: sql`x` },
  { path: ['alias'], field: sql<number>`y`.mapWith(Number).as('alias') },
]
const bytes = fc.uint8Array({ minLength: 32, maxLength: 32 }).map((value) => Buffer.from(value))
const moment = fc.integer({ min: 0, max: 4e12 }).map((ms) => new Date(ms).toISOString())
const number = fc.integer({ min: 0 }).map(String)
const or = <T>(value: fc.Arbitrary<T>) => fc.option(value, { freq: 2 })
const values = fc.tuple(
  or(fc.string()),
  or(number),
  or(bytes),
  or(number),
  or(moment),
  or(moment),
  or(number),
  or(fc.array(fc.nat())),
  or(number),
)
const joins = fc.option(fc.record({ near: fc.constant(true), far: fc.boolean() }), { nil: null })

test('every row is mapped as drizzle itself would', () => {
  fc.assert(
    fc.property(fc.array(values), joins, (rows, joined) => {
      const expected = rows.map((row) => mapResultRow(selected, row, joined ?? undefined))
      expect(rowMapper(selected, joined)(rows)).toEqual(expected)
    }),
  )
})

test('what drizzle would not select so is a bug', () => {
  expect(() => rowMapper([{ path: ['a', 'b', 'c'], field: near.name }], null)).toThrow(BugError)
  expect(() => rowMapper([{ path: ['a'], field: {} }], null)).toThrow(BugError)
  expect(() => mapQuickly({ fields: selected })).toThrow(BugError)
  expect(() => mapQuickly({ customResultMapper: undefined })).toThrow(BugError)
})
