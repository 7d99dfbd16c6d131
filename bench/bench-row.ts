// What a row of the speed table is (docs/PERFORMANCE.md): it measures both sides in one run, so that only their ratio counts.
import type { Bench } from './bench.js'

/** One comparison with a target. */
export interface Ratio {
  readonly what: string
  readonly value: number
  readonly unit: '×' | '/s' | 'MiB' | 's' | '%' | ''
  /** Null where a number is shown for what it is worth. */
  readonly target: { readonly bound: 'at most' | 'at least'; readonly value: number } | null
}

/** One thing that was run. Times of several rounds are medians. */
export interface Measured {
  readonly what: string
  readonly wallMs: number
  /** User and system time of the whole process tree, as far as it was waited for. */
  readonly cpuMs: number
  readonly bytes?: number
  /** Of the Node process alone. */
  readonly peakRssBytes?: number
}

/** What a row found, or why it could not be measured. */
export type RowOutcome =
  | { readonly outcome: 'measured'; readonly ratios: readonly Ratio[]; readonly measured: readonly Measured[]; readonly bound: string }
  | { readonly outcome: 'skipped'; readonly why: string }

/** Without the repository of the table as files. */
export const noRemote: RowOutcome = { outcome: 'skipped', why: 'the remote is not on this machine' }
/** Without the program that makes throw-away databases. */
export const noPostgres: RowOutcome = { outcome: 'skipped', why: 'PostgreSQL is not installed' }

/** One row of the table. */
export interface BenchRow {
  readonly name: string
  readonly title: string
  readonly run: (bench: Bench) => Promise<RowOutcome>
}

/** @returns whether the target is met; true where there is none. */
export function meets({ value, target }: Ratio): boolean {
  if (target === null) return true
  return target.bound === 'at most' ? value <= target.value : value >= target.value
}
