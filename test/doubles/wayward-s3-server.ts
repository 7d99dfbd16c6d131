import { createHash } from 'node:crypto'
import http from 'node:http'
import type { AddressInfo } from 'node:net'

/** A request as the server sees it. */
export interface Seen {
  readonly method: string
  readonly key: string
  readonly query: URLSearchParams
  readonly body: Buffer
  readonly range: string | undefined
}

/** How to answer instead of rightly. `after` answers when the right thing has been done. */
export type Wayward = (seen: Seen, response: http.ServerResponse, after: () => void) => 'rightly' | 'answered'

interface Held {
  readonly body: Buffer
  readonly etag: string
  retention: string | null
}

/**
 * Just enough of S3 to go wrong in every way: one bucket, one version per key, real sockets on loopback. That the adapter works with a
 * right S3 is shown by the contract suite on Ceph, never here.
 */
export class WaywardS3Server {
  readonly seen: Seen[] = []
  readonly objects = new Map<string, Held>()
  wayward: Wayward = () => 'rightly'
  private readonly parts = new Map<string, Buffer[]>()
  private readonly server = http.createServer((request, response) => void this.serve(request, response))

  async start(): Promise<string> {
    await new Promise<void>((resolve) => this.server.listen(0, '127.0.0.1', resolve))
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections()
    await new Promise((resolve) => this.server.close(resolve))
  }

  /** How many requests of a method were made, with a query key if one is named. */
  count(method: string, query?: string): number {
    return this.seen.filter((seen) => seen.method === method && (query === undefined || seen.query.has(query))).length
  }

  private async serve(request: http.IncomingMessage, response: http.ServerResponse): Promise<void> {
    const body: Buffer[] = []
    for await (const block of request as AsyncIterable<Buffer>) body.push(block)
    const url = new URL(request.url ?? '/', 'http://s3')
    const [, , ...key] = decodeURIComponent(url.pathname).split('/')
    const seen = {
      method: request.method ?? '',
      key: key.join('/'),
      query: url.searchParams,
      body: Buffer.concat(body),
      range: request.headers.range,
    }
    this.seen.push(seen)
    response.on('error', () => undefined)
    if (this.wayward(seen, response, () => this.answer(seen, new http.ServerResponse(request))) === 'rightly') this.answer(seen, response)
  }

  private answer({ method, key, query, body, range }: Seen, response: http.ServerResponse): void {
    const held = this.objects.get(key)
    if (key === '') return void response.end()
    if (query.has('uploads'))
      return xml(response, `<InitiateMultipartUploadResult><UploadId>up1</UploadId></InitiateMultipartUploadResult>`)
    if (method === 'PUT' && query.has('partNumber')) return this.keepPart(response, Number(query.get('partNumber')), body)
    if (method === 'POST') return this.join(response, key)
    if (method === 'DELETE') return void response.writeHead(204).end()
    if (method === 'PUT' && query.has('retention')) {
      if (held) held.retention = body.toString()
      return void response.end()
    }
    if (method === 'PUT') return this.keep(response, key, body)
    if (!held) return refuse(response, 404, 'NoSuchKey')
    if (query.has('retention'))
      return held.retention === null ? refuse(response, 404, 'NoSuchObjectLockConfiguration') : xml(response, held.retention)
    const from = Number(/bytes=(\d+)-/.exec(range ?? '')?.[1] ?? 0)
    const to = Number(/-(\d+)$/.exec(range ?? '')?.[1] ?? held.body.length - 1)
    if (range !== undefined && from >= held.body.length) return refuse(response, 416, 'InvalidRange')
    const bytes = held.body.subarray(from, to + 1)
    response.writeHead(range === undefined ? 200 : 206, {
      etag: `"${held.etag}"`,
      'x-amz-version-id': 'only',
      'content-length': bytes.length,
    })
    response.end(method === 'HEAD' ? undefined : bytes)
  }

  private keepPart(response: http.ServerResponse, part: number, body: Buffer): void {
    const parts = this.parts.get('up1') ?? []
    parts[part - 1] = body
    this.parts.set('up1', parts)
    response.setHeader('etag', `"${md5(body)}"`).end()
  }

  private join(response: http.ServerResponse, key: string): void {
    const parts = this.parts.get('up1') ?? []
    const etag = `${md5(Buffer.from(parts.map(md5).join(''), 'hex'))}-${parts.length}`
    this.objects.set(key, { body: Buffer.concat(parts), etag, retention: null })
    response.setHeader('x-amz-version-id', 'only')
    xml(response, `<CompleteMultipartUploadResult><ETag>"${etag}"</ETag></CompleteMultipartUploadResult>`)
  }

  private keep(response: http.ServerResponse, key: string, body: Buffer): void {
    this.objects.set(key, { body, etag: md5(body), retention: null })
    response
      .setHeader('etag', `"${md5(body)}"`)
      .setHeader('x-amz-version-id', 'only')
      .end()
  }
}

const md5 = (bytes: Buffer) => createHash('md5').update(bytes).digest('hex')

/** An answer with a body of XML. */
export function xml(response: http.ServerResponse, text: string): void {
  response.setHeader('content-type', 'application/xml').end(text)
}

/** A refusal as S3 words it. */
export function refuse(response: http.ServerResponse, status: number, code: string, message = 'no'): void {
  response.writeHead(status, { 'content-type': 'application/xml' })
  response.end(`<?xml version="1.0"?><Error><Code>${code}</Code><Message>${message}</Message></Error>`)
}
