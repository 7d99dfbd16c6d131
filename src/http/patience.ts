import { httpBodyTimeoutMs, httpCheckEveryMs, httpHeadersTimeoutMs, httpIdleTimeoutMs } from '../core/http-limits.js'

/** How long the server waits for clients. Those of `core/http-limits`, but where a test has no minutes to wait. */
export abstract class HttpPatience {
  /** For the header of a request. */
  abstract readonly headersMs: number
  /** How often headers are looked at: one may take so much longer. */
  abstract readonly checkEveryMs: number
  /** For a body that is not a stream. */
  abstract readonly bodyMs: number
  /** While nothing moves on a connection. */
  abstract readonly idleMs: number
}

/** The patience of every service that runs. */
export const usualPatience = {
  headersMs: httpHeadersTimeoutMs,
  checkEveryMs: httpCheckEveryMs,
  bodyMs: httpBodyTimeoutMs,
  idleMs: httpIdleTimeoutMs,
} satisfies HttpPatience
