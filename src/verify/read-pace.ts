// Keeps what a check reads within a budget, so that deposits and downloads have the rest.
import { setTimeout as wait } from 'node:timers/promises'
import { monotonicMs } from '../core/environment.js'

/** What a pace needs of the world. */
export interface PaceClock {
  /** Milliseconds that never go backwards. */
  readonly nowMs: () => number
  readonly sleep: (ms: number, signal?: AbortSignal) => Promise<unknown>
}

const system: PaceClock = { nowMs: monotonicMs, sleep: (ms, signal) => wait(ms, undefined, { signal }) }
/** Shorter pauses are saved up: timers are no finer. */
const pauseMinMs = 20
/** What was not used before is not made up for by a burst. */
const arrearsMaxMs = 1000

/** So many bytes per second of each replica, whichever objects they belong to. */
export class ReadPace {
  private readonly dueMs = new Map<string, number>()

  /** @param bytesPerSecond - of each replica; null for as fast as it goes. */
  constructor(
    private readonly bytesPerSecond: number | null,
    private readonly clock: PaceClock = system,
  ) {}

  /** Account for bytes that were read, and wait until they are within the budget. @throws the signal's reason */
  async spend(replica: string, bytes: number, signal?: AbortSignal): Promise<void> {
    if (this.bytesPerSecond === null) return
    const nowMs = this.clock.nowMs()
    const fromMs = Math.max(this.dueMs.get(replica) ?? nowMs, nowMs - arrearsMaxMs)
    const dueMs = fromMs + (bytes * 1000) / this.bytesPerSecond
    this.dueMs.set(replica, dueMs)
    if (dueMs - nowMs >= pauseMinMs) await this.clock.sleep(dueMs - nowMs, signal)
  }
}
