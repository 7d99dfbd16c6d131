import { Clock } from '../../src/core/environment.js'

/** A clock that stands still until a test moves it. */
export class ManualClock extends Clock {
  constructor(private moment: Date) {
    super()
  }

  now(): Date {
    return this.moment
  }

  /** Let time pass. @param ms - may be negative: clocks are set back, too. */
  advance(ms: number): void {
    this.moment = new Date(this.moment.getTime() + ms)
  }
}
