import { spawn } from 'node:child_process'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { gitEnvironment } from './git-fixture.js'

/** What a request looked like when it arrived. */
export interface SeenRequest {
  readonly method: string
  readonly path: string
  readonly authorization: string | undefined
  readonly gitProtocol: string | undefined
}

export interface ServerFaults {
  /** `user:password` that every request must carry as Basic. */
  requireBasic?: string
  /** Answer instead of git; return false to let git answer. */
  answer?: (request: IncomingMessage, response: ServerResponse) => boolean
  /** Cut the connection after so many bytes of a POST's answer. */
  dieAfterBytes?: number
  /** Stop sending after so many bytes of a POST's answer, but keep the connection. */
  stallAfterBytes?: number
  /** The protocol that git is told to speak, whatever the client asks for. */
  protocol?: string
}

/** A git server on loopback: the real `git http-backend` as CGI, with faults that a test can switch while it runs. */
export class GitHttpServer {
  readonly faults: ServerFaults = {}
  readonly seen: SeenRequest[] = []
  readonly #server: Server
  readonly #root: string

  private constructor(root: string, server: Server) {
    this.#root = root
    this.#server = server
    server.on('request', (request: IncomingMessage, response: ServerResponse) => this.#serve(request, response))
  }

  /** @param root - the folder that holds the repositories. */
  static async start(root: string): Promise<GitHttpServer> {
    const server = createServer()
    const started = new GitHttpServer(root, server)
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    return started
  }

  get origin(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  /** Forget all faults and requests. */
  reset(): void {
    for (const key of Object.keys(this.faults) as (keyof ServerFaults)[]) delete this.faults[key]
    this.seen.length = 0
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise((resolve) => this.#server.close(resolve))
  }

  #serve(request: IncomingMessage, response: ServerResponse): void {
    const { authorization } = request.headers
    const gitProtocol = request.headers['git-protocol'] as string | undefined
    this.seen.push({ method: request.method ?? '', path: request.url ?? '', authorization, gitProtocol })
    if (this.faults.answer?.(request, response) === true) return
    const expected = this.faults.requireBasic
    if (expected !== undefined && authorization !== `Basic ${Buffer.from(expected).toString('base64')}`) {
      response.writeHead(401, { 'www-authenticate': 'Basic realm="git"' }).end(`no entry for ${authorization ?? 'nobody'}`)
      return
    }
    this.#runBackend(request, response, gitProtocol)
  }

  #runBackend(request: IncomingMessage, response: ServerResponse, gitProtocol: string | undefined): void {
    const url = new URL(request.url ?? '/', this.origin)
    const backend = spawn('git', ['http-backend'], {
      env: {
        ...gitEnvironment,
        GIT_PROJECT_ROOT: this.#root,
        GIT_HTTP_EXPORT_ALL: '1',
        PATH_INFO: decodeURIComponent(url.pathname),
        QUERY_STRING: url.search.slice(1),
        REQUEST_METHOD: request.method,
        CONTENT_TYPE: request.headers['content-type'] ?? '',
        CONTENT_LENGTH: request.headers['content-length'] ?? '',
        GIT_PROTOCOL: this.faults.protocol ?? gitProtocol ?? '',
      },
      stdio: ['pipe', 'pipe', 'ignore'],
    })
    backend.stdin.on('error', () => undefined)
    request.pipe(backend.stdin)
    void this.#relay(backend.stdout, request, response)
  }

  /** CGI: headers, an empty line, then the body as it comes. */
  async #relay(output: AsyncIterable<Buffer>, request: IncomingMessage, response: ServerResponse): Promise<void> {
    let head: Buffer | null = Buffer.alloc(0)
    let sent = 0
    const limit =
      request.method === 'POST' ? Math.min(this.faults.dieAfterBytes ?? Infinity, this.faults.stallAfterBytes ?? Infinity) : Infinity
    for await (const chunk of output) {
      let body = chunk
      if (head !== null) {
        head = Buffer.concat([head, chunk])
        const end = head.indexOf('\r\n\r\n')
        if (end === -1) continue
        writeHead(response, head.subarray(0, end).toString('latin1'))
        body = head.subarray(end + 4)
        head = null
      }
      response.write(body.subarray(0, Math.max(0, limit - sent)))
      sent += body.length
      if (sent < limit) continue
      if (this.faults.dieAfterBytes !== undefined) setTimeout(() => response.destroy(), 20)
      return
    }
    response.end()
  }
}

function writeHead(response: ServerResponse, head: string): void {
  let status = 200
  for (const line of head.split('\r\n')) {
    const colon = line.indexOf(':')
    const name = line.slice(0, colon)
    const value = line.slice(colon + 1).trim()
    if (name.toLowerCase() === 'status') status = Number.parseInt(value, 10)
    else response.setHeader(name, value)
  }
  response.statusCode = status
}
