// What a child of the bench says about itself: one line of JSON at the end.
import { monotonicMs } from '../../src/core/environment.js'

/** Own user and system time, and wall time, since a moment. Children are not counted: the parent does that. */
export interface OwnUsage {
  readonly wallMs: number
  readonly cpuMs: number
  /** The highest since the process started. */
  readonly peakRssBytes: number
}

/** Begin to count. @returns ask it for the usage since now. */
export function startUsage(): () => OwnUsage {
  const startedMs = monotonicMs()
  const before = process.cpuUsage()
  return () => {
    const { user, system } = process.cpuUsage(before)
    return { wallMs: monotonicMs() - startedMs, cpuMs: (user + system) / 1000, peakRssBytes: process.resourceUsage().maxRSS * 1024 }
  }
}

/** The argument of a child. */
export function childInput<T>(): T {
  return JSON.parse(process.argv[2] ?? '') as T
}

/** Answer the parent. */
export function answer(result: unknown): void {
  process.stdout.write(`${JSON.stringify(result)}\n`)
}
