// Who may say that somebody is unavailable: leaving people out of a quorum could stall a release.
import { expect, test } from 'vitest'
import { quorumAlarms, shareAlarms } from '../../../src/release/custody/alarm.js'
import { unavailableParties } from '../../../src/release/request/availability.js'
import { parseReleasePolicy } from '../../../src/release/rules/release-policy.js'
import { Consortium } from '../../doubles/consortium.js'
import { dayMs, later, monday } from '../../doubles/moments.js'
import { releasePart } from '../../doubles/consortium-agreement.js'

const house = new Consortium()
const twin = new Consortium({
  change: (agreement) => ({
    ...agreement,
    parties: agreement.parties.map((party) => (party.party === 'beta' ? { ...party, organisation: 'House ministry' } : party)),
  }),
})
type Word = readonly [by: string, subject: string, available?: boolean]
const count = (words: readonly Word[], at = house) =>
  unavailableParties(
    words.map(([by, subject, available = false], place) => {
      const matter = { subject, available, cause: 'share-lost' as const, reason: 'It is gone.' }
      return at.verify(at.sign('availability', by, matter, { at: later(monday, place) }))
    }),
    at.agreement.parties,
  ).map(({ party }) => party)

test.for<readonly [string, readonly Word[], readonly string[]]>([
  ['nobody says anything', [], []],
  ['a custodian says so itself', [['c1', 'c1']], ['c1']],
  [
    'and takes it back',
    [
      ['c1', 'c1'],
      ['c1', 'c1', true],
    ],
    [],
  ],
  ['one other is not enough', [['ministry', 'c1']], []],
  [
    'the same one twice is one',
    [
      ['ministry', 'c1'],
      ['ministry', 'c1'],
    ],
    [],
  ],
  [
    'two custodians are not, for they could stall',
    [
      ['c2', 'c1'],
      ['c3', 'c1'],
      ['alpha', 'c1'],
    ],
    [],
  ],
  [
    'the supervisor and a beneficiary are',
    [
      ['ministry', 'c1'],
      ['alpha', 'c1'],
    ],
    ['c1'],
  ],
  [
    'in whatever order',
    [
      ['alpha', 'c1'],
      ['arbiter', 'c1'],
    ],
    ['c1'],
  ],
  [
    'each about the same party',
    [
      ['alpha', 'c1'],
      ['arbiter', 'c2'],
    ],
    [],
  ],
  [
    'one of them takes it back',
    [
      ['alpha', 'c1'],
      ['arbiter', 'c1'],
      ['alpha', 'c1', true],
    ],
    [],
  ],
  [
    'a stolen key does not vouch for itself',
    [
      ['alpha', 'c1'],
      ['arbiter', 'c1'],
      ['c1', 'c1', true],
    ],
    ['c1'],
  ],
])('%s', ([, words, expected]) => {
  expect(count(words)).toEqual(expected)
})

test('an operator who records a word late does not make it the last one', () => {
  const word = (available: boolean, ms: number) =>
    house.verify(
      house.sign('availability', 'c1', { subject: 'c1', available, cause: 'share-lost', reason: 'So.' }, { at: later(monday, ms) }),
    )
  expect(unavailableParties([word(false, 2), word(true, 1)], house.agreement.parties)).toHaveLength(1)
  expect(unavailableParties([word(true, 2), word(false, 1)], house.agreement.parties)).toEqual([])
})

test('two in one hand are one', () => {
  expect(
    count([
      ['ministry', 'c1'],
      ['beta', 'c1'],
    ]),
  ).toEqual(['c1'])
  expect(
    count(
      [
        ['ministry', 'c1'],
        ['beta', 'c1'],
      ],
      twin,
    ),
  ).toEqual([])
})

test('a condition is impossible once too few custodians, or no one of its groups, are left', () => {
  const policy = parseReleasePolicy(releasePart)
  const about = (unavailable: readonly string[]) => quorumAlarms(house.agreement, policy, unavailable).map((one) => one.about)
  expect(about(['c1', 'c2'])).toEqual([])
  expect(about(['c1', 'c2', 'c3'])).toEqual(['insolvent', 'order', 'consent', 'silent'])
  expect(about(['legal1', 'legal2'])).toEqual(['insolvent', 'order', 'consent'])
})

test('shares are overdue below t + 1 proofs within the interval, and proofs from the future count for nothing', () => {
  const now = later(monday, 200 * dayMs)
  const rules = { intervalDays: 91, since: monday, now }
  const epoch = (...days: readonly number[]) => [{ epoch: 2, threshold: 3, provedAt: days.map((day) => later(monday, day * dayMs)) }]
  expect(shareAlarms(epoch(110, 120, 199, 200), rules)).toEqual([])
  expect(shareAlarms(epoch(108, 120, 199, 200), rules)).toEqual([{ alarm: 'share-health-overdue', about: '2' }])
  expect(shareAlarms(epoch(110, 120, 199, 201), rules)).toHaveLength(1)
  expect(shareAlarms(epoch(), { ...rules, now: later(monday, 90 * dayMs) })).toEqual([])
})
