import { randomFillSync } from 'node:crypto'

/** The only source of time. Everything that decides takes `now` as an argument; only edges hold a Clock. */
export abstract class Clock {
  /** The present moment. May go backwards: callers that order things must not rely on it. */
  abstract now(): Date
}

/** The only source of randomness. */
export abstract class Entropy {
  /**
   * Fresh random bytes.
   *
   * @param sizeBytes - 1 to 65536.
   * @returns a new array that the caller owns (and wipes, if it is a secret).
   */
  abstract bytes(sizeBytes: number): Uint8Array
}

/** The computer's clock. */
export class SystemClock extends Clock {
  now(): Date {
    return new Date()
  }
}

/** The operating system's random generator. */
export class SystemEntropy extends Entropy {
  bytes(sizeBytes: number): Uint8Array {
    return randomFillSync(new Uint8Array(sizeBytes))
  }
}

/** Milliseconds from a fixed but unknown moment; for durations, never for dates. Never goes backwards. */
export function monotonicMs(): number {
  return performance.now()
}
