import { expect, test } from 'vitest'
import { retainUntilMaxMs } from '../../src/core/limits.js'
import { fullDue } from '../../src/deposit/full-due.js'
import { chainRetainUntil, documentRetainUntil } from '../../src/escrow/retention.js'

const day = 86_400_000
const taken = new Date('2026-11-22T10:00:00.000Z')

test('the last incremental that may rest on a base is still locked for the whole retention', () => {
  const until = chainRetainUntil({ retentionDays: 90 }, { fullEveryDays: 30 }, taken)
  const lastIncremental = taken.getTime() + 30 * day
  expect(until.getTime() - lastIncremental).toBe(90 * day)
})

test('no lock is so long that a store with 32 bits of seconds would take it for the past', () => {
  expect(chainRetainUntil({ retentionDays: 36_600 }, { fullEveryDays: 366 }, taken).getTime()).toBe(retainUntilMaxMs)
  const agreement = { endsAt: '2098-01-01T00:00:00.000Z', retentionDays: 36_600, sources: [] }
  expect(documentRetainUntil(agreement).getTime()).toBe(retainUntilMaxMs)
  expect(retainUntilMaxMs).toBeLessThan(2 ** 32 * 1000)
})

test.for([
  ['the first deposit', null, 0, 0, 'first'],
  ['one millisecond before its time', taken, 0, 30 * day - 1, null],
  ['at its time', taken, 0, 30 * day, 'age'],
  ['a chain that is one short of its length', taken, 119, 0, null],
  ['a chain that is as long as it may be', taken, 120, 0, 'length'],
  ['a clock that went backwards', taken, 0, -day, null],
] as const)('a full deposit and %s', ([, fullAt, chainLength, elapsedMs, reason]) => {
  const source = { fullAt, chainLength, fullEveryDays: 30, chainLengthMax: 120 }
  expect(fullDue(source, new Date(taken.getTime() + elapsedMs))).toBe(reason)
})
