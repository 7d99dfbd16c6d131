/// <reference types="vite/client" />
import { getTableName, is } from 'drizzle-orm'
import { PgTable } from 'drizzle-orm/pg-core'

// Found by their names, as drizzle-kit finds them, so that a new table file cannot be forgotten.
const modules = import.meta.glob<Record<string, unknown>>('../../src/**/*.table.ts', { eager: true })

/** Every table that the code declares, by its name. */
export const projectTables: Record<string, PgTable> = Object.fromEntries(
  Object.values(modules)
    .flatMap((module) => Object.values(module))

    .flatMap((value) => (is(value, PgTable) ? [value] : []))
    .map((table) => [getTableName(table), table]),
)
