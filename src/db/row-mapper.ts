// What drizzle does with each row of an answer, decided once for a statement instead of once for each value of each row: that took as long
// as PostgreSQL did. The results are the same (`test/unit/db/row-mapper.test.ts`).
import { Column, getTableName, is } from 'drizzle-orm'
import { assert } from '../core/errors.js'

/** Something that is selected, as drizzle lists it: where it goes, and what reads it. */
interface Selected {
  /** A key, or that of an object and a key in it. */
  readonly path: readonly string[]
  readonly field: unknown
}

interface Place {
  readonly object: string | null
  readonly key: string
  readonly decode: (value: unknown) => unknown
}

type Row = Record<string, unknown>

/**
 * A mapper for a prepared select.
 *
 * @param fields - in the order of the columns.
 * @param joined - whether rows of a table are always there; null without joins.
 * @throws BugError for what drizzle would not select so.
 */
export function rowMapper(
  fields: readonly Selected[],
  joined: Readonly<Record<string, boolean>> | null,
): (rows: readonly unknown[][]) => Row[] {
  const places = fields.map(placeOf)
  const optional = joined === null ? [] : optionalObjects(fields, joined)
  return (rows) =>
    rows.map((values) => {
      const row = rowOf(places, values)
      for (const { object, firstAt } of optional) if (values[firstAt] === null) row[object] = null
      return row
    })
}

/** Let a statement that drizzle has prepared map its rows so. Drizzle takes such mappers itself, but offers no way to name one for a select. */
export function mapQuickly(statement: object): void {
  const { fields, joinsNotNullableMap } = statement as {
    readonly fields?: readonly Selected[]
    readonly joinsNotNullableMap?: Record<string, boolean>
  }
  assert(fields !== undefined && 'customResultMapper' in statement, 'drizzle lists what a prepared select gives')
  Object.assign(statement, { customResultMapper: rowMapper(fields, joinsNotNullableMap ?? null) })
}

function rowOf(places: readonly Place[], values: readonly unknown[]): Row {
  const row: Row = {}
  let at = 0
  for (const { object, key, decode } of places) {
    const value = values[at]
    at += 1
    const target = object === null ? row : ((row[object] ??= {}) as Row)
    target[key] = value === null ? null : decode(value)
  }
  return row
}

function placeOf({ path, field }: Selected): Place {
  const [first, second] = path
  assert(first !== undefined && path.length <= 2, 'expected a key, or an object with keys')
  return { ...(second === undefined ? { object: null, key: first } : { object: first, key: second }), decode: decoderOf(field) }
}

/** A column decodes by itself; SQL of ours and what has an alias name their decoders. */
function decoderOf(field: unknown): Place['decode'] {
  if (is(field, Column)) return (value) => field.mapFromDriverValue(value)
  const { decoder, sql } = field as { readonly decoder?: Decoder; readonly sql?: { readonly decoder: Decoder } }
  const known = decoder ?? sql?.decoder
  assert(known !== undefined, 'what is selected has a decoder')
  return (value) => known.mapFromDriverValue(value)
}

interface Decoder {
  mapFromDriverValue(value: unknown): unknown
}

/** Objects of one table that a join may leave without a row: they are null when the first of their columns is. */
function optionalObjects(fields: readonly Selected[], joined: Readonly<Record<string, boolean>>) {
  const columns = fields.flatMap(({ path: [object = '', key], field }, firstAt) =>
    key !== undefined && is(field, Column) ? [{ object, table: getTableName(field.table), firstAt }] : [],
  )
  const firsts = [...new Map(columns.toReversed().map((column) => [column.object, column])).values()]
  return firsts.filter(
    ({ object, table }) => joined[table] !== true && columns.every((one) => one.object !== object || one.table === table),
  )
}
