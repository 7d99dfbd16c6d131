import { SystemClock } from '../../core/environment.js'

/** The agreement of the demo before anybody signs it. @param url - a second source beside the scratch copy, or null */
export function demoDraft(sourcePath: string, url: string | null): string {
  const yearMs = 365 * 24 * 3_600_000
  const endsAt = new Date(new SystemClock().now().getTime() + yearMs).toISOString()
  const upstream = url === null ? [] : ['  - source: upstream', `    url: ${JSON.stringify(url)}`, '    everyHours: 24']
  return [
    'title: Continuity of the demo product',
    `endsAt: ${endsAt}`,
    'retentionDays: 30',
    'sources:',
    '  - source: product',
    `    url: ${JSON.stringify(sourcePath)}`,
    '    everyHours: 24',
    ...upstream,
    'jurisdiction:',
    '  storeCountries: [CH]',
    '  storeControlExcluded: [US, CN]',
    '  custodianCountriesMin: 3',
    '  custodianOrganisationsMin: 3',
    '  approverCountries: [CH, DE, FR, NL, AT]',
    'release:',
    '  type: escrow/release-policy/v1',
    '  calendars: [{ calendar: zurich, timeZone: Europe/Zurich }]',
    '  calendar: zurich',
    // A walk of minutes: every clock that may be zero is.
    '  clocks: { formalCheckBusinessDays: 0, noticeServedBusinessDays: 0, objectionBusinessDays: 0, coolingOffHours: 0 }',
    '  conditions: [{ condition: shutdown, kind: shutdown-order, evidence: [order] }]',
    '  guardians: [ministry]',
    '  licence: { scope: Maintain and operate the product. }',
    '  title: { basis: fiduciary-ownership }',
    '',
  ].join('\n')
}
