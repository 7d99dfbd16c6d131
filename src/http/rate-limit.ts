import { EscrowError } from '../core/errors.js'
import { rateClientsMax } from '../core/http-limits.js'

interface Bucket {
  /** How many milliseconds of a minute are unspent: whole numbers, where thirds of a request would not be. */
  readonly unspentMs: number
  readonly atMs: number
}

const minuteMs = 60_000

/**
 * How often a client may ask: a bucket that holds a minute's worth and fills steadily. Each process counts for itself, so n processes
 * allow n times as much.
 */
export class RateLimit {
  private readonly buckets = new Map<string, Bucket>()

  /** @param perMinute - 1 or more. @param nowMs - never goes backwards. */
  constructor(
    private readonly perMinute: number,
    private readonly nowMs: () => number,
  ) {}

  /**
   * Count one request.
   *
   * @param client - whoever is counted: an address or a token's id.
   * @throws EscrowError `RATE_EXCEEDED` with `retryAfterSeconds`
   */
  count(client: string): void {
    const atMs = this.nowMs()
    const before = this.buckets.get(client)
    const costMs = minuteMs / this.perMinute
    const unspentMs = before === undefined ? minuteMs : Math.min(minuteMs, before.unspentMs + atMs - before.atMs)
    const allowed = unspentMs >= costMs
    // A refusal counts nothing: the bucket goes on filling from when it was last taken from.
    this.remember(client, before === undefined || allowed ? { unspentMs: unspentMs - costMs, atMs } : before)
    if (allowed) return
    const retryAfterSeconds = Math.ceil((costMs - unspentMs) / 1000)
    throw new EscrowError('RATE_EXCEEDED', `expected at most ${this.perMinute} requests a minute`, { details: { retryAfterSeconds } })
  }

  /** Taken out and put back, it is the youngest; the oldest goes when there are too many. */
  private remember(client: string, bucket: Bucket): void {
    this.buckets.delete(client)
    this.buckets.set(client, bucket)
    const [oldest] = this.buckets.keys()
    if (this.buckets.size > rateClientsMax && oldest !== undefined) this.buckets.delete(oldest)
  }
}
