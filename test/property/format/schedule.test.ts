import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { dueAfter, dueTimes, type CalendarSchedule } from '../../../src/format/schedule.js'

const hourMs = 3_600_000
/** Around changes of clocks: by an hour and by half an hour, north and south, by day and at midnight. */
const changes = [
  ['Europe/Zurich', '2026-03-29'],
  ['Europe/Zurich', '2026-10-25'],
  ['America/St_Johns', '2026-03-08'],
  ['Australia/Lord_Howe', '2026-04-05'],
  ['Australia/Lord_Howe', '2026-10-04'],
  ['Africa/Cairo', '2026-04-24'],
  ['America/Santiago', '2026-09-06'],
  ['Asia/Kathmandu', '2026-07-01'],
  ['UTC', '2026-12-31'],
] as const

const wall = new Map<string, Intl.DateTimeFormat>()
/** What the clocks of a zone show, read by another way than the code under test: `2026-03-29 03:30 Sun`. */
function shown(timeZone: string, atMs: number): string {
  const clock = wall.get(timeZone) ?? new Intl.DateTimeFormat('sv-SE', { timeZone, dateStyle: 'short', timeStyle: 'short' })
  wall.set(timeZone, clock)
  return clock.format(atMs)
}

interface Shown {
  readonly from: number
  readonly to: number
  /** When clocks first show a minute. */
  readonly first: ReadonlyMap<string, number>
  /** When clocks show again what follows a jump forward. */
  readonly jumps: readonly number[]
}

const known = new Map<string, Shown>()

/** Every minute of three and a half days around a change. */
function minutesOf([timeZone, day]: (typeof changes)[number]): Shown {
  const before = known.get(timeZone + day)
  if (before !== undefined) return before
  const middle = Date.parse(`${day}T00:00:00.000Z`)
  const [from, to] = [middle - 30 * hourMs, middle + 54 * hourMs]
  const first = new Map<string, number>()
  const jumps: number[] = []
  let last = shown(timeZone, from - 60_000)
  for (let at = from; at < to; at += 60_000) {
    const text = shown(timeZone, at)
    if (!first.has(text)) first.set(text, at)
    if (Date.parse(`${text.replace(' ', 'T')}Z`) - Date.parse(`${last.replace(' ', 'T')}Z`) > 60_000) jumps.push(at)
    last = text
  }
  const found = { from, to, first, jumps }
  known.set(timeZone + day, found)
  return found
}

const calendars = fc.record({
  place: fc.constantFrom(...changes),
  minute: fc.integer({ min: 0, max: 59 }),
  hours: fc.uniqueArray(fc.integer({ min: 0, max: 23 }), { minLength: 1, maxLength: 24 }),
})
type Drawn = typeof calendars extends fc.Arbitrary<infer T> ? T : never

const scheduleOf = ({ place: [timeZone], minute, hours }: Drawn): CalendarSchedule => ({
  startsAt: '2026-01-01T00:00:00.000Z',
  cron: `${minute} ${hours.join(',')} * * *`,
  timeZone,
  graceHours: 6,
})

test('a time that clocks show is due when they first show it, and only what they skip is due at another time, soon after the jump', () => {
  fc.assert(
    fc.property(calendars, (drawn) => {
      const { from, to, first, jumps } = minutesOf(drawn.place)
      const due = dueTimes(scheduleOf(drawn), { from: new Date(from), to: new Date(to) }, 1000)
      const wanted = drawn.hours.map((hour) => `${String(hour).padStart(2, '0')}:${String(drawn.minute).padStart(2, '0')}`)
      const shownTimes = [...first].filter(([text]) => wanted.includes(text.slice(11))).map(([, at]) => at)
      expect(due).toEqual(expect.arrayContaining(shownTimes))
      for (const at of due.filter((one) => !shownTimes.includes(one)))
        expect(jumps.some((jump) => at >= jump && at < jump + hourMs)).toBe(true)
    }),
    { numRuns: 100 },
  )
})

test('asked one after the other, due times are those of the whole span, ascending', () => {
  const moments = fc.date({ min: new Date('2025-06-01T00:00:00Z'), max: new Date('2028-01-01T00:00:00Z'), noInvalidDate: true })
  fc.assert(
    fc.property(calendars, moments, (drawn, from) => {
      const schedule = scheduleOf(drawn)
      const to = new Date(from.getTime() + 5 * 24 * hourMs)
      const walked: number[] = []
      for (let at = dueAfter(schedule, from.getTime() - 1); at !== null && at < to.getTime(); at = dueAfter(schedule, at)) walked.push(at)
      expect(walked).toEqual(dueTimes(schedule, { from, to }, 1000))
      expect(walked).toEqual([...new Set(walked)].sort((left, right) => left - right))
      expect(walked.every((at) => at >= Date.parse(schedule.startsAt))).toBe(true)
    }),
    { numRuns: 30 },
  )
})
