/**
 * One line of JSON for each request: facts with ids and sizes. Neither headers nor bodies nor queries are logged: tokens are in the first,
 * signed documents in the second, and what was searched for in the third.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import pino, { type DestinationStream, type Logger } from 'pino'
import { monotonicMs, type Entropy } from '../core/environment.js'
import { isEscrowError } from '../core/errors.js'

/** A correlation id that a proxy in front may give. Anything else would let a client write into our logs. */
const requestIdPattern = /^[A-Za-z0-9._-]{8,64}$/
const header = 'x-request-id'
/** Lines are written together, within a second, and at the end of the process. */
const requestLines = { dest: 2, sync: false, minLength: 4096, periodicFlush: 1000 }

const ids = new WeakMap<IncomingMessage, string>()

/** The id of a request; given by the log when the request came. */
export function requestIdOf(request: IncomingMessage): string {
  return ids.get(request) ?? 'unknown'
}

/** The structured log of the service. */
export class RequestLog {
  private readonly logger: Logger
  /** Ids have this in common, and are counted: unique, and cheaper than 12 random bytes for each request. */
  private readonly prefix: string
  private requests = 0

  /** @param destination - where lines go; standard error when left out, because standard output belongs to results. */
  constructor(entropy: Entropy, destination: DestinationStream = pino.destination(requestLines)) {
    this.prefix = Buffer.from(entropy.bytes(8)).toString('hex')
    this.logger = pino({ base: null, timestamp: pino.stdTimeFunctions.isoTime }, destination)
  }

  /** Log a request when it is over. */
  watch(request: IncomingMessage, response: ServerResponse): void {
    const startedMs = monotonicMs()
    const requestId = this.idFor(request)
    ids.set(request, requestId)
    response.setHeader(header, requestId)
    response.on('close', () => {
      const whole = response.writableFinished
      const facts = {
        method: request.method,
        path: pathOf(request),
        status: response.statusCode,
        ms: Math.round(monotonicMs() - startedMs),
      }
      this.logger[response.statusCode >= 500 ? 'error' : 'info']({ requestId, ...facts }, whole ? 'request answered' : 'connection lost')
    })
  }

  /** Log why a request failed by our fault: code, words and stack, which quote no material. */
  fault(request: IncomingMessage, error: unknown): void {
    const code = isEscrowError(error) ? error.code : 'FAULT'
    const words = error instanceof Error ? { message: error.message, stack: error.stack } : { message: String(error) }
    const cause = error instanceof Error && error.cause instanceof Error ? { cause: error.cause.message } : {}
    const facts = { requestId: requestIdOf(request), method: request.method, path: pathOf(request) }
    this.logger.error({ ...facts, code, ...words, ...cause }, 'request failed by a fault')
    // Whoever looks for the reason of a crash finds the faults before it.
    this.logger.flush()
  }

  private idFor(request: IncomingMessage): string {
    const given = request.headers[header]
    if (typeof given === 'string' && requestIdPattern.test(given)) return given
    this.requests = (this.requests + 1) % 2 ** 32
    return `${this.prefix}${this.requests.toString(16).padStart(8, '0')}`
  }
}

/** The path without its query. */
function pathOf(request: IncomingMessage): string {
  const { originalUrl } = request as { readonly originalUrl?: string }
  return (originalUrl ?? request.url ?? '').split('?', 1)[0]?.slice(0, 500) ?? ''
}
