import { EscrowError } from '../core/errors.js'
import { lfsAnswerBytesMax } from '../core/limits.js'
import { readCredential, redacted, type Credential } from './credential.js'
import type { HttpTransport, TransportResponse } from './http-transport.js'
import { encodeLfsBatch, lfsEndpoint, lfsMediaType, parseLfsBatch, type LfsAction } from './lfs-client.js'
import { LfsRemote, type LfsObject, type LfsPlace } from './lfs-remote.js'

/** Where the repository is, and how it is reached. */
export interface HttpLfsOptions {
  /** Of the repository, from `parseRemoteUrl`. */
  readonly url: string
  readonly transport: HttpTransport
  readonly credentialFile?: string | undefined
  /** Of the LFS server; that of the repository when left out. */
  readonly endpoint?: string | undefined
}

/**
 * ADAPTER of `LfsRemote`: the batch API over the same guarded transport as the repository. The credential goes to the origin of the source alone;
 * objects often lie elsewhere, and bring what is needed there in the answer.
 */
export class HttpLfs extends LfsRemote {
  readonly #options: HttpLfsOptions

  constructor(options: HttpLfsOptions) {
    super()
    this.#options = options
  }

  namedAs(url: string): LfsRemote {
    const { url: own, transport } = this.#options
    return new HttpLfs({ ...this.#options, endpoint: transport.follow(own, url).replace(/\/+$/, '') })
  }

  async locate(objects: readonly LfsObject[], signal?: AbortSignal): Promise<readonly LfsPlace[]> {
    const { url, transport, credentialFile } = this.#options
    const endpoint = this.#options.endpoint ?? lfsEndpoint(url)
    const isOwn = new URL(endpoint).origin === new URL(url).origin
    const credential = credentialFile === undefined || !isOwn ? undefined : await readCredential(credentialFile)
    try {
      const answer = await transport.post(
        {
          url: `${endpoint}/objects/batch`,
          headers: { 'content-type': lfsMediaType },
          authorization: credential?.authorization,
          contentType: lfsMediaType,
          body: [encodeLfsBatch(objects)],
        },
        signal,
      )
      const actions = parseLfsBatch(await readAnswer(answer))
      return objects.map((object) => this.#placeOf(object, { endpoint, action: actions.get(object.oid), credential }))
    } catch (error) {
      throw redacted(error, credential)
    }
  }

  #placeOf(
    object: LfsObject,
    on: { readonly endpoint: string; readonly action: LfsAction | undefined; readonly credential: Credential | undefined },
  ): LfsPlace {
    const { endpoint, action, credential } = on
    if (action === undefined) return { object, reason: 'the LFS server says nothing of it' }
    if ('reason' in action) return { object, reason: credential?.redact(action.reason) ?? action.reason }
    return { object, open: (signal) => this.#open(endpoint, action, credential, signal) }
  }

  async *#open(
    endpoint: string,
    action: Exclude<LfsAction, { reason: string }>,
    credential: Credential | undefined,
    signal?: AbortSignal,
  ): AsyncGenerator<Uint8Array> {
    const { transport } = this.#options
    try {
      const url = transport.follow(endpoint, action.href)
      const own = new URL(url).origin === new URL(endpoint).origin ? credential?.authorization : undefined
      const authorization = action.authorization ?? own
      const answer = await transport.get({ url, headers: {}, originHeaders: action.headers, authorization, contentType: null }, signal)
      yield* answer.body
    } catch (error) {
      throw redacted(error, credential)
    }
  }
}

async function readAnswer({ body }: TransportResponse): Promise<Uint8Array> {
  const blocks: Uint8Array[] = []
  let sizeBytes = 0
  for await (const block of body) {
    sizeBytes += block.length
    if (sizeBytes > lfsAnswerBytesMax) throw new EscrowError('REMOTE_PROTOCOL', `expected an answer of at most ${lfsAnswerBytesMax} bytes`)
    blocks.push(block)
  }
  return Buffer.concat(blocks)
}
