import { expect, test } from 'vitest'
import { jsonDepthMax } from '../../../src/core/limits.js'
import { canonicalize, parseCanonical } from '../../../src/format/canonical-json.js'
import vectors from '../../vectors/canonical-json.json' with { type: 'json' }

const encode = (text: string) => new TextEncoder().encode(text)
const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes)
const nested = (depth: number) => '['.repeat(depth) + ']'.repeat(depth)
const refusal = (message: RegExp) => expect.objectContaining({ code: 'FORMAT_INVALID', message: expect.stringMatching(message) })

test.for(vectors.canonical)('canonical: $name', ({ input, canonical }) => {
  expect(decode(canonicalize(JSON.parse(input)))).toBe(canonical)
  expect(parseCanonical(encode(canonical))).toEqual(JSON.parse(input))
})

test.for(vectors.refused)('refused: $name', ({ hex }) => {
  expect(() => parseCanonical(Buffer.from(hex, 'hex'))).toThrow(expect.objectContaining({ code: 'FORMAT_INVALID' }))
})

test.for<[string, unknown]>([
  ['a float', 1.5],
  ['an integer beyond 2^53 - 1', 2 ** 53],
  ['NaN', Number.NaN],
  ['infinity', Number.POSITIVE_INFINITY],
  ['a bigint', 1n],
  ['undefined', undefined],
  ['a field that is undefined', { a: undefined }],
  ['a hole in an array', Array(2)],
  ['a function', () => 0],
  ['a symbol', Symbol('s')],
  ['a date', new Date(0)],
  ['a map', new Map()],
  ['bytes', new Uint8Array(1)],
  ['a lone surrogate', '\ud800'],
  ['a lone surrogate in a key', { '\udc00': 1 }],
])('%s has no canonical form', ([, value]) => {
  expect(() => canonicalize(value)).toThrow(expect.objectContaining({ code: 'FORMAT_INVALID' }))
})

test('a value that contains itself is refused', () => {
  const loop: unknown[] = []
  loop.push(loop)
  expect(() => canonicalize(loop)).toThrow(refusal(/nested/))
})

test.for([1, jsonDepthMax - 1, jsonDepthMax])('%i nested arrays are accepted', (depth) => {
  expect(decode(canonicalize(parseCanonical(encode(nested(depth)))))).toBe(nested(depth))
})

test.for([jsonDepthMax + 1, 100_000])('%i nested arrays are refused before they are parsed', (depth) => {
  expect(() => parseCanonical(encode(nested(depth)))).toThrow(refusal(/nested at most/))
})

test('brackets and escaped quotes inside strings are not nesting', () => {
  const value = ['"' + '['.repeat(100) + '\\', { '{"{': '\\"[' }]
  expect(parseCanonical(canonicalize(value))).toEqual(value)
})

test('the size is looked at before the bytes', () => {
  expect(parseCanonical(encode('[1,2]'), 5)).toEqual([1, 2])
  expect(() => parseCanonical(encode('[1,2]'), 4)).toThrow(refusal(/at most 4 bytes/))
})

test('a key named __proto__ is a key, not a prototype', () => {
  const parsed = parseCanonical(encode('{"__proto__":{"admin":true}}')) as Record<string, unknown>
  expect(Object.getPrototypeOf(parsed)).toBe(Object.prototype)
  expect(Object.keys(parsed)).toEqual(['__proto__'])
  expect(parsed['admin']).toBeUndefined()
})

test('a refusal does not quote what it refused', () => {
  expect(() => parseCanonical(encode('{"secret":hunter2}'))).toThrow(
    expect.not.objectContaining({ message: expect.stringContaining('hunter2') }),
  )
})
