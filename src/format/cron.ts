// Pure: the few forms of a cron line that an agreement may contain. What crons disagree about (names, steps from an offset, day of month
// *or* day of week, seconds) is not among them: parties sign what they read.
import { EscrowError } from '../core/errors.js'
import { cronCharactersMax } from '../core/limits.js'

/** A line as sets of numbers. */
export interface CronLine {
  /** Of the day, ascending, 0 to 1439. */
  readonly minutes: readonly number[]
  readonly daysOfMonth: ReadonlySet<number>
  /** 1 to 12. */
  readonly months: ReadonlySet<number>
  /** 0 is Sunday. */
  readonly daysOfWeek: ReadonlySet<number>
}

interface Field {
  readonly name: string
  readonly min: number
  readonly max: number
}

const fields: readonly [Field, Field, Field, Field] = [
  { name: 'hour', min: 0, max: 23 },
  { name: 'day of month', min: 1, max: 31 },
  { name: 'month', min: 1, max: 12 },
  { name: 'day of week', min: 0, max: 6 },
]

/**
 * Read a line of five fields: minute, hour, day of month, month, day of week.
 *
 * @param text - attacker-controlled.
 * @throws EscrowError `FORMAT_INVALID` with the field that is wrong. Source: docs/formats/schedule.md
 */
export function parseCron(text: string): CronLine {
  if (text.length > cronCharactersMax) throw refuse(`at most ${cronCharactersMax} characters, got ${text.length}`)
  const [minute = '', hour = '', dayOfMonth = '', month = '', dayOfWeek = '', ...rest] = text.split(' ')
  if (dayOfWeek === '' || rest.length > 0) throw refuse('five fields with one space between them')
  // One minute: due times are an hour apart or more.
  if (!/^(?:\d|[1-5]\d)$/.test(minute)) throw refuse('one minute from 0 to 59')
  if (dayOfMonth !== '*' && dayOfWeek !== '*') throw refuse('days of the month or days of the week, not both')
  const [hours, daysOfMonth, months, daysOfWeek] = [hour, dayOfMonth, month, dayOfWeek].map((field, at) => numbersOf(field, fields[at]))
  if (hours === undefined || daysOfMonth === undefined || months === undefined || daysOfWeek === undefined) throw refuse('five fields')
  const minutes = [...hours].sort((left, right) => left - right).map((one) => one * 60 + Number(minute))
  return { minutes, daysOfMonth, months, daysOfWeek }
}

/** Whether a day is one of a line's. @param day - since 1970-01-01, of the Gregorian calendar. */
export function isCronDay(line: CronLine, day: number): boolean {
  const date = new Date(day * 86_400_000)
  return line.daysOfWeek.has(date.getUTCDay()) && line.daysOfMonth.has(date.getUTCDate()) && line.months.has(date.getUTCMonth() + 1)
}

function numbersOf(text: string, field: Field | undefined): ReadonlySet<number> {
  if (field === undefined) return new Set()
  return new Set(text.split(',').flatMap((part) => rangeOf(part, field)))
}

/** One number, a range or all of them; a range or all with a step: each n-th from the first. */
function rangeOf(part: string, { name, min, max }: Field): readonly number[] {
  const [, all, from, to, step] = /^(?:(\*)|(\d{1,2})(?:-(\d{1,2}))?)(?:\/(\d{1,2}))?$/.exec(part) ?? []
  const [first, last] = all === '*' ? [min, max] : [Number(from), Number(to ?? from)]
  const every = Number(step ?? 1)
  const fits = first >= min && first <= last && last <= max && every >= 1 && every <= max
  if (!fits || (step !== undefined && from !== undefined && to === undefined))
    throw refuse(`a ${name} from ${min} to ${max}, got ${JSON.stringify(part)}`)
  return Array.from({ length: Math.floor((last - first) / every) + 1 }, (_, at) => first + at * every)
}

function refuse(expected: string): EscrowError {
  return new EscrowError('FORMAT_INVALID', `cron line: expected ${expected}`)
}
