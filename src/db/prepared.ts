// Statements that are built once, parsed once on each connection, and filled at each run. For what is asked for hundreds of times a
// second: building a query anew took longer than PostgreSQL needs to answer it.
import { sql, type Placeholder, type SQLWrapper } from 'drizzle-orm'
import type { AnyPgColumn } from 'drizzle-orm/pg-core'
import type { Db } from './database.js'
import { mapQuickly } from './row-mapper.js'

/** The places of a statement: for one value each, as a column would be written, or as it is where no column is named. */
export interface Places<Asked> {
  (name: keyof Asked & string): Placeholder
  (name: keyof Asked & string, column: AnyPgColumn): SQLWrapper
}

/** A statement to be filled. @returns rows, in the order that the statement says. */
export type Prepared<Asked, Row> = (db: Db, asked: Asked) => Promise<readonly Row[]>

interface Query<Row> {
  prepare(name: string): Runnable<Row>
}

interface Runnable<Row> {
  execute(values?: object): Promise<readonly Row[]>
}

/**
 * A statement that is built at its first run with a handle. On PostgreSQL a connection keeps its handles; a transaction on PGlite has a new one
 * each time, so there it saves nothing.
 *
 * @param name - unique in the program, at most 63 letters: connections know it by this name.
 * @param build - must not use values of its surroundings: they would stay in the statement for whoever runs it next. Defined at the top
 *   level of a file, it has none.
 */
export function prepared<Asked extends object, Row>(
  name: string,
  build: (db: Db, given: Places<Asked>) => Query<Row>,
): Prepared<Asked, Row> {
  const built = new WeakMap<Db, Runnable<Row>>()
  const statementOf = (db: Db) => {
    const known = built.get(db)
    if (known !== undefined) return known
    const made = build(db, given).prepare(name)
    mapQuickly(made)
    built.set(db, made)
    return made
  }
  return (db, asked) => statementOf(db).execute(asked)
}

function given(name: string): Placeholder
function given(name: string, column: AnyPgColumn): SQLWrapper
function given(name: string, column?: AnyPgColumn): Placeholder | SQLWrapper {
  const place = sql.placeholder(name)
  return column === undefined ? place : sql.param(place, column)
}
