import type { AttestedPeriod } from '../format/attestation.js'
import { formatCount } from './terminal.js'

const shownMax = 40

/** What a person reads of attested due times: how many came to what, and each that was not met. */
export function linesOfPeriods(periods: readonly AttestedPeriod[]): readonly string[] {
  const counts = new Map<string, number>()
  for (const { outcome, late } of periods) {
    const name = late ? `${outcome}, late` : outcome
    counts.set(name, (counts.get(name) ?? 0) + 1)
  }
  const summary = [...counts].map(([name, count]) => `${formatCount(count)} ${name}`).join('; ')
  const unmet = periods.filter(({ outcome }) => !['deposit', 'unchanged', 'open'].includes(outcome))
  const shown = unmet.slice(0, shownMax).map(({ dueAt, outcome, late }) => `  ${dueAt}  ${outcome}${late ? ', met late' : ''}`)
  const more = unmet.length > shown.length ? [`  and ${formatCount(unmet.length - shown.length)} more`] : []
  return [`${formatCount(periods.length)} due times: ${summary === '' ? 'none' : summary}`, ...shown, ...more]
}
