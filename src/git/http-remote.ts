import { EscrowError, isEscrowError, type ErrorCode } from '../core/errors.js'
import { readCredential, type Credential } from './credential.js'
import { GitRemote, type FetchRequest, type RefListing } from './git-remote.js'
import type { HttpTransport, TransportResponse } from './http-transport.js'
import { PacketReader } from './pkt-line.js'
import { cleanWords, Words } from './remote-words.js'
import {
  fetchRequest,
  lsRefsRequest,
  objectFormatOf,
  parseCapabilities,
  readPack,
  readRefListing,
  type Capabilities,
} from './upload-pack-client.js'

/** What discovery found: where requests go after redirects, and what the remote can do. */
export interface DiscoveredRemote {
  readonly baseUrl: string
  readonly capabilities: Capabilities
}

/** Discoveries by URL, shared by all polls of a worker: with it an unchanged remote costs one request. */
export class CapabilityCache {
  readonly #found = new Map<string, DiscoveredRemote>()

  get(url: string): DiscoveredRemote | undefined {
    return this.#found.get(url)
  }

  /** Remember; the oldest is forgotten beyond 10,000. */
  set(url: string, discovered: DiscoveredRemote): void {
    this.#found.delete(url)
    this.#found.set(url, discovered)
    const [oldest] = this.#found.keys()
    if (this.#found.size > cachedMax && oldest !== undefined) this.#found.delete(oldest)
  }

  delete(url: string): void {
    this.#found.delete(url)
  }
}

export interface HttpRemoteOptions {
  /** From `parseRemoteUrl`: http or https, without credential or final slash. */
  readonly url: string
  readonly transport: HttpTransport
  readonly cache: CapabilityCache
  /** Path of a credential file (see `credential.ts`), read at each use. */
  readonly credentialFile?: string | undefined
}

/** What one call may use. */
interface Access {
  readonly credential: Credential | undefined
  readonly signal: AbortSignal | undefined
}

const cachedMax = 10_000
/** An advertisement of version 2 has a few hundred bytes; only older servers put their refs into it. */
const advertisementBytesMax = 1024 * 1024
const discoveryPath = '/info/refs?service=git-upload-pack'
const version2 = { 'git-protocol': 'version=2' }

/** What a cached discovery that is no longer true may lead to; everything else is what it says. */
const staleCodes: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'REMOTE_PROTOCOL',
  'REMOTE_VERSION',
  'REMOTE_REDIRECT',
  'REMOTE_NOT_FOUND',
  'REMOTE_BROKEN',
])

/**
 * ADAPTER of `GitRemote`: git's smart HTTP protocol, version 2 (gitprotocol-http). Requests are stateless, so after the first discovery a
 * listing is one POST. Starts no process.
 */
export class HttpRemote extends GitRemote {
  readonly #options: HttpRemoteOptions

  constructor(options: HttpRemoteOptions) {
    super()
    this.#options = options
  }

  async listRefs(signal?: AbortSignal): Promise<RefListing> {
    const access = { credential: await this.#credential(), signal }
    try {
      return await this.#withDiscovery(access, async (discovered) => {
        const reader = await this.#ask(discovered, lsRefsRequest(discovered.capabilities), access)
        try {
          const listing = await readRefListing(reader, objectFormatOf(discovered.capabilities))
          // Read to the end, or the connection could not be used again.
          await reader.next()
          return listing
        } finally {
          await reader.close()
        }
      })
    } catch (error) {
      throw redacted(error, access.credential)
    }
  }

  async *fetchPack(request: FetchRequest, signal?: AbortSignal): AsyncGenerator<Uint8Array, void, undefined> {
    const access = { credential: await this.#credential(), signal }
    const words = new Words()
    try {
      // A stale discovery shows before the first byte; after it the pack is somebody's already and nothing is asked twice.
      const pack = await this.#withDiscovery(access, async (discovered) => {
        const reader = await this.#ask(discovered, fetchRequest(discovered.capabilities, request), access)
        return startPack(reader, words)
      })
      yield* pack
    } catch (error) {
      throw redacted(error, access.credential)
    }
  }

  async #credential(): Promise<Credential | undefined> {
    const { credentialFile } = this.#options
    return credentialFile === undefined ? undefined : await readCredential(credentialFile)
  }

  /** Try what we know; if that fails in a way that outdated knowledge explains, discover and try once more. */
  async #withDiscovery<T>(access: Access, attempt: (discovered: DiscoveredRemote) => Promise<T>): Promise<T> {
    const { cache, url } = this.#options
    const cached = cache.get(url)
    if (cached !== undefined) {
      try {
        return await attempt(cached)
      } catch (error) {
        if (!isEscrowError(error) || !staleCodes.has(error.code)) throw error
        cache.delete(url)
      }
    }
    const discovered = await this.#discover(access)
    const result = await attempt(discovered)
    cache.set(url, discovered)
    return result
  }

  async #ask(discovered: DiscoveredRemote, body: Iterable<Uint8Array>, { credential, signal }: Access): Promise<PacketReader> {
    const sameOrigin = new URL(discovered.baseUrl).origin === new URL(this.#options.url).origin
    const response = await this.#options.transport.post(
      {
        url: `${discovered.baseUrl}/git-upload-pack`,
        headers: { ...version2, 'content-type': 'application/x-git-upload-pack-request' },
        authorization: sameOrigin ? credential?.authorization : undefined,
        contentType: 'application/x-git-upload-pack-result',
        body,
      },
      signal,
    )
    return new PacketReader(response.body)
  }

  /** The advertisement is read by isomorphic-git, over our transport: it knows the dialects of servers. */
  async #discover({ credential, signal }: Access): Promise<DiscoveredRemote> {
    const { getRemoteInfo2 } = await import('isomorphic-git')
    let baseUrl = this.#options.url
    const request = async ({ url }: { readonly url: string }) => {
      const response = await this.#options.transport.get(
        { url, headers: version2, authorization: credential?.authorization, contentType: 'application/x-git-upload-pack-advertisement' },
        signal,
      )
      baseUrl = baseOf(response.url)
      const body = await readAdvertisement(response)
      return { url, statusCode: 200, statusMessage: 'OK', headers: { 'content-type': response.contentType }, body: once(body) }
    }
    const answer = await getRemoteInfo2({ http: { request }, url: this.#options.url, protocolVersion: 2 }).catch((error: unknown) => {
      signal?.throwIfAborted()
      throw isEscrowError(error)
        ? error
        : new EscrowError('REMOTE_PROTOCOL', 'expected the advertisement of a git server, got something else', { cause: error })
    })
    if (answer.protocolVersion !== 2)
      throw new EscrowError('REMOTE_VERSION', `expected git protocol version 2, got ${answer.protocolVersion}`)
    return { baseUrl, capabilities: parseCapabilities(answer.capabilities) }
  }
}

/** Read up to the first bytes of the pack, so that a refusal is known before anybody builds on it. */
async function startPack(reader: PacketReader, words: Words): Promise<AsyncGenerator<Uint8Array, void, undefined>> {
  const pack = readPack(reader, words)
  try {
    const first = await pack.next()
    return resume({ first, rest: pack, reader, words })
  } catch (error) {
    await reader.close()
    throw withWords(error, words)
  }
}

interface StartedPack {
  readonly first: IteratorResult<Uint8Array, void>
  readonly rest: AsyncGenerator<Uint8Array, void, undefined>
  readonly reader: PacketReader
  readonly words: Words
}

async function* resume({ first, rest, reader, words }: StartedPack): AsyncGenerator<Uint8Array, void, undefined> {
  try {
    if (first.done === true) return
    yield first.value
    yield* rest
    // Read to the end, or the connection could not be used again.
    await reader.next()
  } catch (error) {
    throw withWords(error, words)
  } finally {
    await reader.close()
  }
}

function withWords(error: unknown, words: Words): unknown {
  const said = words.toString()
  if (!isEscrowError(error, 'REMOTE_BROKEN') || said === '' || error.message.includes(said)) return error
  return new EscrowError('REMOTE_BROKEN', `${error.message}; the remote said: ${JSON.stringify(said)}`, { cause: error })
}

/** A server may repeat in its words what we sent it. */
function redacted(error: unknown, credential: Credential | undefined): unknown {
  if (credential === undefined || !isEscrowError(error)) return error
  const message = credential.redact(error.message)
  return message === error.message ? error : new EscrowError(error.code, message, { details: error.details })
}

function baseOf(url: string): string {
  if (!url.endsWith(discoveryPath))
    throw new EscrowError('REMOTE_REDIRECT', 'expected a redirect to another git repository, got some other page')
  return url.slice(0, -discoveryPath.length)
}

/** Whole, and of sound framing: the parser behind it does not defend itself. */
async function readAdvertisement(response: TransportResponse): Promise<Uint8Array> {
  const chunks: Uint8Array[] = []
  let sizeBytes = 0
  for await (const chunk of response.body) {
    sizeBytes += chunk.length
    if (sizeBytes > advertisementBytesMax)
      throw new EscrowError('REMOTE_VERSION', `expected the advertisement of version 2, got more than ${advertisementBytesMax} bytes`)
    chunks.push(chunk)
  }
  const body = Buffer.concat(chunks)
  const reader = new PacketReader(once(body))
  for (let packet = await reader.next(); packet.kind !== 'end'; packet = await reader.next()) {
    if (packet.kind === 'line') checkAdvertisedLine(Buffer.from(packet.payload).toString('utf8'))
  }
  return body
}

function checkAdvertisedLine(line: string): void {
  if (line.startsWith('ERR ')) throw new EscrowError('REMOTE_BROKEN', `the remote refused: ${JSON.stringify(cleanWords(line.slice(4)))}`)
  if (line === 'version 1\n') throw new EscrowError('REMOTE_VERSION', 'expected git protocol version 2, got 1')
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array, void, undefined> {
  yield bytes
}
