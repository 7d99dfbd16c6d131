// What people read of the release part before they sign it.
import { expect, test } from 'vitest'
import type { Agreement } from '../../../src/format/agreement.js'
import { linesOfRelease, shownRelease } from '../../../src/cli/release-lines.js'
import { noReleaseWarning, noWitnessWarning } from '../../../src/release/amendment/judge-agreement.js'
import { ConditionKind, custodyWarning } from '../../../src/release/rules/release-policy.js'
import { Consortium } from '../../doubles/consortium.js'
import { refusal } from '../../doubles/code-of.js'
import { releasePart } from '../../doubles/consortium-agreement.js'

const show = (release: unknown) => linesOfRelease(new Consortium({ release }).agreement)

test('every kind of condition is shown with its evidence, its clocks and who approves', () => {
  const conditions = ConditionKind.options.map((kind, place) => ({
    condition: `when-${place}`,
    kind,
    evidence: ['court-register-extract'],
    cureDays: 10,
    automatic: kind === 'missed-deposits',
    approvalGroups: [{ name: 'legal', parties: ['legal1', 'legal2'], k: 1, rule: 'any-deny' }],
    clocks: { objectionBusinessDays: 7 },
  }))
  const text = show({ ...releasePart, conditions }).lines.join('\n')
  for (const kind of ConditionKind.options) expect(text).toContain(kind)
  expect(text).toMatch(/missed-deposits, proposed by itself; evidence: court-register-extract; 7 business days to object, 10 days to cure/)
  expect(text).toMatch(/approval within 72 h: custodians, legal 1 of 2 \(any-deny\); cooling-off 24 h/)
})

test('the scope of the licence is shown, and when copies must be gone', () => {
  const licence = { scope: 'maintain and operate', territory: ['CH', 'DE'], sublicensable: true, returnOrDestroyDays: 365 }
  const text = show({ ...releasePart, licence }).lines.join('\n')
  expect(text).toMatch(/licence +maintain and operate\n.*CH, DE; may be sublicensed; copies returned or destroyed after 365 days/)
})

test('custody warns of bankruptcy in the words that the parties sign, fiduciary ownership does not', () => {
  const custody = show({ ...releasePart, title: { basis: 'custody', warning: custodyWarning } })
  expect(custody.warnings).toContain(custodyWarning)
  expect(custody.lines.join('\n')).toMatch(/WARNING .*bankruptcy law may count the deposit/)
  const owned = show(releasePart)
  expect([owned.lines.join('\n'), owned.warnings]).toEqual([
    expect.stringContaining('fiduciary ownership'),
    expect.not.arrayContaining([custodyWarning]),
  ])
})

test('whoever has more capital from outside than the limits allow is named, with and without a release part', () => {
  const standing = { country: 'CH', control: 'CH', foreignCapitalLargestPercent: 25, foreignCapitalTotalPercent: 39 }
  const named = 'c2: foreignCapitalLargestPercent: expected at most 24, got 25'
  for (const release of [releasePart, {}]) {
    const change = (made: Agreement) => ({
      ...made,
      parties: made.parties.map((party) => (party.party === 'c2' ? { ...party, standing } : party)),
    })
    const { lines, warnings } = linesOfRelease(new Consortium({ release, change }).agreement)
    expect(warnings.filter((warning) => warning.includes('oreignCapital'))).toEqual([named])
    expect(lines.join('\n')).toContain(`WARNING  ${named}`)
  }
})

test('whoever signs hears that nobody else watches the log', () => {
  for (const [witnessQuorum, said] of [
    [0, true],
    [1, false],
  ] as const) {
    const change = (made: Agreement) => ({ ...made, log: { ...made.log, witnessQuorum } })
    for (const release of [releasePart, {}])
      expect(linesOfRelease(new Consortium({ release, change }).agreement).warnings.includes(noWitnessWarning)).toBe(said)
  }
})

test('a release part that is malformed or that nobody could satisfy is refused, and none at all is warned of', () => {
  expect(refusal(() => show({ ...releasePart, title: { basis: 'custody' } }))).toBe('AGREEMENT_INVALID')
  expect(refusal(() => show({ ...releasePart, licence: {} }))).toBe('AGREEMENT_INVALID')
  const impossible = [
    { condition: 'never', kind: 'insolvency', approvalGroups: [{ name: 'legal', parties: ['legal1', 'legal2'], k: 2, rule: 'any-deny' }] },
  ]
  expect(refusal(() => show({ ...releasePart, conditions: impossible }))).toBe('AGREEMENT_INVALID')
  expect(shownRelease(new Consortium({ release: { ...releasePart, conditions: impossible } }).agreement).join()).toMatch(
    /WARNING .*nobody could satisfy/,
  )
  expect(show({}).warnings).toEqual([noReleaseWarning, noWitnessWarning])
})
