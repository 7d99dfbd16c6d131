import { findingsListedMax } from '../core/limits.js'
import type { Finding, FindingCode, Outcome, Severity } from '../format/manifest.js'

/** How often one code occurred with one severity: what a manifest says in the clear. */
export interface FindingTally {
  readonly code: FindingCode
  readonly severity: Severity
  readonly count: number
}

/** Characters of a subject or a detail that are kept: the limit of the inventory. */
const textMax = 4096

/**
 * The findings of one deposit: every one counted, the first `findingsListedMax` of each code kept in full. A remote decides how
 * many there are, so memory must not grow with them.
 */
export class FindingLedger {
  private readonly tallies = new Map<string, { code: FindingCode; severity: Severity; count: number }>()
  private readonly kept: Finding[] = []
  private readonly keptOf = new Map<FindingCode, number>()

  /** Count a finding, and keep it while there is room for its code. */
  add(finding: Finding): void {
    this.count(finding.code, finding.severity, 1)
    const kept = this.keptOf.get(finding.code) ?? 0
    if (kept >= findingsListedMax) return
    this.keptOf.set(finding.code, kept + 1)
    this.kept.push({ ...finding, subject: clip(finding.subject), detail: clip(finding.detail) })
  }

  /** Count findings that are not kept in full. @param count - 0 or more. */
  count(code: FindingCode, severity: Severity, count: number): void {
    if (count <= 0) return
    const key = `${code} ${severity}`
    const tally = this.tallies.get(key) ?? { code, severity, count: 0 }
    tally.count += count
    this.tallies.set(key, tally)
  }

  /** Count several findings. */
  addAll(findings: Iterable<Finding>): void {
    for (const finding of findings) this.add(finding)
  }

  /** The findings in full, for the sealed inventory; empty when there are none. */
  listed(): readonly Finding[] {
    return this.kept
  }

  /** Codes and counts, sorted by code and severity, for the manifest in the clear; empty when there are none. */
  counts(): readonly FindingTally[] {
    return [...this.tallies.keys()].sort().flatMap((key) => this.tallies.get(key) ?? [])
  }

  /** `fail` when something blocks, else `pass`. Our own faults (`error`) are exceptions and make no deposit. */
  outcome(): Outcome {
    return this.counts().some((tally) => tally.severity === 'blocking') ? 'fail' : 'pass'
  }
}

const clip = (text: string): string => (text.length <= textMax ? text : `${text.slice(0, textMax - 1)}…`)
