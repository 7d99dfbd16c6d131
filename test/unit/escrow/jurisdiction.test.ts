import { expect, test } from 'vitest'
import { verdictOnCapital, verdictOnParty, verdictOnStore } from '../../../src/escrow/jurisdiction.js'
import type { JurisdictionPolicy, Role } from '../../../src/format/agreement.js'

const policy: JurisdictionPolicy = {
  storeCountries: ['CH', 'LI'],
  storeControlExcluded: ['US', 'CN'],
  custodianCountriesMin: 2,
  custodianOrganisationsMin: 3,
  approverCountries: ['CH', 'DE'],
}
const standing = (country: string, control: string, largest = 0, total = largest) => ({
  country,
  control,
  foreignCapitalLargestPercent: largest,
  foreignCapitalTotalPercent: total,
})

test.for<[string, string, readonly string[]]>([
  ['CH', 'CH', []],
  ['LI', 'DE', []],
  ['DE', 'DE', ['storeCountries: expected CH or LI, got DE']],
  ['CH', 'US', ['storeControlExcluded: US is excluded']],
  ['US', 'US', ['storeCountries: expected CH or LI, got US', 'storeControlExcluded: US is excluded']],
])('a store in %s under control of %s breaks the rules %j', ([country, control, broken]) => {
  expect(verdictOnStore({ country, control }, policy)).toEqual(broken)
})

test('without a list of countries every store country is allowed, but an excluded control is not', () => {
  const open = { ...policy, storeCountries: [] }
  expect(verdictOnStore({ country: 'JP', control: 'JP' }, open)).toEqual([])
  expect(verdictOnStore({ country: 'JP', control: 'CN' }, open)).toEqual(['storeControlExcluded: CN is excluded'])
})

test.for<Role>(['custodian', 'approver', 'supervisor'])(
  'a %s outside the approvers’ countries has no vote, by seat or by control',
  (role) => {
    expect(verdictOnParty({ role, standing: standing('CH', 'DE') }, policy)).toEqual([])
    expect(verdictOnParty({ role, standing: standing('US', 'DE') }, policy)).toEqual([
      'approverCountries: expected a seat in CH or DE, got US',
    ])
    expect(verdictOnParty({ role, standing: standing('CH', 'US') }, policy)).toEqual([
      'approverCountries: expected control in CH or DE, got US',
    ])
  },
)

test.for<Role>(['depositor', 'beneficiary', 'agent', 'arbiter'])('a %s does not vote, so its country does not matter', (role) => {
  expect(verdictOnParty({ role, standing: standing('US', 'US') }, policy)).toEqual([])
})

test('without a list every country may approve', () => {
  expect(verdictOnParty({ role: 'custodian', standing: standing('US', 'US') }, { ...policy, approverCountries: [] })).toEqual([])
})

test.for<[number, number, number]>([
  [0, 0, 0],
  [24, 39, 0],
  [25, 39, 1],
  [24, 40, 1],
  [25, 40, 2],
  [100, 100, 2],
])('%i %% with one foreign holder and %i %% in all passes %i limits of SecNumCloud', ([largest, total, count]) => {
  expect(verdictOnCapital(standing('CH', 'CH', largest, total))).toHaveLength(count)
})
