/** What the verify feature needs to know beside its collaborators. Filled from the configuration in `adapters.module.ts`. */
export abstract class VerifyOptions {
  /** How often every byte of every replica is read, in days. */
  abstract readonly everyDays: number
  /** What checks in the background may read of each replica; null for as fast as it goes. */
  abstract readonly bytesPerSecond: number | null
}
