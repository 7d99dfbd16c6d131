// The network side of commands with --url. What a service answers is attacker-controlled: sized, parsed, and verified where it is signed.
import type { z } from 'zod'
import { ERROR_ADVICE, EscrowError, type ErrorCode } from '../../core/errors.js'
import { serviceAnswerBytesMax, serviceTimeoutMs } from '../../core/http-limits.js'
import { secretBytesMax } from '../../core/limits.js'
import { Problem } from '../../http/problem.js'
import { readNamedFile } from '../files.js'

/** A service, and the file with the token for it. */
export interface ServiceAddress {
  readonly url: string
  readonly tokenFile: string
}

const attemptsMax = 3

/** Speaks to one service with one token. */
export class ServiceHttp {
  private readonly base: URL
  private token: string | null = null

  /** @throws EscrowError `ARGUMENT_INVALID` for an address that would show the token to the network */
  constructor(
    private readonly address: ServiceAddress,
    private readonly signal: AbortSignal,
  ) {
    this.base = parseServiceUrl(address.url)
  }

  /** GET, parsed. @throws EscrowError the code that the service names; `SERVICE_UNREACHABLE`, `SERVICE_ANSWER` */
  async get<T>(path: string, schema: z.ZodType<T>): Promise<T> {
    return parseAnswer(await readAnswer(await this.ask(path, {})), schema)
  }

  /** GET every page of a list. */
  async list<T>(
    path: string,
    entry: z.ZodType<T>,
    page: (entry: z.ZodType<T>) => z.ZodType<{ readonly items: readonly T[]; readonly next: string | null }>,
  ): Promise<readonly T[]> {
    const found: T[] = []
    for (let cursor = ''; ;) {
      const { items, next } = await this.get(`${path}?limit=200${cursor}`, page(entry))
      found.push(...items)
      if (next === null) return found
      cursor = `&cursor=${encodeURIComponent(next)}`
    }
  }

  /** GET bytes. @param how.signal - ends it; no other limit of time. @param how.headers - like a range. */
  async bytes(path: string, how: { readonly headers: Readonly<Record<string, string>>; readonly signal: AbortSignal }): Promise<Response> {
    return this.ask(path, how)
  }

  /** The bytes of a document. */
  async document(path: string): Promise<Uint8Array> {
    return readAnswer(await this.ask(path, {}))
  }

  /**
   * POST, parsed. A lost answer is asked for again under the same key: what was done is not done twice.
   *
   * @param key - fresh for each thing that is to be done; 16 to 128 characters.
   */
  async post<T>(
    path: string,
    what: { readonly mediaType: string; readonly body: Uint8Array; readonly key: string },
    schema: z.ZodType<T>,
  ): Promise<T> {
    const headers = { 'content-type': what.mediaType, 'idempotency-key': what.key }
    for (let attempt = 1; ; attempt += 1) {
      try {
        return parseAnswer(await readAnswer(await this.ask(path, { method: 'POST', headers, body: what.body })), schema)
      } catch (error) {
        if (!(error instanceof EscrowError) || error.code !== 'SERVICE_UNREACHABLE' || attempt >= attemptsMax) throw error
      }
    }
  }

  private async ask(
    path: string,
    init: {
      readonly method?: string
      readonly headers?: Readonly<Record<string, string>>
      readonly body?: Uint8Array
      readonly signal?: AbortSignal
    },
  ): Promise<Response> {
    this.token ??= (await readNamedFile(this.address.tokenFile, secretBytesMax)).toString('utf8').trim()
    const { body, ...rest } = init
    const answer = await this.fetch(new URL(path.slice(1), this.base), {
      ...rest,
      ...(body === undefined ? {} : { body: Buffer.from(body) }),
      headers: { ...init.headers, authorization: `Bearer ${this.token}` },
      // Elsewhere the token would be shown to whoever is there.
      redirect: 'error',
      signal: init.signal ?? AbortSignal.any([this.signal, AbortSignal.timeout(serviceTimeoutMs)]),
    })
    if (!answer.ok) throw await problemIn(answer)
    return answer
  }

  private async fetch(url: URL, init: RequestInit): Promise<Response> {
    try {
      return await fetch(url, init)
    } catch (cause) {
      if (this.signal.aborted) throw this.signal.reason
      throw new EscrowError('SERVICE_UNREACHABLE', `no answer from ${this.base.host}`, { cause })
    }
  }
}

function parseServiceUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text.endsWith('/') ? text : `${text}/`) : null
  const local = url !== null && ['localhost', '127.0.0.1', '[::1]'].includes(url.hostname)
  if (url === null || url.username !== '' || url.search !== '' || !(url.protocol === 'https:' || (url.protocol === 'http:' && local))) {
    throw new EscrowError('ARGUMENT_INVALID', 'expected --url like https://escrow.example; plain http only to this machine')
  }
  return url
}

async function problemIn(answer: Response): Promise<EscrowError> {
  const text = Buffer.from(await readAnswer(answer)).toString('utf8')
  const problem = Problem.safeParse(jsonOrNull(text))
  if (!problem.success) return new EscrowError('SERVICE_ANSWER', `expected an answer of this software, got status ${answer.status}`)
  const { code, detail, details, instance } = problem.data
  if (isCode(code)) return new EscrowError(code, detail.slice(0, 2000), details === undefined ? {} : { details })
  return new EscrowError('SERVICE_ANSWER', `the service failed: ${code.slice(0, 100)}, ${instance.slice(0, 200)}`)
}

function isCode(text: string): text is ErrorCode {
  return Object.hasOwn(ERROR_ADVICE, text)
}

function parseAnswer<T>(bytes: Uint8Array, schema: z.ZodType<T>): T {
  const parsed = schema.safeParse(jsonOrNull(Buffer.from(bytes).toString('utf8')))
  if (parsed.success) return parsed.data
  throw new EscrowError(
    'SERVICE_ANSWER',
    `expected an answer of this version, got another: ${parsed.error.issues[0]?.path.join('.') ?? ''}`,
  )
}

async function readAnswer(answer: Response): Promise<Uint8Array> {
  const blocks: Uint8Array[] = []
  let sizeBytes = 0
  try {
    for await (const block of (answer.body ?? []) as AsyncIterable<Uint8Array>) {
      sizeBytes += block.byteLength
      if (sizeBytes > serviceAnswerBytesMax)
        throw new EscrowError('SERVICE_ANSWER', `expected at most ${serviceAnswerBytesMax} bytes, got more`)
      blocks.push(block)
    }
  } catch (cause) {
    if (cause instanceof EscrowError) throw cause
    throw new EscrowError('SERVICE_UNREACHABLE', 'the answer of the service broke off', { cause })
  }
  return Buffer.concat(blocks)
}

function jsonOrNull(text: string): unknown {
  try {
    return JSON.parse(text) as unknown
  } catch {
    return null
  }
}
