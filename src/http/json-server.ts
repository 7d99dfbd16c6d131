import type { NestApplicationOptions } from '@nestjs/common'
import { ExpressAdapter } from '@nestjs/platform-express'
import type { Response } from 'express'
import { hash } from 'node:crypto'
import { createServer, type RequestListener } from 'node:http'
import type { HttpPatience } from './patience.js'

/**
 * Express below Nest, which answers JSON by a shorter way: Express works out type, length and freshness anew for each answer, as if any could be of
 * any kind, and took as long for that as for the query.
 */
export class JsonServer extends ExpressAdapter {
  constructor(private readonly patience: HttpPatience) {
    super()
  }

  /** As Nest does, but for the one option that a server takes only when it is made. */
  override initHttpServer(options: NestApplicationOptions): void {
    super.initHttpServer(options)
    this.httpServer = createServer({ connectionsCheckingInterval: this.patience.checkEveryMs }, this.getInstance<RequestListener>())
  }

  /** Answer with what a route gave; like Express, 304 to a client that has it. */
  override reply(response: Response, body: unknown, status?: number): unknown {
    if (!isPlain(body) || response.hasHeader('content-type')) return super.reply(response, body, status)
    if (status !== undefined) response.statusCode = status
    const text = JSON.stringify(body)
    response.setHeader('etag', entityTag(text))
    if (response.req.fresh) return response.status(304).end()
    response.setHeader('content-type', 'application/json; charset=utf-8')
    response.setHeader('content-length', Buffer.byteLength(text))
    // Without a body to HEAD: Node drops it.
    return response.end(text)
  }
}

/** The strong entity tag of an answer: two that differ in a byte have different ones. */
export function entityTag(body: string | Buffer): string {
  return `"${hash('sha256', body, 'base64url')}"`
}

function isPlain(body: unknown): body is object {
  return typeof body === 'object' && body !== null && Object.getPrototypeOf(body) === Object.prototype
}
