// JSON that has exactly one spelling, so that a digest over bytes is a digest over meaning: RFC 8785 of a restricted profile.
// Everything that reaches `parseCanonical` is attacker-controlled.
import { EscrowError } from '../core/errors.js'
import { documentBytesMax, jsonDepthMax } from '../core/limits.js'

/** A value of the restricted profile: no floats, no `undefined`, nothing with a class. */
export type JsonValue = null | boolean | number | string | readonly JsonValue[] | { readonly [key: string]: JsonValue }

/**
 * Write a value in its only spelling.
 *
 * @param value - objects, arrays, strings without lone surrogates, booleans, null and safe integers, nested at most `jsonDepthMax` deep.
 * @returns UTF-8 bytes: keys sorted by UTF-16 code units, no white space, the shortest escapes.
 * @throws EscrowError `FORMAT_INVALID` for anything else; `undefined` is refused, not dropped, because a signer would not see what is missing.
 *
 * Source: RFC 8785; docs/formats/canonical-json.md.
 */
export function canonicalize(value: unknown): Uint8Array {
  return new TextEncoder().encode(write(value, 0))
}

/**
 * Read bytes that must be canonical already.
 *
 * @param bytes - attacker-controlled.
 * @param bytesMax - the largest document accepted here; looked at before anything else.
 * @returns the value, its objects plain and with own keys only: a key named `__proto__` is a key like any other.
 * @throws EscrowError `FORMAT_INVALID` unless writing the value again gives the same bytes; so white space, duplicate keys,
 *   other escapes, another order, `-0` and `1e3` all fall.
 */
export function parseCanonical(bytes: Uint8Array, bytesMax = documentBytesMax): JsonValue {
  if (bytes.length > bytesMax) throw invalid(`expected at most ${bytesMax} bytes of JSON, got ${bytes.length}`)
  refuseDeepNesting(bytes)
  const text = decodeUtf8(bytes)
  const value = parseJson(text)
  if (write(value, 0) !== text) throw invalid('expected canonical JSON (RFC 8785), got another spelling of the same value')
  return value as JsonValue
}

/**
 * Whether two values have the same canonical form, without writing either.
 *
 * @param left - has a canonical form, as what `parseCanonical` gives.
 * @returns false also when the other has none.
 */
export function sameJson(left: JsonValue, right: unknown): boolean {
  if (left === right) return true
  if (typeof left !== 'object' || typeof right !== 'object' || left === null || right === null) return false
  if (isList(left) || Array.isArray(right)) {
    return isList(left) && Array.isArray(right) && left.length === right.length && left.every((one, at) => sameJson(one, right[at]))
  }
  const keys = Object.keys(left)
  if (keys.length !== Object.keys(right).length) return false
  return keys.every((key) => Object.hasOwn(right, key) && sameJson(left[key] ?? null, (right as Record<string, unknown>)[key]))
}

const isList = (value: JsonValue): value is readonly JsonValue[] => Array.isArray(value)

function write(value: unknown, depth: number): string {
  if (depth > jsonDepthMax) throw invalid(`expected JSON nested at most ${jsonDepthMax} deep, got more`)
  if (typeof value === 'string') return writeString(value)
  if (typeof value === 'number') return writeInteger(value)
  if (typeof value === 'boolean') return String(value)
  if (value === null) return 'null'
  if (typeof value !== 'object') throw invalid(`expected a JSON value, got ${typeof value}`)
  return Array.isArray(value) ? writeArray(value, depth) : writeObject(value, depth)
}

/** JSON.stringify escapes strings as RFC 8785 section 3.2.2.2 demands, but spells lone surrogates, which have no UTF-8, as escapes. */
function writeString(text: string): string {
  if (/\p{Surrogate}/u.test(text)) throw invalid('expected a string of Unicode characters, got a lone surrogate')
  return JSON.stringify(text)
}

/** Floats are left out of the profile: their one spelling depends on an algorithm that few languages have. */
function writeInteger(value: number): string {
  if (!Number.isSafeInteger(value)) throw invalid(`expected an integer within ±(2^53 - 1), got ${value}`)
  return String(value)
}

/** An index loop, because `map` would skip holes and a hole must be refused like any `undefined`. */
function writeArray(values: readonly unknown[], depth: number): string {
  const parts: string[] = []
  for (let index = 0; index < values.length; index++) parts.push(write(values[index], depth + 1))
  return `[${parts.join(',')}]`
}

function writeObject(value: object, depth: number): string {
  const prototype: unknown = Object.getPrototypeOf(value)
  if (prototype !== Object.prototype && prototype !== null) throw invalid('expected a plain object, got an instance of a class')
  // Without a comparator, sort compares UTF-16 code units: exactly RFC 8785 section 3.2.3.
  const keys = Object.keys(value).sort()
  return `{${keys.map((key) => `${writeString(key)}:${write((value as Record<string, unknown>)[key], depth + 1)}`).join(',')}}`
}

/** Looked at before JSON.parse, which would spend some hundred bytes of memory on every bracket of `[[[[...`. */
function refuseDeepNesting(bytes: Uint8Array): void {
  let depth = 0
  let inString = false
  for (let index = 0; index < bytes.length; index++) {
    const byte = bytes[index]
    if (inString) {
      if (byte === backslash) index++
      else if (byte === quote) inString = false
    } else if (byte === quote) inString = true
    else if (byte === openBracket || byte === openBrace) {
      // Values inside the innermost container are one deeper than the container itself.
      if (++depth > jsonDepthMax) throw invalid(`expected JSON nested at most ${jsonDepthMax} deep, got more`)
    } else if (byte === closeBracket || byte === closeBrace) depth--
  }
}

const quote = 0x22
const backslash = 0x5c
const openBracket = 0x5b
const closeBracket = 0x5d
const openBrace = 0x7b
const closeBrace = 0x7d

/** A byte order mark is kept, so that JSON.parse refuses it. */
function decodeUtf8(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch (cause) {
    throw new EscrowError('FORMAT_INVALID', 'expected JSON in UTF-8, got bytes that are not', { cause })
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    // The parser's own words would quote the text, which may be material.
    throw invalid('expected JSON, got something else')
  }
}

function invalid(message: string): EscrowError {
  return new EscrowError('FORMAT_INVALID', message)
}
