/**
 * Where each window of a release request ends. A window begins when its transition is recorded, never when an earlier one should
 * have ended: after an outage nobody has lost a day of the time to object, vote or veto.
 */
import { unreachable } from '../../core/errors.js'
import { addBusinessDays, addCalendarDays } from './business-days.js'
import type { ReleaseTerms } from './release-policy.js'
import type { HoldableState, RequestFrame } from './release-state.js'

const hourMs = 3_600_000

/** Windows whose end depends on nothing but their beginning. */
export type WindowName = 'submitted' | 'admitted' | 'notice' | 'approval' | 'coolingOff' | 'releasing' | 'released'

/**
 * The end of a window that begins at `from`.
 *
 * @returns `from` itself where the terms leave the window out: requests of the depositor itself, and of orders, whose contest is in
 *   court, are not checked, served and objected to again.
 */
export function windowEnd(name: WindowName, from: Date, frame: RequestFrame): Date {
  const { clocks, calendar } = frame.terms
  const heard = frame.cause.kind === 'beneficiary'
  switch (name) {
    case 'submitted':
      return heard ? addBusinessDays(from, clocks.formalCheckBusinessDays, calendar) : from
    case 'admitted':
      return heard ? addBusinessDays(from, clocks.noticeServedBusinessDays, calendar) : from
    case 'notice':
      return heard ? noticeEnd(from, frame.terms) : from
    case 'approval':
      return addHours(from, clocks.approvalHours)
    case 'coolingOff':
      return addHours(from, clocks.coolingOffHours)
    case 'releasing':
      return addCalendarDays(from, clocks.releasingDays, calendar)
    case 'released':
      return addCalendarDays(from, clocks.grantDays, calendar)
    default:
      return unreachable(name)
  }
}

/** Cure and objection run side by side; the later one ends the notice. */
export function noticeEnd(from: Date, terms: ReleaseTerms): Date {
  const objection = addBusinessDays(from, terms.clocks.objectionBusinessDays, terms.calendar)
  return later(objection, addCalendarDays(from, terms.cureDays, terms.calendar))
}

/** When docket evidence is due, and when a contestation ends without a ruling. */
export function contestEnds(from: Date, terms: ReleaseTerms): { readonly docketBy: Date; readonly rulingBy: Date } {
  const rulingBy = addCalendarDays(from, terms.clocks.contestDaysMax, terms.calendar)
  const docketBy = addCalendarDays(from, terms.clocks.docketDays, terms.calendar)
  return { docketBy: docketBy < rulingBy ? docketBy : rulingBy, rulingBy }
}

/**
 * The state to return to after a hold: its clocks stood still for `heldMs`.
 *
 * @param heldMs - 0 or more.
 */
export function shiftWindows(state: HoldableState, heldMs: number): HoldableState {
  const shift = (moment: string): string => new Date(Date.parse(moment) + heldMs).toISOString()
  const until = shift(state.until)
  if (state.name === 'contested') return { ...state, until, rulingBy: shift(state.rulingBy) }
  if (state.name === 'releasing') return { ...state, until, overdueAt: state.overdueAt === null ? null : shift(state.overdueAt) }
  return { ...state, until }
}

/** Whole hours later; days of 24 hours, whatever the zone's clocks do. */
export function addHours(from: Date, hours: number): Date {
  return new Date(from.getTime() + hours * hourMs)
}

function later(left: Date, right: Date): Date {
  return left > right ? left : right
}
