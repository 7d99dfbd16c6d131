import { expect, test } from 'vitest'
import { statementClockSkewMs, statementLifetimeDaysMax } from '../../../src/core/limits.js'
import { parseCanonical } from '../../../src/format/canonical-json.js'
import { checkStatement, maySign, shareHealthText } from '../../../src/format/check-statement.js'
import { Statement, type StatementOf, type StatementType } from '../../../src/format/statement.js'
import vectors from '../../vectors/statement.json' with { type: 'json' }

const parse = (text: string): Statement => Statement.parse(parseCanonical(new TextEncoder().encode(text)))
const named = (name: string): Statement => parse(vectors.valid.find((vector) => vector.name === name)?.text ?? '')
const heartbeat = named('heartbeat')
const now = new Date(heartbeat.issuedAt)
const fits = { agreement: heartbeat.agreement, origin: heartbeat.origin, epoch: heartbeat.epoch, now }
const invalid = (message: RegExp) => expect.objectContaining({ code: 'STATEMENT_INVALID', message: expect.stringMatching(message) })

test.for(vectors.valid)('vector: $name', ({ text }) => {
  expect(() => checkStatement(parse(text), fits)).not.toThrow()
})

test('there is a vector for every type of statement', () => {
  const types = Statement.options.map((option) => option.shape.type.value)
  expect(new Set(vectors.valid.map(({ text }) => parse(text).type))).toEqual(new Set(types))
})

test.for(vectors.refused)('refused: $name', ({ text }) => {
  expect(Statement.safeParse(JSON.parse(text)).success).toBe(false)
})

test.for(vectors.valid)('a $name with one more field, or without any of its fields, is refused', ({ text }) => {
  const statement = parse(text)
  expect(Statement.safeParse({ ...statement, more: 1 }).success).toBe(false)
  for (const field of Object.keys(statement)) {
    const { [field]: _left, ...rest } = statement as Record<string, unknown>
    expect(Statement.safeParse(rest).success, field).toBe(false)
  }
})

test.for([
  ['another service', { origin: 'other.example' }, /origin/],
  ['another agreement', { agreement: '0'.repeat(64) }, /agreement/],
  ['another epoch', { epoch: 2 }, /epoch/],
] as const)('a statement for %s is refused', ([, context, message]) => {
  expect(() => checkStatement(heartbeat, { ...fits, ...context })).toThrow(invalid(message))
})

test('where any epoch will do, any epoch passes', () => {
  const { epoch: _epoch, ...rest } = fits
  expect(() => checkStatement({ ...heartbeat, epoch: 7 }, rest)).not.toThrow()
})

test('a statement is valid until the millisecond before it expires', () => {
  const expiry = Date.parse(heartbeat.expiresAt)
  expect(() => checkStatement(heartbeat, { ...fits, now: new Date(expiry - 1) })).not.toThrow()
  for (const late of [0, 1, 1e9]) {
    expect(() => checkStatement(heartbeat, { ...fits, now: new Date(expiry + late) })).toThrow(
      expect.objectContaining({ code: 'STATEMENT_EXPIRED' }),
    )
  }
})

test('a statement may be dated ahead by the clock skew and no more', () => {
  const issued = now.getTime()
  expect(() => checkStatement(heartbeat, { ...fits, now: new Date(issued - statementClockSkewMs) })).not.toThrow()
  expect(() => checkStatement(heartbeat, { ...fits, now: new Date(issued - statementClockSkewMs - 1) })).toThrow(invalid(/future/))
})

test.for([
  [-1, /after/],
  [0, /after/],
  [statementLifetimeDaysMax * 86_400_000 + 1, /within/],
] as const)('an expiry %i ms after issue is refused', ([lifetimeMs, message]) => {
  const expiresAt = new Date(now.getTime() + lifetimeMs).toISOString()
  expect(() => checkStatement({ ...heartbeat, expiresAt }, fits)).toThrow(invalid(message))
})

test('an approval speaks of its own agreement, and of each request once', () => {
  const approval = named('approval') as StatementOf<'approval'>
  const [cover] = approval.covers
  if (cover === undefined) throw new Error('the vector has a cover')
  expect(() => checkStatement({ ...approval, covers: [{ ...cover, agreement: '0'.repeat(64) }] }, fits)).toThrow(invalid(/own agreement/))
  expect(() => checkStatement({ ...approval, covers: [cover, { ...cover, epoch: 9 }] }, fits)).toThrow(invalid(/request once/))
})

test('a request names each beneficiary and source once', () => {
  const request = named('release-request') as StatementOf<'release-request'>
  const twice = <T>(list: readonly T[]): T[] => [...list, ...list]
  expect(() => checkStatement({ ...request, beneficiaries: twice(request.beneficiaries) }, fits)).toThrow(invalid(/beneficiary once/))
  expect(() => checkStatement({ ...request, deposits: twice(request.deposits) }, fits)).toThrow(invalid(/source once/))
})

test('shares go to each recipient once', () => {
  const release = named('share-release') as StatementOf<'share-release'>
  expect(() => checkStatement({ ...release, sealedShares: [...release.sealedShares, ...release.sealedShares] }, fits)).toThrow(
    invalid(/recipient once/),
  )
})

test('an explanation names each finding code once', () => {
  const explanation = named('finding-explanation') as StatementOf<'finding-explanation'>
  expect(() => checkStatement({ ...explanation, codes: [...explanation.codes, ...explanation.codes] }, fits)).toThrow(
    invalid(/finding code once/),
  )
})

test('a hold that has ended before it was issued is refused', () => {
  const hold = named('legal-hold') as StatementOf<'legal-hold'>
  expect(() => checkStatement({ ...hold, until: hold.issuedAt }, fits)).toThrow(invalid(/hold that ends after/))
})

test('a request is turned down with a written reason, and passes without one', () => {
  const check = named('formal-check') as StatementOf<'formal-check'>
  expect(() => checkStatement({ ...check, reason: null }, fits)).toThrow(invalid(/written reason/))
  expect(() => checkStatement({ ...check, passed: true }, fits)).toThrow(invalid(/written reason/))
  expect(() => checkStatement({ ...check, passed: true, reason: null }, fits)).not.toThrow()
})

test('only a prohibition of notice can end', () => {
  const order = named('legal-order') as StatementOf<'legal-order'>
  const noticeForbiddenUntil = '2027-01-01T00:00:00.000Z'
  expect(() => checkStatement({ ...order, noticeForbiddenUntil }, fits)).toThrow(invalid(/prohibition/))
  expect(() => checkStatement({ ...order, noticeForbidden: true, noticeForbiddenUntil }, fits)).not.toThrow()
})

test('an order names each agreement once', () => {
  const order = named('shutdown-order') as StatementOf<'shutdown-order'>
  const scope = { kind: 'agreements' as const, agreements: ['0'.repeat(64), '0'.repeat(64)] }
  expect(() => checkStatement({ ...order, scope }, fits)).toThrow(invalid(/agreement once/))
})

test('the agent never votes, rules, objects or releases shares', () => {
  const never = [
    'approval',
    'refusal',
    'veto',
    'ruling',
    'contrary-instruction',
    'contestation',
    'share-release',
    'share-accept',
    'shutdown-order',
  ]
  for (const name of never) expect(maySign('agent', `escrow/statement/${name}/v1` as StatementType), name).toBe(false)
})

test('every type can be signed by somebody', () => {
  const roles = ['depositor', 'beneficiary', 'custodian', 'agent', 'supervisor', 'arbiter', 'approver'] as const
  for (const option of Statement.options) expect(roles.some((role) => maySign(role, option.shape.type.value))).toBe(true)
})

test('the text of a share-health proof names everything that could be exchanged', () => {
  const health = named('share-health') as StatementOf<'share-health'>
  expect(new TextDecoder().decode(shareHealthText(health))).toBe(vectors.shareHealthText)
})
