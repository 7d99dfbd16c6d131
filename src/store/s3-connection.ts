// One connection to one S3 endpoint through the minio client, with the client's traps closed (DESIGN section 10, upstream issues 1479
// and 1480): its own retries lose the answer and leak the socket, it knows no AbortSignal and no timeout, and it reads answers of any
// length into memory. It lets us bring the transport, so all of that happens there.
import { AsyncLocalStorage } from 'node:async_hooks'
import http from 'node:http'
import https from 'node:https'
import { setTimeout as pause } from 'node:timers/promises'
import { Client } from 'minio'
import { EscrowError, isEscrowError } from '../core/errors.js'
import { documentBytesMax, partBytes, storeAttemptsMax, storeTimeoutMs } from '../core/limits.js'
import { RequestsUnderWay } from './requests-under-way.js'
import { s3Fault } from './s3-fault.js'

/** How to reach one bucket. */
export interface S3Address {
  /** As in `https://s3.example.ch` or `http://127.0.0.1:9000`; without a path. */
  readonly url: string
  /** `us-east-1` when left out: what most stores that are not Amazon's answer to. */
  readonly region?: string
  readonly accessKey: string
  /** Secret; never in a message. */
  readonly secretKey: string
  readonly bucket: string
  /** A request during which nothing moves for so long is given up; 120 s when left out. */
  readonly timeoutMs?: number
  /** Before a request is sent again; four times as long before the third. 200 ms when left out. */
  readonly retryPauseMs?: number
}

/** How one request is to be made. */
export interface CallOptions {
  /** As in "cannot <doing>". */
  readonly doing: string
  readonly signal?: AbortSignal | undefined
  /** Send it again when the store does not answer: only for requests that change nothing when they arrive twice. */
  readonly repeatable: boolean
  /** The answer is an object's bytes, which the caller counts. */
  readonly streamed?: boolean
}

interface CallState {
  readonly signal: AbortSignal | undefined
  readonly answerBytesMax: number
}

const retryPauseMsDefault = 200
/** What minio throws away unread, and with it a socket of the pool. */
const discardedStatus = new Set([408, 429, 499, 500, 502, 503, 504, 520])

/** A bucket's connection. Owns a pool of sockets that does not keep the program alive. */
export class S3Connection {
  readonly bucket: string
  private readonly client: Client
  private readonly calls = new AsyncLocalStorage<CallState>()
  private readonly underWay = new RequestsUnderWay()

  /** @throws EscrowError `CONFIG_INVALID` for a URL that is not one of an S3 endpoint. */
  constructor(private readonly address: S3Address) {
    const url = parseEndpoint(address.url)
    const secure = url.protocol === 'https:'
    const base = secure ? https : http
    this.bucket = address.bucket
    this.client = new Client({
      endPoint: url.hostname.replace(/^\[|\]$/g, ''),
      port: url.port === '' ? (secure ? 443 : 80) : Number(url.port),
      useSSL: secure,
      region: address.region ?? 'us-east-1',
      accessKey: address.accessKey,
      secretKey: address.secretKey,
      partSize: partBytes,
      retryOptions: { disableRetry: true },
      transport: { request: this.requestThrough(base) as typeof http.request },
      transportAgent: new base.Agent({ keepAlive: true, maxSockets: 32 }),
    })
  }

  /**
   * Ask the store.
   *
   * @param work - makes requests with the client; runs again when `repeatable` and the store did not answer.
   * @throws EscrowError `STORE_UNREACHABLE`, `STORE_REFUSED`, `OBJECT_MISSING`, `STORE_SHORT_WRITE`; the signal's reason.
   */
  async call<T>(options: CallOptions, work: (client: Client) => Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await this.callOnce(options, work)
      } catch (error) {
        const again = options.repeatable && attempt < storeAttemptsMax && isEscrowError(error, 'STORE_UNREACHABLE')
        if (!again) throw error
        const pauseMs = (this.address.retryPauseMs ?? retryPauseMsDefault) * 4 ** (attempt - 1)
        await pause(pauseMs, undefined, { ...(options.signal && { signal: options.signal }) }).catch(() => options.signal?.throwIfAborted())
      }
    }
  }

  private async callOnce<T>({ doing, signal, streamed }: CallOptions, work: (client: Client) => Promise<T>): Promise<T> {
    signal?.throwIfAborted()
    try {
      return await this.calls.run({ signal, answerBytesMax: streamed === true ? Infinity : documentBytesMax }, () => work(this.client))
    } catch (error) {
      signal?.throwIfAborted()
      throw s3Fault(error, `${doing} in bucket ${this.bucket}`)
    }
  }

  /** node:http's `request`, with the signal, timeout and limit of the call it is made for. */
  private requestThrough(base: typeof http | typeof https) {
    const timeoutMs = this.address.timeoutMs ?? storeTimeoutMs
    return (options: http.RequestOptions, onResponse: (response: http.IncomingMessage) => void): http.ClientRequest => {
      const { signal, answerBytesMax = documentBytesMax } = this.calls.getStore() ?? {}
      const request = base.request(options, (response) => {
        limitAnswer(response, answerBytesMax)
        // After minio has gone, late errors of an answer that nobody reads any more must not end the program.
        response.on('error', () => undefined)
        onResponse(response)
        if (discardedStatus.has(response.statusCode ?? 0)) response.resume()
      })
      request.setTimeout(timeoutMs, () => request.destroy(Object.assign(new Error('no answer in time'), { code: 'ETIMEDOUT' })))
      request.on('error', () => undefined)
      if (signal !== undefined) this.underWay.add(signal, request)
      return request
    }
  }
}

/** minio collects answers whole before it parses them; one that is too long ends here instead. */
function limitAnswer(response: http.IncomingMessage, bytesMax: number): void {
  if (bytesMax === Infinity) return
  const push = response.push.bind(response)
  let bytes = 0
  response.push = (chunk: unknown, encoding?: BufferEncoding) => {
    bytes += chunk instanceof Uint8Array ? chunk.length : 0
    if (bytes <= bytesMax) return push(chunk, encoding)
    response.destroy(new Error(`the answer is longer than ${bytesMax} bytes`))
    return false
  }
}

function parseEndpoint(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : null
  const plain = url !== null && ['', '/'].includes(url.pathname) && url.username === '' && url.password === '' && url.search === ''
  if (url !== null && plain && (url.protocol === 'https:' || url.protocol === 'http:')) return url
  throw new EscrowError('CONFIG_INVALID', 'expected the URL of an S3 endpoint like https://s3.example.ch, without path or credentials')
}
