import { WHAT_TO_ADD } from '../format/check-list.js'
import type { Finding, Manifest } from '../format/manifest.js'
import { printable } from './terminal.js'

/**
 * What a person reads about the findings of a deposit: of each code the first that it is about, and what to do about those that block or warn.
 *
 * @param findings - all of them, with names that a repository chose; `escrow completeness` and `--json` show them all.
 * @returns rows for `columns`; none when nothing was found.
 */
export function findingRows(counted: Manifest['findings'], findings: readonly Finding[]): readonly (readonly [string, string])[] {
  return counted.flatMap(({ code, severity, count }) => {
    // A code may come with several severities: a deleted branch blocks, a merged one does not.
    const first = findings.find((finding) => finding.code === code && finding.severity === severity)
    const row = ['finding', `${severity}: ${code} (${count}) ${first === undefined ? '' : wordsOf(first)}`] as const
    const advice = WHAT_TO_ADD[code] ?? (severity === 'blocking' ? 'explain it with `escrow explain`' : undefined)
    return severity === 'info' || advice === undefined ? [row] : [row, ['', `-> ${advice}`] as const]
  })
}

function wordsOf({ severity, subject, detail }: Finding): string {
  return printable(severity === 'info' || detail === '' ? subject : `${subject}: ${detail}`)
}
