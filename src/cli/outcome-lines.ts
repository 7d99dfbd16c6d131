import type { OutcomeView } from '../release/release.views.js'
import { columns } from './command.js'

/** What statements did, subject by subject. */
export function linesOfOutcomes(outcomes: readonly OutcomeView[]): readonly string[] {
  return columns(
    outcomes.map(({ subject, state, code, words }): [string, string] => [
      subject,
      code === null ? (state ?? '') : `refused: ${words ?? ''} [${code}]`,
    ]),
  )
}
