import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { canonicalize, parseCanonical, sameJson, type JsonValue } from '../../../src/format/canonical-json.js'

const text = fc.string({ unit: 'binary' })
const { value: jsonValue } = fc.letrec<{ value: JsonValue }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.constant(null),
    fc.boolean(),
    fc.maxSafeInteger().map((n) => n + 0),
    text,
    fc.array(tie('value'), { maxLength: 5 }),
    fc.dictionary(text, tie('value'), { maxKeys: 5, noNullPrototype: true }),
  ),
}))
const shuffled = (value: JsonValue): JsonValue => {
  if (Array.isArray(value)) return value.map(shuffled)
  if (value === null || typeof value !== 'object') return value
  return Object.fromEntries(
    Object.entries(value)
      .toReversed()
      .map(([key, inner]) => [key, shuffled(inner)]),
  )
}

test('what is written is read back as the same value', () => {
  fc.assert(
    fc.property(jsonValue, (value) => {
      expect(parseCanonical(canonicalize(value))).toStrictEqual(value)
    }),
  )
})

test('the order in which fields were set does not show', () => {
  fc.assert(
    fc.property(jsonValue, (value) => {
      expect(canonicalize(shuffled(value))).toEqual(canonicalize(value))
    }),
  )
})

test('changing, adding or removing one byte never gives another spelling of the same value', () => {
  const change = fc.record({ at: fc.nat(), byte: fc.nat(255), kind: fc.constantFrom('change', 'add', 'remove') })
  fc.assert(
    fc.property(jsonValue, change, (value, { at, byte, kind }) => {
      const bytes = [...canonicalize(value)]
      bytes.splice(at % bytes.length, kind === 'add' ? 0 : 1, ...(kind === 'remove' ? [] : [byte]))
      const changed = Uint8Array.from(bytes)
      const parsed = attempt(() => parseCanonical(changed))
      if (parsed !== refused) expect(canonicalize(parsed)).toEqual(changed)
    }),
  )
})

test('two values are the same exactly if they are written the same', () => {
  const pair = fc.oneof(
    fc.tuple(jsonValue, jsonValue),
    jsonValue.map((value) => [value, shuffled(value)] as const),
    fc.tuple(jsonValue, text).map(([value, more]) => [{ a: value }, { a: value, [more]: value }] as const),
  )
  fc.assert(
    fc.property(pair, ([left, right]) => {
      expect(sameJson(left, right)).toBe(Buffer.compare(canonicalize(left), canonicalize(right)) === 0)
    }),
  )
})

test.for([
  [{}, []],
  [[], {}],
  [{ a: null }, {}],
  [{ a: null }, { b: null }],
  [{ a: null }, { a: undefined }],
  [null, undefined],
  [['1'], [1]],
] as const)('%j is not the same as %j', ([left, right]) => {
  expect(sameJson(left, right)).toBe(false)
})

const refused = Symbol('refused')
function attempt<T>(run: () => T): T | typeof refused {
  try {
    return run()
  } catch (error) {
    expect(error).toMatchObject({ code: 'FORMAT_INVALID' })
    return refused
  }
}
