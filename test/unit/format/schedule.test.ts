import { expect, test } from 'vitest'
import { draftedSchedule, parseAgreementDraft } from '../../../src/cli/party/agreement-draft.js'
import { Agreement } from '../../../src/format/agreement.js'
import { parseCanonical } from '../../../src/format/canonical-json.js'
import { agreementProblems } from '../../../src/format/check-agreement.js'
import { parseCron } from '../../../src/format/cron.js'
import { deadlineOf, dueAfter, dueTimes, Schedule, scheduleWords } from '../../../src/format/schedule.js'
import { firstPeriod, periodAfter, rhythmOf, scheduleOf } from '../../../src/escrow/source/schedule.js'
import agreements from '../../vectors/agreement.json' with { type: 'json' }
import vectors from '../../vectors/schedule.json' with { type: 'json' }

const daily = Schedule.parse({ startsAt: '2026-11-01T06:00:00.000Z', everyHours: 24, graceHours: 12 })
const atNight = Schedule.parse({ startsAt: '2026-01-01T00:00:00.000Z', cron: '30 2 * * *', timeZone: 'Europe/Zurich', graceHours: 12 })

test.for(vectors.cases)('vector: $why', ({ schedule, from, to, due }) => {
  const times = dueTimes(Schedule.parse(schedule), { from: new Date(from), to: new Date(to) }, 100)
  expect(times.map((at) => new Date(at).toISOString())).toEqual(due)
})

test('the first deposit is due when the schedule starts, and missed when the grace has passed', () => {
  const rhythm = rhythmOf(daily)
  expect(firstPeriod(rhythm)).toEqual({ periodAt: new Date('2026-11-01T06:00:00Z'), deadlineAt: new Date('2026-11-01T18:00:00Z') })
})

test.for([
  ['long before the start', '2020-01-01T00:00:00Z', '2026-11-01T06:00:00Z'],
  ['one millisecond before the start', '2026-11-01T05:59:59.999Z', '2026-11-01T06:00:00Z'],
  ['at the start', '2026-11-01T06:00:00Z', '2026-11-02T06:00:00Z'],
  ['one millisecond before the second', '2026-11-02T05:59:59.999Z', '2026-11-02T06:00:00Z'],
  ['at the second', '2026-11-02T06:00:00Z', '2026-11-03T06:00:00Z'],
] as const)('fresh %s: the next period is the first that begins afterwards', ([, freshAt, periodAt]) => {
  expect(periodAfter(rhythmOf(daily), new Date(freshAt)).periodAt).toEqual(new Date(periodAt))
})

test('a deadline is so many hours later, whatever clocks on a wall do meanwhile', () => {
  const due = Date.parse('2026-10-24T23:30:00.000Z')
  expect(dueAfter(atNight, due)).toBe(Date.parse('2026-10-25T00:30:00.000Z'))
  expect(new Date(deadlineOf(atNight, Date.parse('2026-10-25T00:30:00.000Z'))).toISOString()).toBe('2026-10-25T12:30:00.000Z')
})

test('no span is longer than asked', () => {
  const span = { from: new Date(0), to: new Date('2027-11-01T00:00:00Z') }
  expect(dueTimes(daily, span, 7)).toHaveLength(7)
  expect(dueTimes(atNight, span, 7)).toHaveLength(7)
})

test.for([daily, atNight])('a row of the index holds a schedule as it was agreed', (schedule) => {
  expect(scheduleOf(rhythmOf(schedule))).toEqual(schedule)
})

test('people read a schedule in words', () => {
  expect(scheduleWords(daily)).toBe('every 24 hours')
  expect(scheduleWords(atNight)).toBe('at the times of "30 2 * * *" in Europe/Zurich')
})

test.for([
  '',
  '30 2 * *',
  '30 2 * * * *',
  '30  2 * * *',
  ' 30 2 * * *',
  '30 2 * * *\n',
  '60 2 * * *',
  '05 2 * * *',
  '* 2 * * *',
  '0,30 2 * * *',
  '30 24 * * *',
  '30 -1 * * *',
  '30 3-2 * * *',
  '30 2-24 * * *',
  '30 */0 * * *',
  '30 */24 * * *',
  '30 2/3 * * *',
  '30 2,,3 * * *',
  '30 2, * * *',
  '30 2 0 * *',
  '30 2 32 * *',
  '30 2 * 13 *',
  '30 2 * 0 *',
  '30 2 * * 7',
  '30 2 * * MON',
  '30 2 L * *',
  '30 2 1 * 1',
  '30 2 ? * *',
  '@daily',
  '٣٠ 2 * * *',
  '30 1e1 * * *',
  `30 ${'1,'.repeat(100)}1 * * *`,
])('the cron line %j is refused', (text) => {
  expect(() => parseCron(text)).toThrow(expect.objectContaining({ code: 'FORMAT_INVALID' }))
  expect(Schedule.safeParse({ ...atNight, cron: text }).success).toBe(false)
})

test.for(['', 'europe/zurich', '+01:00', 'CET+1', 'Europe/', 'Europe/Zurich\n', 'utc', `Europe/${'a'.repeat(60)}`])(
  'the time zone %j is refused',
  (timeZone) => expect(Schedule.safeParse({ ...atNight, timeZone }).success).toBe(false),
)

test.for([
  { ...daily, cron: '30 2 * * *', timeZone: 'UTC' },
  { startsAt: daily.startsAt, graceHours: 1 },
  { startsAt: daily.startsAt, graceHours: 1, cron: '30 2 * * *' },
  { startsAt: daily.startsAt, graceHours: 1, timeZone: 'UTC' },
])('a schedule is an interval or a calendar, complete and alone', (value) => {
  expect(Schedule.safeParse(value).success).toBe(false)
})

const agreement = Agreement.parse(parseCanonical(new TextEncoder().encode(agreements.text)))
const withSchedule = (schedule: Schedule) => ({ ...agreement, sources: agreement.sources.map((one) => ({ ...one, schedule })) })

test('parties may agree on a calendar', () => {
  expect(agreementProblems(Agreement.parse(withSchedule(atNight)))).toEqual([])
})

test.for([
  [/time zone that is known here/, { ...atNight, timeZone: 'Europe/Lyonesse' }],
  [/a day that there is/, { ...atNight, cron: '0 12 30 2 *' }],
  [/after 1970/, { ...atNight, startsAt: '1969-12-31T23:59:59.999Z' }],
] as const)('a calendar that nobody could keep is refused: %s', ([words, schedule]) => {
  expect(agreementProblems(withSchedule(schedule)).join()).toMatch(words)
})

const draftOf = (lines: string) => `title: t
endsAt: '2030-01-01T00:00:00.000Z'
retentionDays: 30
jurisdiction: { storeCountries: [], storeControlExcluded: [], custodianCountriesMin: 1, custodianOrganisationsMin: 1, approverCountries: [] }
sources:
  - source: core
${lines}`

test.for([
  ['', { everyHours: 24, graceHours: 12 }],
  ['    everyHours: 6\n    graceHours: 1\n', { everyHours: 6, graceHours: 1 }],
  ['    cron: 30 2 * * 1-5\n    timeZone: Europe/Zurich\n', { cron: '30 2 * * 1-5', timeZone: 'Europe/Zurich', graceHours: 12 }],
] as const)('a draft that says %j means a schedule', ([lines, schedule]) => {
  const [source] = parseAgreementDraft(draftOf(lines), 'draft.yaml').sources
  expect(draftedSchedule(source!, daily.startsAt)).toEqual({ startsAt: daily.startsAt, ...schedule })
})

test.for([
  '    cron: 30 2 * * *\n',
  '    timeZone: UTC\n',
  '    everyHours: 6\n    cron: 30 2 * * *\n    timeZone: UTC\n',
  '    cron: 61 2 * * *\n    timeZone: UTC\n',
])('a draft that says %j is refused', (lines) => {
  expect(() => parseAgreementDraft(draftOf(lines), 'draft.yaml')).toThrow(expect.objectContaining({ code: 'AGREEMENT_INVALID' }))
})
