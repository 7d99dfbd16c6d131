import { Clock } from '../../src/core/environment.js'

/** A clock that stands still until a test moves it, in either direction. */
export class ManualClock extends Clock {
  constructor(public time = new Date('2026-11-22T10:00:00.000Z')) {
    super()
  }

  now(): Date {
    return new Date(this.time)
  }

  /** Let time pass. @param ms - may be negative: clocks are set back, too. */
  advance(ms: number): void {
    this.time = new Date(this.time.getTime() + ms)
  }
}
