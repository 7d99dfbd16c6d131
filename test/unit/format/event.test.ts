import { expect, test } from 'vitest'
import { ERROR_ADVICE } from '../../../src/core/errors.js'
import { canonicalize, parseCanonical } from '../../../src/format/canonical-json.js'
import { checkEventChain, Event, EventRecord, type LoggedEvent } from '../../../src/format/event.js'
import vectors from '../../vectors/event.json' with { type: 'json' }

const parse = (text: string): Event => Event.parse(parseCanonical(new TextEncoder().encode(text)))
const [missed] = vectors.valid.filter(({ name }) => name === 'deposit-missed').map(({ text }) => parse(text)) as [Event]
const leafHash = (number: number) => number.toString(16).padStart(64, '0')
const chain = (length: number): LoggedEvent[] =>
  Array.from({ length }, (_, index) => ({
    event: { ...missed, chain: { number: index + 1, previous: index === 0 ? null : leafHash(index) } },
    leafHash: leafHash(index + 1),
  }))
const broken = expect.objectContaining({ code: 'CHAIN_BROKEN' })

test.for(vectors.valid)('vector: $name', ({ text }) => {
  expect(new TextDecoder().decode(canonicalize(parse(text)))).toBe(text)
})

test('there is a vector for every type of event', () => {
  const types = Event.options.map((option) => option.shape.type.value)
  expect(new Set(vectors.valid.map(({ text }) => parse(text).type))).toEqual(new Set(types))
})

test.for(vectors.refused)('refused: $name', ({ text }) => {
  expect(Event.safeParse(JSON.parse(text)).success).toBe(false)
})

test.for(vectors.valid)('a $name event with one more field, or without any of its fields, is refused', ({ text }) => {
  const event = parse(text)
  expect(Event.safeParse({ ...event, more: 1 }).success).toBe(false)
  for (const field of Object.keys(event)) {
    const { [field]: _left, ...rest } = event as Record<string, unknown>
    expect(Event.safeParse(rest).success, field).toBe(false)
  }
})

test('every code that we can fail with fits into an event', () => {
  for (const code of Object.keys(ERROR_ADVICE)) {
    const { type: _type, deadlineAt: _deadline, ...rest } = missed as Event & { readonly deadlineAt: string }
    expect(Event.safeParse({ ...rest, type: 'escrow/event/deposit-failed/v1', code }).success, code).toBe(true)
  }
})

test('a record is an event with 32 bytes of salt', () => {
  const record = { type: 'escrow/event-record/v1', salt: '09'.repeat(32), event: missed }
  expect(EventRecord.parse(parseCanonical(canonicalize(record)))).toEqual(record)
  expect(EventRecord.safeParse({ ...record, salt: '09'.repeat(31) }).success).toBe(false)
})

test.for([0, 1, 2, 100])('a chain of %i events is whole', (length) => {
  expect(() => checkEventChain(chain(length))).not.toThrow()
})

test('a chain with any event left out but the last, repeated or exchanged is broken', () => {
  const whole = chain(6)
  for (let at = 0; at < whole.length; at++) {
    if (at < whole.length - 1) expect(() => checkEventChain(whole.toSpliced(at, 1))).toThrow(broken)
    expect(() => checkEventChain(whole.toSpliced(at, 0, ...whole.slice(at, at + 1)))).toThrow(broken)
  }
  expect(() => checkEventChain(whole.toReversed())).toThrow(broken)
})

test('an event that was written again under another leaf breaks the chain at the next one', () => {
  const whole = chain(3)
  expect(() => checkEventChain(whole.with(1, { event: whole[1]?.event ?? missed, leafHash: leafHash(77) }))).toThrow(broken)
})

test('an event of another subject breaks the chain', () => {
  const whole = chain(2)
  const [, second] = whole as [LoggedEvent, LoggedEvent]
  expect(() => checkEventChain(whole.with(1, { ...second, event: { ...second.event, subject: 'tools' } }))).toThrow(broken)
})
