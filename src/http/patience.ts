import { pushNamesTimeMaxMs, pushTimeMaxMs } from '../core/limits.js'
import { httpBodyTimeoutMs, httpCheckEveryMs, httpHeadersTimeoutMs, httpIdleTimeoutMs } from '../core/http-limits.js'

/** How long the server waits for clients. Those of `core/http-limits`, but where a test has no minutes to wait. */
export abstract class HttpPatience {
  /** For the header of a request. */
  abstract readonly headersMs: number
  /** How often headers are looked at: one may take so much longer. */
  abstract readonly checkEveryMs: number
  /** For a body that is not a stream. */
  abstract readonly bodyMs: number
  /** For the names that come before the pack of a push. */
  abstract readonly pushNamesMs: number
  /** For a push as a whole. */
  abstract readonly pushMs: number
  /** While nothing moves on a connection. */
  abstract readonly idleMs: number
}

/** The patience of every service that runs. */
export const usualPatience = {
  headersMs: httpHeadersTimeoutMs,
  checkEveryMs: httpCheckEveryMs,
  bodyMs: httpBodyTimeoutMs,
  pushNamesMs: pushNamesTimeMaxMs,
  pushMs: pushTimeMaxMs,
  idleMs: httpIdleTimeoutMs,
} satisfies HttpPatience
