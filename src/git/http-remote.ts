import { EscrowError, isEscrowError, type ErrorCode } from '../core/errors.js'
import { readCredential, redacted, type Credential } from './credential.js'
import { HttpLfs } from './http-lfs.js'
import { GitRemote, type FetchRequest, type RefListing } from './git-remote.js'
import { discover, version2, type Discovery } from './http-discovery.js'
import type { HttpTransport } from './http-transport.js'
import { PacketReader } from './pkt-line.js'
import { Words } from './remote-words.js'
import { packRequest, readPackIn, type Dialect } from './upload-pack.js'
import { lsRefsRequest, objectFormatOf, readRefListing } from './upload-pack-client.js'

/** What discovery found: where requests go after redirects, and how the remote is spoken to. */
export interface DiscoveredRemote extends Dialect {
  readonly baseUrl: string
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
/** What a cached discovery that is no longer true may lead to; everything else is what it says. */
const staleCodes: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'REMOTE_PROTOCOL',
  'REMOTE_VERSION',
  'REMOTE_REDIRECT',
  'REMOTE_NOT_FOUND',
  'REMOTE_BROKEN',
])

/**
 * ADAPTER of `GitRemote`: git's smart HTTP protocol (gitprotocol-http). Requests are stateless, so in version 2 a listing is one POST after the
 * first discovery; in the older versions each discovery is a listing. Starts no process.
 */
export class HttpRemote extends GitRemote {
  override readonly lfs: HttpLfs
  readonly #options: HttpRemoteOptions

  constructor(options: HttpRemoteOptions) {
    super()
    this.#options = options
    this.lfs = new HttpLfs(options)
  }

  async listRefs(signal?: AbortSignal): Promise<RefListing> {
    const access = { credential: await this.#credential(), signal }
    const { cache, url } = this.#options
    // There the refs come with the discovery, so that an old one is of no use.
    if (cache.get(url)?.version === 0) cache.delete(url)
    try {
      return await this.#withDiscovery(access, async (discovered) => discovered.listing ?? (await this.#list(discovered, access)))
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
        const reader = await this.#ask(discovered, packRequest(discovered, request), access)
        return startPack(reader, readPackIn(discovered, reader, words), words)
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

  async #list(discovered: DiscoveredRemote, access: Access): Promise<RefListing> {
    const reader = await this.#ask(discovered, lsRefsRequest(discovered.capabilities), access)
    try {
      const listing = await readRefListing(reader, objectFormatOf(discovered.capabilities))
      // Read to the end, or the connection could not be used again.
      await reader.next()
      return listing
    } finally {
      await reader.close()
    }
  }

  /** Try what we know; if that fails in a way that outdated knowledge explains, discover and try once more. */
  async #withDiscovery<T>(access: Access, attempt: (discovered: Discovery) => Promise<T>): Promise<T> {
    const { cache, url, transport } = this.#options
    const cached = cache.get(url)
    if (cached !== undefined) {
      try {
        return await attempt(cached)
      } catch (error) {
        if (!isEscrowError(error) || !staleCodes.has(error.code)) throw error
        cache.delete(url)
      }
    }
    const discovered = await discover({ url, transport, authorization: access.credential?.authorization }, access.signal)
    const result = await attempt(discovered)
    const { baseUrl, version, capabilities } = discovered
    cache.set(url, { baseUrl, version, capabilities })
    return result
  }

  async #ask(discovered: DiscoveredRemote, body: Iterable<Uint8Array>, { credential, signal }: Access): Promise<PacketReader> {
    const sameOrigin = new URL(discovered.baseUrl).origin === new URL(this.#options.url).origin
    const response = await this.#options.transport.post(
      {
        url: `${discovered.baseUrl}/git-upload-pack`,
        headers: { ...(discovered.version === 2 ? version2 : {}), 'content-type': 'application/x-git-upload-pack-request' },
        authorization: sameOrigin ? credential?.authorization : undefined,
        contentType: 'application/x-git-upload-pack-result',
        body,
      },
      signal,
    )
    return new PacketReader(response.body)
  }
}

/** Read up to the first bytes of the pack, so that a refusal is known before anybody builds on it. */
async function startPack(
  reader: PacketReader,
  pack: AsyncGenerator<Uint8Array, void, undefined>,
  words: Words,
): Promise<AsyncGenerator<Uint8Array, void, undefined>> {
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
