import { StandardSchemaValidationPipe } from '@nestjs/common'
import type { NestExpressApplication } from '@nestjs/platform-express'
import type { NextFunction, Request, Response } from 'express'
import helmet from 'helmet'
import { IncomingMessage, ServerResponse } from 'node:http'
import { Socket } from 'node:net'
import { monotonicMs } from '../core/environment.js'
import { EscrowError } from '../core/errors.js'
import { httpConnectionsMax, httpKeepAliveMs } from '../core/http-limits.js'
import { HttpOptions } from './http-options.js'
import { entityTag } from './json-server.js'
import { Metrics } from './metrics.js'
import { HttpPatience } from './patience.js'
import { serveApiDocument } from './openapi.js'
import { ProblemFilter } from './problem.filter.js'
import { RateLimit } from './rate-limit.js'
import { RequestLog } from './request-log.js'

/** Make an application a server of ours: order matters, and is the same in tests. Must run before `init`. */
export function configureServer(app: NestExpressApplication): void {
  const [options, log, metrics] = [app.get<HttpOptions>(HttpOptions), app.get(RequestLog), app.get(Metrics)]
  app.set('trust proxy', options.trustedProxies)
  app.set('etag', entityTag)
  app.set('query parser', 'simple')
  app.disable('x-powered-by')
  const limit = new RateLimit(options.requestsPerMinute, monotonicMs)
  const headers = standingHeaders()
  // One function, because each that Express calls costs as much as what these do.
  app.use((request: Request, response: Response, next: NextFunction) => {
    log.watch(request, response)
    metrics.watch(request, response)
    for (const [name, value] of headers) response.setHeader(name, value)
    limit.count(request.ip ?? 'unknown')
    next()
  })
  app.useGlobalFilters(app.get(ProblemFilter))
  app.useGlobalPipes(new StandardSchemaValidationPipe({ exceptionFactory: invalid }))
  serveApiDocument(app, options.version)
  limitPatience(app, app.get<HttpPatience>(HttpPatience))
}

/** The page of the API document is the only HTML, and brings its own script and style. */
const protections: Parameters<typeof helmet>[0] = {
  contentSecurityPolicy: {
    useDefaults: false,
    directives: {
      defaultSrc: ["'none'"],
      scriptSrc: ["'self'"],
      styleSrc: ["'self'", "'unsafe-inline'"],
      imgSrc: ["'self'", 'data:'],
      connectSrc: ["'self'"],
      fontSrc: ["'self'"],
      frameAncestors: ["'none'"],
      baseUri: ["'none'"],
      formAction: ["'none'"],
    },
  },
  referrerPolicy: { policy: 'no-referrer' },
}

/** What every answer says until its route says otherwise. Helmet's part is the same for all: it is asked once. */
function standingHeaders(): readonly (readonly [string, string])[] {
  const sample = new ServerResponse(new IncomingMessage(new Socket()))
  helmet(protections)(sample.req, sample, () => undefined)
  // Answers are one party's. Clients may keep them, and ask whether they still hold.
  sample.setHeader('cache-control', 'private, no-cache')
  return Object.entries(sample.getHeaders()).map(([name, value]) => [name, String(value)])
}

/** Cut clients that are slower than this, and those beyond the number that a process takes. */
export function limitPatience(app: NestExpressApplication, { headersMs, idleMs }: Pick<HttpPatience, 'headersMs' | 'idleMs'>): void {
  const server = app.getHttpServer()
  // Node would cut long pushes and downloads after five minutes; whoever stands still is cut by the idle limit.
  server.requestTimeout = 0
  server.headersTimeout = headersMs
  server.keepAliveTimeout = httpKeepAliveMs
  server.maxConnections = httpConnectionsMax
  server.setTimeout(idleMs)
}

interface Issue {
  readonly message: string
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined
}

/** The first thing that does not fit, with the place where it is: a JSON pointer. */
function invalid(issues: readonly Issue[]): EscrowError {
  const [issue] = issues
  const pointer = (issue?.path ?? []).map((part) => `/${String(typeof part === 'object' ? part.key : part).slice(0, 100)}`).join('')
  const words = issue?.message ?? 'expected something else'
  return new EscrowError('BODY_INVALID', `${pointer === '' ? '' : `${pointer}: `}${words.charAt(0).toLowerCase()}${words.slice(1, 300)}`, {
    details: { pointer },
  })
}
