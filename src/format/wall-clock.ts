// Pure: what clocks on a wall show, by the time zone rules that this runtime has (IANA, through Intl).
import { EscrowError } from '../core/errors.js'

const dayMs = 86_400_000
/** More than there are zones, with their aliases. */
const zonesKeptMax = 1000

const clocks = new Map<string, Intl.DateTimeFormat>()

/** Whether this runtime knows a time zone by that name. @param zone - of the shape that `TimeZone` asks for. */
export function isTimeZone(zone: string): boolean {
  try {
    clockIn(zone)
    return true
  } catch {
    return false
  }
}

/**
 * How far the clocks of a zone are ahead of UTC.
 *
 * @param atMs - since 1970. @returns milliseconds; negative west of Greenwich.
 * @throws EscrowError `AGREEMENT_INVALID` for a zone that this runtime does not know
 */
export function offsetMs(zone: string, atMs: number): number {
  const shown = new Map(
    clockIn(zone)
      .formatToParts(atMs)
      .map(({ type, value }) => [type, Number(value)]),
  )
  const part = (type: Intl.DateTimeFormatPartTypes) => shown.get(type) ?? 0
  const wallMs = Date.UTC(part('year'), part('month') - 1, part('day'), part('hour'), part('minute'), part('second'))
  return wallMs - Math.floor(atMs / 1000) * 1000
}

/**
 * When clocks show certain times of a day.
 *
 * A time that they skip counts by the offset before the gap, so it comes as much later as they jumped; one that they show twice counts the
 * first time (RFC 5545, section 3.3.5, and RFC 9557's "compatible").
 *
 * @param day - since 1970-01-01, as the calendar of the zone counts. @param minutes - of the day, each 0 to 1439.
 * @returns milliseconds since 1970, ascending, each once. @throws EscrowError `AGREEMENT_INVALID` for an unknown zone
 */
export function instantsOf(zone: string, day: number, minutes: readonly number[]): readonly number[] {
  const midnightMs = day * dayMs
  // Wide enough for every offset, from -12 to +14 hours. Clocks do not change twice within three days.
  const [before, after] = [offsetMs(zone, midnightMs - dayMs), offsetMs(zone, midnightMs + 2 * dayMs)]
  const instants = minutes.map((minute) => {
    const wallMs = midnightMs + minute * 60_000
    const [early, late] = [wallMs - before, wallMs - after]
    if (before === after || offsetMs(zone, early) === before) return early
    return offsetMs(zone, late) === after ? late : early
  })
  return [...new Set(instants)].sort((left, right) => left - right)
}

/** The day that clocks show. @returns since 1970-01-01. @throws EscrowError `AGREEMENT_INVALID` for an unknown zone */
export function dayIn(zone: string, atMs: number): number {
  return Math.floor((atMs + offsetMs(zone, atMs)) / dayMs)
}

/** Formatters cost a millisecond to make and microseconds to use. */
function clockIn(zone: string): Intl.DateTimeFormat {
  const known = clocks.get(zone)
  if (known !== undefined) return known
  const clock = newClock(zone)
  if (clocks.size >= zonesKeptMax) clocks.clear()
  clocks.set(zone, clock)
  return clock
}

function newClock(timeZone: string): Intl.DateTimeFormat {
  const parts = { year: 'numeric', month: 'numeric', day: 'numeric', hour: 'numeric', minute: 'numeric', second: 'numeric' } as const
  try {
    return new Intl.DateTimeFormat('en-US', { timeZone, calendar: 'gregory', numberingSystem: 'latn', hourCycle: 'h23', ...parts })
  } catch (cause) {
    throw new EscrowError('AGREEMENT_INVALID', `expected a time zone that is known here, got ${JSON.stringify(timeZone)}`, { cause })
  }
}
