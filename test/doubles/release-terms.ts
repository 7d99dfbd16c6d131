/** Lines of a draft's `release` with the default clocks: an order, an insolvency, and a guardian to veto. */
export const releaseLines = [
  '  type: escrow/release-policy/v1',
  '  calendars: [{ calendar: zurich, timeZone: Europe/Zurich }]',
  '  calendar: zurich',
  '  conditions:',
  '    - { condition: order, kind: shutdown-order, evidence: [order] }',
  '    - { condition: insolvent, kind: insolvency }',
  '  guardians: [ministry]',
  '  holdSigners: [ministry]',
  '  licence: { scope: maintain and operate, returnOrDestroyDays: 365 }',
  '  title: { basis: fiduciary-ownership }',
] as const

/** Who a release needs beside the parties of every home. */
export const releaseParties = [
  ['arbiter', 'arbiter', 'CH'],
  ['ministry', 'supervisor', 'CH'],
] as const

/** Clocks of a case that takes no days; the cooling-off has one of its own. */
export const noDays = 'formalCheckBusinessDays: 0, noticeServedBusinessDays: 0, objectionBusinessDays: 0'

/** Lines of a draft's `release` with the clocks that a test wants. @param conditions - the fields of each, as YAML */
export function releaseWithin(clocks: string, ...conditions: readonly string[]): readonly string[] {
  return [
    '  type: escrow/release-policy/v1',
    '  calendars: [{ calendar: zurich, timeZone: Europe/Zurich }]',
    '  calendar: zurich',
    `  clocks: { ${clocks} }`,
    '  conditions:',
    ...conditions.map((fields) => `    - { ${fields} }`),
    '  guardians: [ministry]',
    '  licence: { scope: maintain and operate }',
    '  title: { basis: fiduciary-ownership }',
  ]
}
