import { z } from 'zod'
import { ConfigFile, notesOf, type KeyNotes } from './schema.js'

/** One key of the configuration, or one kind of a group (`database.kind = postgres`). */
export interface ConfigKey {
  /** From the root; lists of groups are entered through `[]`. */
  readonly path: readonly string[]
  /** The schema without its default. */
  readonly schema: z.ZodType
  readonly notes: KeyNotes | null
}

/** Every key that holds a value, in the order of the schema. Keys of alternatives with one name appear once. */
export function configKeys(): readonly ConfigKey[] {
  const found = new Map<string, ConfigKey>()
  for (const key of leaves(ConfigFile, [])) {
    const name = key.path.join('.')
    if (!found.has(name)) found.set(name, key)
  }
  return [...found.values()]
}

/** The name of the environment variable that overrides a key: `ESCROW_DEPOSIT_PACK_BYTES_MAX`. Lists of groups have none. */
export function environmentName(path: readonly string[]): string | null {
  if (path.includes('[]')) return null
  return `ESCROW_${path.map((part) => part.replaceAll(/(?<=[a-z0-9])(?=[A-Z])/g, '_').toUpperCase()).join('_')}`
}

/** A schema without its defaults, whether it may be left out or not. */
export function inner(schema: z.ZodType): z.ZodType {
  const wrapped = schema instanceof z.ZodPrefault || schema instanceof z.ZodDefault || schema instanceof z.ZodOptional
  return wrapped ? inner(schema.unwrap() as z.ZodType) : schema
}

function leaves(outer: z.ZodType, path: readonly string[]): readonly ConfigKey[] {
  const schema = inner(outer)
  if (schema instanceof z.ZodObject) {
    return Object.entries(schema.shape).flatMap(([name, child]) => leaves(child as z.ZodType, [...path, name]))
  }
  if (schema instanceof z.ZodDiscriminatedUnion) return schema.options.flatMap((option) => leaves(option as z.ZodType, path))
  if (schema instanceof z.ZodArray && !(inner(schema.element as z.ZodType) instanceof z.ZodString)) {
    return leaves(schema.element as z.ZodType, [...path, '[]'])
  }
  return [{ path, schema, notes: notesOf(schema) }]
}
