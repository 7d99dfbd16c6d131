import { Clock } from '../../src/core/environment.js'

/** A clock that stands still until a test moves it, in either direction. */
export class ManualClock extends Clock {
  constructor(public time = new Date('2026-11-22T10:00:00.000Z')) {
    super()
  }

  now(): Date {
    return new Date(this.time)
  }

  /** Move by so many seconds; negative goes back. */
  advance(seconds: number): void {
    this.time = new Date(this.time.getTime() + seconds * 1000)
  }
}
