import { EscrowError, isEscrowError } from '../core/errors.js'
import type { RefListing } from './git-remote.js'
import type { HttpTransport, TransportResponse } from './http-transport.js'
import { PacketReader } from './pkt-line.js'
import { quote, readLine } from './protocol-line.js'
import { readOldGreeting, type Dialect } from './upload-pack.js'
import { parseCapabilities, type Capabilities } from './upload-pack-client.js'

/**
 * The first request of git's smart HTTP protocol (gitprotocol-http, "Smart Clients"): it says where the repository is and how it is spoken to.
 * An advertisement of version 2 is small and read by isomorphic-git, which knows the dialects of servers; one of version 0 or 1 carries every ref
 * and is read as it comes. The server writes all of it.
 */

/** What discovery found. In version 0 the refs are part of it. */
export interface Discovery extends Dialect {
  /** Where requests go, after redirects. */
  readonly baseUrl: string
  readonly listing?: RefListing
}

/** Where to ask. */
export interface DiscoveryRequest {
  /** Without a final slash. */
  readonly url: string
  readonly transport: HttpTransport
  readonly authorization: string | undefined
}

/** Asks a server for version 2; one that does not know it answers as it always has. */
export const version2 = { 'git-protocol': 'version=2' }

/** An advertisement of version 2 has a few hundred bytes. */
const advertisementBytesMax = 1024 * 1024
const discoveryPath = '/info/refs?service=git-upload-pack'
const advertisementType = 'application/x-git-upload-pack-advertisement'

/**
 * Ask a server what it is.
 *
 * @throws EscrowError `REMOTE_*`
 */
export async function discover(request: DiscoveryRequest, signal?: AbortSignal): Promise<Discovery> {
  const { url, transport, authorization } = request
  const get = { url: `${url}${discoveryPath}`, headers: version2, authorization, contentType: advertisementType }
  const response = await transport.get(get, signal)
  const baseUrl = baseOf(response.url)
  const recorder = new Recorder(response.body)
  const reader = new PacketReader(recorder.bytes())
  try {
    const first = await firstLine(reader)
    if (first === 'version 2') {
      await checkPackets(reader)
      return { baseUrl, version: 2, capabilities: await capabilitiesIn(recorder.recorded(), url, response) }
    }
    recorder.stop()
    const greeting = await readOldGreeting(first, reader)
    // Read to the end, or the connection could not be used again.
    await reader.next()
    return { baseUrl, ...greeting }
  } finally {
    await reader.close()
  }
}

/** `# service=...` and a flush come first, which servers of version 2 may leave out. */
async function firstLine(reader: PacketReader): Promise<string> {
  const service = await readLine(reader)
  if (service === 'version 2') return service
  if (service !== '# service=git-upload-pack' || (await readLine(reader)) !== '')
    throw new EscrowError('REMOTE_PROTOCOL', `expected the advertisement of a git server, got ${quote(service ?? '')}`)
  const line = await readLine(reader)
  if (line === null) throw new EscrowError('REMOTE_BROKEN', 'the stream ended before the list of refs')
  return line
}

/** Whole, and of sound framing: the parser behind it does not defend itself. */
async function checkPackets(reader: PacketReader): Promise<void> {
  for (let line = await readLine(reader); line !== null; line = await readLine(reader));
}

async function capabilitiesIn(advertisement: Uint8Array, url: string, { contentType }: TransportResponse): Promise<Capabilities> {
  const { getRemoteInfo2 } = await import('isomorphic-git')
  const answer = { url, statusCode: 200, statusMessage: 'OK', headers: { 'content-type': contentType } }
  const request = async () => ({ ...answer, body: once(advertisement) })
  const found = await getRemoteInfo2({ http: { request }, url, protocolVersion: 2 }).catch((error: unknown) => {
    throw isEscrowError(error) ? error : unreadable(error)
  })
  if (found.protocolVersion !== 2) throw unreadable()
  return parseCapabilities(found.capabilities)
}

/** Keeps what passes, as long as it is small and somebody wants it. */
class Recorder {
  readonly #source: AsyncIterable<Uint8Array>
  #chunks: Uint8Array[] | null = []
  #sizeBytes = 0

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#source = source
  }

  async *bytes(): AsyncGenerator<Uint8Array, void, undefined> {
    for await (const chunk of this.#source) {
      this.#record(chunk)
      yield chunk
    }
  }

  /** The rest is not small: in version 0 it is every ref. */
  stop(): void {
    this.#chunks = null
  }

  recorded(): Uint8Array {
    return Buffer.concat(this.#chunks ?? [])
  }

  #record(chunk: Uint8Array): void {
    if (this.#chunks === null) return
    this.#sizeBytes += chunk.length
    if (this.#sizeBytes > advertisementBytesMax)
      throw new EscrowError('REMOTE_PROTOCOL', `expected an advertisement of at most ${advertisementBytesMax} bytes, got more`)
    this.#chunks.push(chunk)
  }
}

function baseOf(url: string): string {
  if (!url.endsWith(discoveryPath))
    throw new EscrowError('REMOTE_REDIRECT', 'expected a redirect to another git repository, got some other page')
  return url.slice(0, -discoveryPath.length)
}

function unreadable(cause?: unknown): EscrowError {
  return new EscrowError('REMOTE_PROTOCOL', 'expected the advertisement of a git server, got something else', { cause })
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array, void, undefined> {
  yield bytes
}
