import { Clock } from '../../src/core/environment.js'

/** A clock that goes on by a millisecond whenever somebody looks, so that two looks never give one moment. */
export class TickingClock extends Clock {
  constructor(public time: Date = new Date('2026-11-22T10:00:00.000Z')) {
    super()
  }

  now(): Date {
    this.time = new Date(this.time.getTime() + 1)
    return new Date(this.time)
  }

  /** Let time pass. */
  advance(ms: number): void {
    this.time = new Date(this.time.getTime() + ms)
  }
}
