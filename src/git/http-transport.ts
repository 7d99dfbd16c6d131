import http from 'node:http'
import https from 'node:https'
import { createGunzip } from 'node:zlib'
import { pipeline } from 'node:stream'
import { EscrowError, isEscrowError } from '../core/errors.js'
import { redirectsMax, remoteIdleTimeoutMs } from '../core/limits.js'
import { guardedLookup, type Resolver } from './address-policy.js'
import { withIdleLimit } from './idle-limit.js'
import { checkLiteralHost, type RemoteRules } from './remote-url.js'
import { cleanWords } from './remote-words.js'
import { writeBlocks } from './write-blocks.js'

/**
 * A small guarded HTTP client for git remotes. Every socket goes through the address policy; nothing follows a redirect but the
 * discovery GET, and a credential never leaves its origin. The server chooses status, headers and body.
 */

/** What the transport needs to know about the world. */
export interface TransportOptions {
  readonly rules: RemoteRules
  /** Milliseconds without progress before the remote is given up. Default `remoteIdleTimeoutMs`. */
  readonly idleTimeoutMs?: number | undefined
  /** How names become addresses; for tests. */
  readonly resolver?: Resolver | undefined
}

/** One request. The body can be iterated more than once. */
export interface TransportRequest {
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  /** Sent only to the origin of `url`. */
  readonly authorization?: string | undefined
  /** Further headers, sent only to the origin of `url`. */
  readonly originHeaders?: Readonly<Record<string, string>> | undefined
  /** The content type that the answer must have; null for any. */
  readonly contentType: string | null
  readonly body?: Iterable<Uint8Array> | undefined
}

/** An answer with status 200 and the right content type. The body must be read to its end or returned early. */
export interface TransportResponse {
  /** Where the answer came from, after redirects. */
  readonly url: string
  readonly contentType: string
  readonly body: AsyncIterable<Uint8Array>
}

const wordsOfStatusMax = 300
const complaintBytesMax = 4096

/** Requests to git remotes, over connections that are kept and shared. Owned by the worker, which closes it. */
export class HttpTransport {
  readonly #rules: RemoteRules
  readonly #idleTimeoutMs: number
  readonly #agents: { readonly http: http.Agent; readonly https: https.Agent }

  constructor(options: TransportOptions) {
    this.#rules = options.rules
    this.#idleTimeoutMs = options.idleTimeoutMs ?? remoteIdleTimeoutMs
    const agentOptions = {
      keepAlive: true,
      maxFreeSockets: 16,
      lookup: guardedLookup(options.rules.allowPrivateAddresses, options.resolver),
    }
    this.#agents = { http: new http.Agent(agentOptions), https: new https.Agent({ ...agentOptions, minVersion: 'TLSv1.2' }) }
  }

  /**
   * GET, following at most `redirectsMax` redirects.
   *
   * @throws EscrowError `REMOTE_*` by status, address or content type.
   */
  async get(request: TransportRequest, signal?: AbortSignal): Promise<TransportResponse> {
    let current = request
    for (let hops = 0; ; hops += 1) {
      const message = await this.#exchange(current, signal)
      if (!isRedirect(message)) return this.#accept(message, current, signal)
      message.destroy()
      if (hops >= redirectsMax) throw new EscrowError('REMOTE_REDIRECT', `expected at most ${redirectsMax} redirects, got more`)
      const url = redirectTarget(current.url, message.headers.location ?? '', this.#rules)
      const keeps = new URL(url).origin === new URL(current.url).origin
      current = { ...current, url, ...(keeps ? {} : { authorization: undefined, originHeaders: undefined }) }
    }
  }

  /**
   * POST a body whose size is counted beforehand, because not every server takes chunked requests.
   *
   * @throws EscrowError `REMOTE_REDIRECT` for any redirect; otherwise as `get`.
   */
  async post(request: TransportRequest, signal?: AbortSignal): Promise<TransportResponse> {
    const message = await this.#exchange(request, signal)
    if (!isRedirect(message)) return this.#accept(message, request, signal)
    message.destroy()
    throw new EscrowError('REMOTE_REDIRECT', 'expected an answer to the request, got a redirect')
  }

  /**
   * An address that a remote has given us, if we go there.
   *
   * @param from - what gave it. @param location - attacker-controlled.
   * @throws EscrowError `REMOTE_REDIRECT`, `REMOTE_ADDRESS_REFUSED`
   */
  follow(from: string, location: string): string {
    return redirectTarget(from, location, this.#rules)
  }

  /** Close idle connections. */
  close(): void {
    this.#agents.http.destroy()
    this.#agents.https.destroy()
  }

  /** A kept connection that the server closed meanwhile is no fault of the remote: once more, on another. */
  async #exchange(request: TransportRequest, signal?: AbortSignal): Promise<http.IncomingMessage> {
    for (let attempt = 0; ; attempt += 1) {
      const answer = await this.#send(request, signal)
      if (answer !== 'stale') return answer
      if (attempt >= attemptsOnStaleMax) throw new EscrowError('REMOTE_UNREACHABLE', 'the remote closes every connection')
    }
  }

  async #send(request: TransportRequest, signal?: AbortSignal): Promise<http.IncomingMessage | 'stale'> {
    signal?.throwIfAborted()
    const url = new URL(request.url)
    checkLiteralHost(url, this.#rules)
    const client = url.protocol === 'https:' ? https : http
    const agent = url.protocol === 'https:' ? this.#agents.https : this.#agents.http
    const sent = client.request(url, {
      method: request.body === undefined ? 'GET' : 'POST',
      headers: requestHeaders(request),
      agent,
      ...(signal === undefined ? {} : { signal }),
    })
    const timer = setTimeout(() => {
      sent.destroy(new EscrowError('REMOTE_TIMEOUT', `the remote did not answer within ${this.#idleTimeoutMs} ms`))
    }, this.#idleTimeoutMs)
    try {
      return await new Promise<http.IncomingMessage>((resolve, reject) => {
        sent.once('response', resolve)
        // Stays: a socket that fails later reports it to the body as well.
        sent.on('error', reject)
        void writeBlocks(sent, request.body ?? [], () => timer.refresh()).then(() => sent.end())
      })
    } catch (error) {
      if (sent.reusedSocket && error instanceof Error && 'code' in error && (error.code === 'ECONNRESET' || error.code === 'EPIPE'))
        return 'stale'
      throw transportFault(error, signal)
    } finally {
      clearTimeout(timer)
    }
  }

  async #accept(message: http.IncomingMessage, request: TransportRequest, signal?: AbortSignal): Promise<TransportResponse> {
    const body = this.#body(message, signal)
    if (message.statusCode !== 200) throw await statusFault(message.statusCode ?? 0, body)
    const contentType = (message.headers['content-type'] ?? '').split(';', 1)[0]?.trim().toLowerCase() ?? ''
    if (request.contentType !== null && contentType !== request.contentType) {
      message.destroy()
      throw new EscrowError(
        'REMOTE_PROTOCOL',
        `expected an answer of type ${request.contentType}, got ${cleanWords(contentType).slice(0, 100) || 'none'}`,
      )
    }
    return { url: request.url, contentType, body }
  }

  async *#body(message: http.IncomingMessage, signal?: AbortSignal): AsyncGenerator<Uint8Array, void, undefined> {
    try {
      yield* withIdleLimit(decoded(message), this.#idleTimeoutMs)
    } catch (error) {
      if (signal?.aborted === true) throw signal.reason
      if (isEscrowError(error)) throw error
      throw new EscrowError('REMOTE_BROKEN', `the connection to the remote broke: ${problem(error)}`, { cause: error })
    } finally {
      // After the end this does nothing and the connection is kept; before it, it closes what nobody reads any more.
      if (!message.complete || !message.readableEnded) message.destroy()
    }
  }
}

const attemptsOnStaleMax = 3

/**
 * Where a redirect leads, if we follow it.
 *
 * @param location - attacker-controlled.
 * @throws EscrowError `REMOTE_REDIRECT`, `REMOTE_ADDRESS_REFUSED`
 */
export function redirectTarget(from: string, location: string, rules: RemoteRules): string {
  const url = URL.canParse(location, from) ? new URL(location, from) : null
  if (url === null || (url.protocol !== 'https:' && url.protocol !== 'http:'))
    throw new EscrowError('REMOTE_REDIRECT', 'expected a redirect to an http(s) URL, got another')
  if (url.protocol === 'http:' && (from.startsWith('https:') || !rules.allowHttp))
    throw new EscrowError('REMOTE_REDIRECT', 'expected a redirect to https, got http')
  if (url.username !== '' || url.password !== '') throw new EscrowError('REMOTE_REDIRECT', 'expected a redirect without user and password')
  checkLiteralHost(url, rules)
  url.hash = ''
  return url.href
}

function requestHeaders(request: TransportRequest): Record<string, string> {
  let sizeBytes = 0
  for (const block of request.body ?? []) sizeBytes += block.length
  return {
    // Some servers answer git clients only.
    'user-agent': 'git/reduit',
    accept: request.contentType ?? '*/*',
    ...request.headers,
    ...request.originHeaders,
    ...(request.authorization === undefined ? {} : { authorization: request.authorization }),
    ...(request.body === undefined ? {} : { 'content-length': String(sizeBytes) }),
  }
}

function isRedirect(message: http.IncomingMessage): boolean {
  return [301, 302, 303, 307, 308].includes(message.statusCode ?? 0)
}

/** We ask for no compression; some servers compress all the same. */
function decoded(message: http.IncomingMessage): AsyncIterable<Uint8Array> {
  const encoding = (message.headers['content-encoding'] ?? 'identity').toLowerCase()
  if (encoding === 'identity') return message
  if (encoding !== 'gzip' && encoding !== 'x-gzip')
    throw new EscrowError('REMOTE_PROTOCOL', `expected no compression or gzip, got ${cleanWords(encoding).slice(0, 40)}`)
  // The error reaches the reader through the last stream.
  return pipeline(message, createGunzip(), () => undefined)
}

async function statusFault(status: number, body: AsyncIterable<Uint8Array>): Promise<EscrowError> {
  const words = await firstWords(body)
  const message = `the remote answered with status ${status}${words === '' ? '' : `: ${JSON.stringify(words)}`}`
  if (status === 401 || status === 403 || status === 407) return new EscrowError('REMOTE_AUTH', message, { details: { status } })
  if (status === 404 || status === 410) return new EscrowError('REMOTE_NOT_FOUND', message, { details: { status } })
  if (status === 429 || status >= 500) return new EscrowError('REMOTE_UNREACHABLE', message, { details: { status } })
  return new EscrowError('REMOTE_PROTOCOL', message, { details: { status } })
}

async function firstWords(body: AsyncIterable<Uint8Array>): Promise<string> {
  let text = ''
  try {
    for await (const chunk of body) {
      text += Buffer.from(chunk).toString('utf8')
      if (text.length >= complaintBytesMax) break
    }
  } catch {
    // A body that breaks off has said what it had to say; the status is what counts.
  }
  return cleanWords(text.slice(0, complaintBytesMax)).slice(0, wordsOfStatusMax)
}

function transportFault(error: unknown, signal: AbortSignal | undefined): unknown {
  if (signal?.aborted === true) return signal.reason
  if (isEscrowError(error)) return error
  return new EscrowError('REMOTE_UNREACHABLE', `expected to reach the remote, got ${problem(error)}`, { cause: error })
}

/** Codes and not messages: a message may carry what the server chose. */
function problem(error: unknown): string {
  if (error instanceof AggregateError && error.errors.length > 0) return problem(error.errors[0])
  if (error instanceof Error && 'code' in error) return String(error.code)
  return error instanceof Error ? error.name : 'an unknown problem'
}
