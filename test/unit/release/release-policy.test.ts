import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import type { Agreement, Party } from '../../../src/format/agreement.js'
import { addBusinessDays } from '../../../src/release/rules/business-days.js'
import { judgeReleasePolicy, requireSatisfiable, type PolicyRule } from '../../../src/release/rules/policy-verdict.js'
import { custodyWarning, parseReleasePolicy, termsOf } from '../../../src/release/rules/release-policy.js'
import { judgeNetwork } from '../../../src/release/rules/network-rule.js'
import { Consortium } from '../../doubles/consortium.js'
import { refusal } from '../../doubles/code-of.js'
import { releasePart } from '../../doubles/consortium-agreement.js'

interface Vector {
  readonly policy: unknown
  readonly parsed: unknown
  readonly clocksOfInsolvency: unknown
  readonly businessDays: readonly { readonly from: string; readonly days: number; readonly end: string }[]
}
const vector = JSON.parse(readFileSync(new URL('../../vectors/release-policy.json', import.meta.url), 'utf8')) as Vector
const { agreement } = new Consortium()
const [insolvent] = releasePart.conditions
const withGroups = (approvalGroups: unknown) => ({ ...releasePart, conditions: [{ ...insolvent, approvalGroups }] })
const group = { name: 'legal', parties: ['legal1', 'legal2'], k: 1, rule: 'any-deny' }

describe('what is a policy', () => {
  test('the clocks of DESIGN section 7 are its defaults', () => {
    const { clocks, drills, silence } = parseReleasePolicy(releasePart)
    expect(clocks).toMatchObject({ formalCheckBusinessDays: 2, noticeServedBusinessDays: 1, objectionBusinessDays: 10 })
    expect(clocks).toMatchObject({ approvalHours: 72, coolingOffHours: 24, deliveryHours: 24 })
    expect(drills.shareHealthDays).toBe(91)
    expect(silence).toMatchObject({ noticeAfterDays: 7, proposeAfterDays: 7 })
  })

  test('the example of docs/formats/release-policy.md parses to its vector, defaults and all', () => {
    const document = readFileSync(new URL('../../../docs/formats/release-policy.md', import.meta.url), 'utf8')
    const example: unknown = JSON.parse(/```json\n([^]*?)\n```/.exec(document)?.[1] ?? '')
    expect(example).toEqual(vector.policy)
    const policy = parseReleasePolicy(example)
    expect(policy).toEqual(vector.parsed)
    expect(termsOf(policy, 'insolvency').clocks).toEqual(vector.clocksOfInsolvency)
  })

  test.for(vector.businessDays)('in its calendar $days business days from $from end at $end', ({ from, days, end }) => {
    const { calendar } = termsOf(parseReleasePolicy(vector.policy), 'insolvency')
    expect(addBusinessDays(new Date(from), days, calendar).toISOString()).toBe(end)
  })

  test.for([
    ['nothing', null],
    ['a list', []],
    ['another version', { ...releasePart, type: 'escrow/release-policy/v2' }],
    ['no condition', { ...releasePart, conditions: [] }],
    ['no calendar', { ...releasePart, calendars: [] }],
    ['an unknown field', { ...releasePart, unanimous: true }],
    ['an unknown kind', { ...releasePart, conditions: [{ ...insolvent, kind: 'whim' }] }],
    ['an unknown clock', { ...releasePart, clocks: { coffeeHours: 1 } }],
    ['half an hour', { ...releasePart, clocks: { approvalHours: 0.5 } }],
    ['no time to approve', { ...releasePart, clocks: { approvalHours: 0 } }],
    ['a negative clock', { ...releasePart, clocks: { coolingOffHours: -1 } }],
    ['a group of one', withGroups([{ ...group, parties: ['legal1'] }])],
    ['a group that needs nobody', withGroups([{ ...group, k: 0 }])],
    ['a rule nobody knows', withGroups([{ ...group, rule: 'coin' }])],
    ['custody without its warning', { ...releasePart, title: { basis: 'custody' } }],
    ['custody with a softer warning', { ...releasePart, title: { basis: 'custody', warning: 'All will be well.' } }],
    ['a network that is none', { ...releasePart, network: { networks: [{ cidr: '192.0.2.0/33', country: 'CH' }], countries: ['CH'] } }],
  ])('%s is refused', ([, part]) => {
    expect(refusal(() => parseReleasePolicy(part))).toBe('AGREEMENT_INVALID')
  })

  test('a clock of one condition is its own, but not below the floor', () => {
    const quick = { ...releasePart, conditions: [{ ...insolvent, clocks: { approvalHours: 24 } }] }
    expect(termsOf(parseReleasePolicy(quick), 'insolvent').clocks).toMatchObject({ approvalHours: 24, coolingOffHours: 24 })
    const none = { ...releasePart, conditions: [{ ...insolvent, clocks: { approvalHours: 0 } }] }
    expect(refusal(() => termsOf(parseReleasePolicy(none), 'insolvent'))).toBe('AGREEMENT_INVALID')
  })
})

describe('a policy that nobody could satisfy is refused when it is made', () => {
  test('ours can be satisfied', () => {
    expect(judgeReleasePolicy(parseReleasePolicy(releasePart), agreement).problems).toEqual([])
  })

  const change = (names: readonly string[], fields: Partial<Party>) => (from: Agreement) => ({
    ...from,
    parties: from.parties.map((party) => (names.includes(party.party) ? { ...party, ...fields } : party)),
  })
  const same = (from: Agreement) => from
  const jurisdiction = (fields: Partial<Agreement['jurisdiction']>) => (from: Agreement) => ({
    ...from,
    jurisdiction: { ...from.jurisdiction, ...fields },
  })
  const cases: readonly (readonly [string, unknown, (from: Agreement) => Agreement, PolicyRule])[] = [
    ['a group whose every member must approve', withGroups([{ ...group, k: 2 }]), same, 'body-unanimous'],
    ['a group that needs more than it has', withGroups([{ ...group, k: 3 }]), same, 'body-unreachable'],
    [
      'custodians all needed without the requester’s house',
      releasePart,
      change(['c1', 'c2'], { organisation: 'House alpha' }),
      'body-unanimous',
    ],
    [
      'too few custodians without the requester’s house',
      releasePart,
      change(['c1', 'c2', 'c3'], { organisation: 'House beta' }),
      'body-unreachable',
    ],
    ['custodians whom the policy bars', releasePart, jurisdiction({ approverCountries: ['CH', 'DE'] }), 'body-unreachable'],
    ['more countries than custodians come from', releasePart, jurisdiction({ custodianCountriesMin: 6 }), 'body-unreachable'],
    ['more organisations than there are', releasePart, jurisdiction({ custodianOrganisationsMin: 6 }), 'body-unreachable'],
    [
      'a minority that is called a majority',
      withGroups([{ name: 'board', parties: ['legal1', 'legal2', 'guardian', 'ministry'], k: 2, rule: 'majority' }]),
      same,
      'majority-too-small',
    ],
    ['one person in two bodies', withGroups([{ ...group, parties: ['c1', 'legal2'] }]), same, 'person-in-two-bodies'],
    [
      'one person under two names in one body',
      releasePart,
      change(['c2'], { name: 'Person c1', organisation: 'House c1' }),
      'person-in-two-bodies',
    ],
    ['a member whom nobody knows', withGroups([{ ...group, parties: ['legal1', 'ghost'] }]), same, 'party-unknown'],
    ['the depositor among the voters', withGroups([{ ...group, parties: ['legal1', 'vendor', 'legal2'] }]), same, 'party-unfit'],
    ['the agent as guardian', { ...releasePart, guardians: ['agent'] }, same, 'party-unfit'],
    ['the depositor as signer of holds', { ...releasePart, holdSigners: ['vendor'] }, same, 'party-unfit'],
    ['an arbiter of the agent’s house', releasePart, change(['arbiter'], { organisation: 'House agent' }), 'arbiter-partial'],
    ['an arbiter of the requester’s house', releasePart, change(['arbiter'], { organisation: 'House alpha' }), 'arbiter-partial'],
    ['two groups of one name', withGroups([group, group]), same, 'name-twice'],
    ['a group that calls itself custodians', withGroups([{ ...group, name: 'custodians' }]), same, 'name-twice'],
    ['clocks longer than the request lives', { ...releasePart, clocks: { requestDaysMax: 100 } }, same, 'clocks-too-long'],
    ['nobody who could ask', releasePart, change(['alpha', 'beta'], { role: 'supervisor' }), 'nobody-may-request'],
  ]
  test.for(cases)('%s', ([, part, alter, rule]) => {
    const policy = parseReleasePolicy(part)
    const frame = alter(agreement)
    expect(judgeReleasePolicy(policy, frame).problems.map((problem) => problem.rule)).toContain(rule)
    expect(refusal(() => requireSatisfiable(policy, frame))).toBe('AGREEMENT_INVALID')
  })

  test('signers are warned of custody, of missing arbiters and guardians, of short notice and of holidays that run out', () => {
    const part = {
      ...releasePart,
      guardians: [],
      title: { basis: 'custody', warning: custodyWarning },
      conditions: [{ ...insolvent, cureDays: 0, clocks: { objectionBusinessDays: 0 } }],
    }
    const parties = agreement.parties.filter((party) => party.role !== 'arbiter')
    const warnings = requireSatisfiable(parseReleasePolicy({ ...part, holdSigners: [] }), {
      ...agreement,
      parties,
      endsAt: '2030-01-01T00:00:00.000Z',
    })
    expect(warnings).toHaveLength(5)
    expect(warnings.join(' ')).toMatch(/bankruptcy law.*arbiter.*guardian.*no time to object.*2029/)
  })
})

describe('from where beneficiaries may fetch', () => {
  const { network } = parseReleasePolicy({
    ...releasePart,
    network: {
      networks: [
        { cidr: '192.0.2.0/24', country: 'CH' },
        { cidr: '192.0.2.128/25', country: 'US' },
        { cidr: '2001:db8::/32', country: 'DE' },
      ],
      countries: ['CH', 'DE'],
      ownStaff: [{ party: 'alpha', cidr: '203.0.113.0/28' }],
    },
  })
  test.for([
    ['192.0.2.7', true, 'country'],
    ['192.0.2.127', true, 'country'],
    ['192.0.2.128', false, 'country-excluded'],
    ['::ffff:192.0.2.7', true, 'country'],
    ['2001:db8::1', true, 'country'],
    ['2001:db9::1', false, 'network-unknown'],
    ['203.0.113.15', true, 'own-staff'],
    ['203.0.113.16', false, 'network-unknown'],
    ['', false, 'address-invalid'],
    ['192.0.2.7, 10.0.0.1', false, 'address-invalid'],
  ] as const)('%s: %s by %s', ([address, allowed, rule]) => {
    expect(judgeNetwork(network, { beneficiary: 'alpha', address })).toMatchObject({ allowed, rule })
  })

  test('the exception for staff is the beneficiary’s own', () => {
    expect(judgeNetwork(network, { beneficiary: 'beta', address: '203.0.113.1' }).allowed).toBe(false)
  })

  test('without a rule everybody may', () => {
    expect(judgeNetwork(null, { beneficiary: 'beta', address: 'anything' })).toEqual({ allowed: true, rule: 'none', country: null })
  })
})
