// The edge of the service: who gets in, what strangers learn, what is logged.
import type { AddressInfo } from 'node:net'
import type { NestExpressApplication } from '@nestjs/platform-express'
import type { OpenAPIObject } from '@nestjs/swagger'
import { sql } from 'drizzle-orm'
import request, { type Response } from 'supertest'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { ERROR_ADVICE } from '../../src/core/errors.js'
import { httpConnectionsMax, httpHeadersTimeoutMs, httpIdleTimeoutMs, httpKeepAliveMs } from '../../src/core/http-limits.js'
import { CreateToken } from '../../src/escrow/token/create-token.js'
import { RevokeToken } from '../../src/escrow/token/revoke-token.js'
import { LogOptions } from '../../src/log/log-options.js'
import { seedEntries } from '../doubles/log-fixture.js'
import { ServiceFixture } from '../doubles/service-fixture.js'
import { dayMs } from '../doubles/moments.js'
import { testDatabase } from '../doubles/test-database.js'
import { readTiledLog } from '../doubles/tiles-reader.js'

type OperationObject = NonNullable<OpenAPIObject['paths'][string]['get']>

const lines: string[] = []
let service: ServiceFixture
let server: ReturnType<NestExpressApplication['getHttpServer']>

beforeAll(async () => {
  service = await ServiceFixture.open({ server: { log: (line) => void lines.push(line) } })
  server = (service.app as NestExpressApplication).getHttpServer()
})
afterAll(() => service.close())

async function tokenOf(party: string, days = 90): Promise<{ readonly id: string; readonly token: string }> {
  const { row, token } = await service.get(CreateToken).run({ card: service.party(party).card, label: party, days })
  return { id: row.tokenId, token }
}

const metrics = (authorization?: string): Promise<Response> => {
  const asked = request(server).get('/metrics')
  return authorization === undefined ? asked.then() : asked.set('authorization', authorization).then()
}

test('a process that can be used says so to anybody', async () => {
  await request(server).get('/health/live').expect(200, { status: 'live' })
  await request(server).get('/health/ready').expect(200, { status: 'ready' })
})

test('a token of the right role is let in, one of another role is told which it must be', async () => {
  const agent = await tokenOf('agent')
  const answer = await metrics(`Bearer ${agent.token}`)
  expect(answer.status).toBe(200)
  expect(answer.text).toContain('escrow_http_request_seconds_count{method="GET",route="/health/live",status="200"}')
  const refused = await metrics(`Bearer ${(await tokenOf('partner')).token}`)
  expect([refused.status, refused.body]).toEqual([403, expect.objectContaining({ code: 'ROLE_REFUSED' })])
})

test('a token that is unknown, wrong, expired or revoked lets nobody in; only who knows the secret learns why', async () => {
  const { id, token } = await tokenOf('agent', 1)
  const [other] = [(await tokenOf('agent')).token]
  const mixed = `${id}.${other.split('.')[1] ?? ''}`
  const strange = [
    undefined,
    '',
    'Bearer',
    'Bearer x',
    `Basic ${token}`,
    `Bearer ${token.slice(0, -1)}`,
    `Bearer ${mixed}`,
    `Bearer tok_${'a'.repeat(20)}.${'A'.repeat(43)}`,
  ]
  for (const authorization of strange) {
    const answer = await metrics(authorization)
    expect([answer.status, (answer.body as { code: string }).code], authorization).toEqual([401, 'TOKEN_INVALID'])
    expect(answer.headers['www-authenticate']).toMatch(/^Bearer/)
    expect(answer.text).not.toMatch(/expired at|revoked at/)
  }
  expect((await metrics(`Bearer ${token}`)).status).toBe(200)
  await service.get(RevokeToken).run(id)
  const revoked = await metrics(`Bearer ${token}`)
  expect([revoked.status, (revoked.body as { detail: string }).detail]).toEqual([401, expect.stringContaining('revoked at') as string])
  service.clock.advance(91 * dayMs)
  const expired = await metrics(`Bearer ${other}`)
  expect([expired.status, (expired.body as { detail: string }).detail]).toEqual([401, expect.stringContaining('expired at') as string])
})

test('the secret of a token is neither in the database nor in the log', async () => {
  const { id, token } = await tokenOf('agent')
  await metrics(`Bearer ${token}`)
  await request(server).get(`/metrics?token=${token}`).set('cookie', token).set('x-request-id', token)
  const secret = token.split('.')[1] ?? ''
  const rows = await service.database.query((db) => db.execute(sql`select * from api_token where token_id = ${id}`))
  const stored = JSON.stringify(rows, (_, value: unknown) =>
    value instanceof Uint8Array ? Buffer.from(value).toString('base64url') : value,
  )
  expect(stored).not.toContain(secret)
  expect(stored).toContain(Buffer.from(id.slice(4, 8)).toString())
  expect(lines.join('')).not.toContain(secret)
})

test('every answer names its request, under the id of a proxy in front when that is one', async () => {
  const given = await request(server).get('/health/live').set('x-request-id', 'proxy-1234.abc')
  expect(given.headers['x-request-id']).toBe('proxy-1234.abc')
  expect(lines.some((line) => line.includes('"requestId":"proxy-1234.abc"') && line.includes('"status":200'))).toBe(true)
  for (const forged of ['x', 'a"b,c":1', 'y'.repeat(65)]) {
    const answer = await request(server).get('/nowhere').set('x-request-id', forged)
    expect(answer.headers['x-request-id']).toMatch(/^[0-9a-f]{24}$/)
    expect((answer.body as { instance: string }).instance).toBe(`urn:request:${answer.headers['x-request-id']}`)
  }
})

test.for(['/nowhere', '/v1', '/metrics/more', '/health/live/%zz', '/%2e%2e/etc/passwd', `/${'a'.repeat(5000)}`])(
  'a path that no route has is refused with a problem that does not repeat it: %s',
  async (path) => {
    const answer = await request(server).get(path)
    expect(answer.status).toBeGreaterThanOrEqual(400)
    expect(answer.status).toBeLessThan(500)
    expect(answer.type).toBe('application/problem+json')
    expect(answer.text).not.toContain('passwd')
    expect(answer.text.length).toBeLessThan(1000)
  },
)

test('a refusal leaves a connection open, but for a body that nobody has read', async () => {
  const kept = await request(server).get('/nowhere').set('connection', 'keep-alive')
  expect([kept.status, kept.headers['connection']]).toEqual([404, 'keep-alive'])
  const unread = await request(server).post('/nowhere').set('connection', 'keep-alive').send('x'.repeat(300_000))
  expect([unread.status, unread.headers['connection']]).toEqual([404, 'close'])
})

test('answers forbid browsers what they need not do', async () => {
  const { headers } = await request(server).get('/health/live')
  expect(headers['content-security-policy']).toContain("default-src 'none'")
  expect(headers['x-content-type-options']).toBe('nosniff')
  expect(headers['cache-control']).toBe('private, no-cache')
  expect(headers['x-powered-by']).toBeUndefined()
})

test('the API document and its page come from the service itself', async () => {
  const page = await request(server).get('/docs').expect(200)
  const assets = [...page.text.matchAll(/(?:src|href)="([^"]+)"/g)].map((match) => match[1] ?? '')
  expect(assets.length).toBeGreaterThan(2)
  expect(assets.filter((path) => /^(?:https?:)?\/\//.test(path))).toEqual([])
  for (const asset of assets) await request(server).get(new URL(asset, 'http://x/docs').pathname).expect(200)
  const { body } = await request(server).get('/docs/openapi.json').expect(200)
  expect((body as { openapi: string }).openapi).toBe('3.1.0')
})

test('the API document names every parameter, who needs no token, and the form of a refusal', async () => {
  const { body } = await request(server).get('/docs/openapi.json').expect(200)
  const { paths, components, security } = body as OpenAPIObject
  expect(security).toEqual([{ bearer: [] }])
  for (const [path, routes] of Object.entries(paths))
    for (const [method, route] of Object.entries(routes as Record<string, OperationObject>)) {
      const named = (route.parameters ?? []).flatMap((one) => ('in' in one && one.in === 'path' ? [one.name] : []))
      const inPath = [...path.matchAll(/\{(\w+)\}/g)].map(([, name = '']) => name)
      expect(named.toSorted(), `${method} ${path}`).toEqual(inPath.toSorted())
      expect(route.security, path).toEqual(/^\/(?:health|log)\/|^\/v1\/log/.test(path) ? [{}] : undefined)
      expect(route.responses['default'], path).toMatchObject({
        content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
      })
    }
  expect(components?.schemas?.['Problem']).toMatchObject({ required: expect.arrayContaining(['code', 'status', 'instance']) as unknown })
})

test('any client of tiled logs can read ours over HTTP, and caches keep what never changes', async () => {
  await seedEntries(service.database, { subject: 'engine', count: 300, at: service.clock.now() })
  await service.publish()
  await new Promise<void>((resolve) => void server.listen(0, resolve))
  const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}/log/`
  const seen = new Map<string, Headers>()
  const overHttp = async (path: string) => {
    const answer = await fetch(base + path)
    seen.set(path, answer.headers)
    return answer.status === 404 ? null : Buffer.from(await answer.arrayBuffer())
  }
  const { origin, logKey } = service.app.get(LogOptions).policy
  const log = await readTiledLog(overHttp, Buffer.from(logKey.publicKey, 'base64'))
  expect(log).toMatchObject({ origin, size: 300 })
  expect(log.paths).toEqual(['checkpoint', 'tile/entries/000', 'tile/entries/001.p/44', 'tile/0/000', 'tile/0/001.p/44', 'tile/1/000.p/1'])
  const kept = (path: string) => [seen.get(path)?.get('content-type'), seen.get(path)?.get('cache-control')]
  expect(kept('checkpoint')).toEqual(['text/plain; charset=utf-8', 'public, no-cache'])
  for (const path of log.paths.slice(1)) expect(kept(path)).toEqual(['application/octet-stream', 'public, max-age=31536000, immutable'])
  const etag = seen.get('checkpoint')?.get('etag') ?? ''
  await request(server).get('/log/checkpoint').set('if-none-match', etag).expect(304)
  expect((await fetch(`${base}tile/0/000`, { method: 'HEAD' })).headers.get('content-length')).toBe('8192')
  for (const path of ['tile/0/001', 'tile/0/00', 'tile/0/000.p/0', 'tile/data/000', 'events/', 'tile/0/..%2f0%2f000']) {
    const answer = await fetch(base + path)
    expect([answer.status, answer.headers.get('cache-control')], path).toEqual([404, 'no-store'])
  }
})

test('a service whose index is older than the log it has published does not begin, and says what to do', async () => {
  const { database } = service
  service.database = await testDatabase()
  await expect(service.start()).rejects.toMatchObject({ code: 'LOG_ROLLED_BACK' })
  expect(ERROR_ADVICE.LOG_ROLLED_BACK).toContain('run `escrow rebuild --replace`')
  service.database = database
})

test('a client that is slow, idle or one of too many is limited by the server itself', () => {
  expect(server.headersTimeout).toBe(httpHeadersTimeoutMs)
  expect(server.timeout).toBe(httpIdleTimeoutMs)
  expect(server.keepAliveTimeout).toBe(httpKeepAliveMs)
  expect(server.maxConnections).toBe(httpConnectionsMax)
  // Long pushes and downloads take as long as they take.
  expect(server.requestTimeout).toBe(0)
})

test('who asks too often is told how long to wait', async () => {
  const strict = await ServiceFixture.open({ server: { log: () => undefined, http: { requestsPerMinute: 3 } } })
  try {
    const limited = (strict.app as NestExpressApplication).getHttpServer()
    for (let n = 0; n < 3; n += 1) await request(limited).get('/health/live').expect(200)
    const refused = await request(limited).get('/health/live')
    expect([refused.status, refused.headers['retry-after']]).toEqual([429, '20'])
    expect((refused.body as { code: string }).code).toBe('RATE_EXCEEDED')
    // Each kind of client in its own form: git as text, git-lfs as its documents.
    const repository = `/git/agr_${'a'.repeat(20)}/product.git`
    for (const path of [`${repository}/info/refs?service=git-receive-pack`, `${repository}/info/lfs/objects/batch`]) {
      const also = await request(limited).get(path)
      expect([path, also.status, also.headers['retry-after']]).toEqual([path, 429, '20'])
    }
  } finally {
    await strict.close()
  }
})
