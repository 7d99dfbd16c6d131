import type { AlarmView, OutcomeView } from '../../release/visible/release.views.js'
import { columns } from '../command.js'

/** What statements did, subject by subject. */
export function linesOfOutcomes(outcomes: readonly OutcomeView[]): readonly string[] {
  return columns(
    outcomes.map(({ subject, state, code, words }): [string, string] => [
      subject,
      code === null ? (state ?? '') : `refused: ${words ?? ''} [${code}]`,
    ]),
  )
}

/** Alarms of custody as every command shows them. */
export function rowsOfAlarms(alarms: readonly AlarmView[]): readonly (readonly [string, string])[] {
  return alarms.map((one) => [`ALARM ${one.agreement}`, `${one.alarm} ${one.about}, since ${one.since}`])
}
