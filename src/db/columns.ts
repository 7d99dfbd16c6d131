import { sql } from 'drizzle-orm'
import { bigint, check, customType, timestamp, type AnyPgColumn } from 'drizzle-orm/pg-core'
import { assert } from '../core/errors.js'

const digestBytes = 32

/** Drizzle's own words for what the program sees and what the driver sees. */
type AsBytes<T> = Record<'data', T> & Record<'driverData', Uint8Array>

/**
 * A column `bytea` for one SHA-256: lower-case hex in the program, whichever byte array the driver uses.
 *
 * @throws BugError when anything but 64 hex digits is written.
 */
export const digest = customType<AsBytes<string>>({
  dataType: () => 'bytea',
  toDriver: (hex) => bytesOf([hex]),
  fromDriver: (bytes) => hexOf(bytes),
})

/** A column `bytea` for a list of SHA-256 in their order, 32 bytes each: 10,000 parts are 320 KB. */
export const digests = customType<AsBytes<readonly string[]>>({
  dataType: () => 'bytea',
  toDriver: bytesOf,
  fromDriver: (bytes) =>
    Array.from({ length: bytes.length / digestBytes }, (_, i) => hexOf(bytes.subarray(i * digestBytes, (i + 1) * digestBytes))),
})

/** A column `bytea` for bytes as they came; a copy, whichever byte array the driver uses. */
export const byteString = customType<AsBytes<Uint8Array>>({
  dataType: () => 'bytea',
  toDriver: (value) => value,
  fromDriver: (value) => Uint8Array.from(value),
})

/** A column `timestamptz` with the milliseconds that a `Date` has; the name ends in `_at`. */
export const instant = (name: string) => timestamp(name, { withTimezone: true, precision: 3, mode: 'date' })

/** A column `bigint` for sizes and counts up to 2^53 - 1. */
export const count = (name: string) => bigint(name, { mode: 'number' })

function bytesOf(hexes: readonly string[]): Uint8Array {
  for (const hex of hexes) assert(/^[0-9a-f]{64}$/.test(hex), 'expected 64 lower-case hex digits for a digest column')
  return Buffer.from(hexes.join(''), 'hex')
}

function hexOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex')
}

/** A rule of a table that a text column holds one of the given words; keeps rows readable by anything that speaks SQL. */
export const oneOf = (name: string, column: AnyPgColumn, words: readonly string[]) =>
  check(name, sql`${column} in (${sql.raw(words.map((word) => `'${word}'`).join(', '))})`)
