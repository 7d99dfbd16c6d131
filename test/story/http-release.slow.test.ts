// A release over HTTP, and what goes wrong on the way: repeated, forged, oversized, broken off.
import { createHash } from 'node:crypto'
import { connect } from 'node:net'
import request from 'supertest'
import type { NestExpressApplication } from '@nestjs/platform-express'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { signedDocumentBytesMax } from '../../src/core/limits.js'
import { signedDocumentType } from '../../src/http/media-type.js'
import type { HttpCaller, ProblemBody } from '../doubles/http-caller.js'
import { HttpHouse, type SentBody } from '../doubles/http-house.js'

let house: HttpHouse
let partner: HttpCaller
let released: { readonly request: string; readonly digest: string }

beforeAll(async () => {
  house = await HttpHouse.open()
  partner = await house.as('partner')
  released = await house.release()
})
afterAll(() => house.close())

const problem = (answer: { readonly status: number; readonly body: unknown }) => [answer.status, (answer.body as ProblemBody).code]
const heartbeat = () => house.sign('heartbeat', 'vendor', {})

test('a release is asked for, approved, delivered and granted by statements alone', async () => {
  const one = await partner.json<{ state: string; statements: { type: string; party: string }[]; grants: { beneficiary: string }[] }>(
    `/v1/release-requests/${released.request}`,
  )
  expect(one.state).toBe('released')
  expect(
    one.statements
      .filter(({ type }) => type.includes('approval'))
      .map(({ party }) => party)
      .sort(),
  ).toEqual(['chamber', 'notary', 'university'])
  expect(one.grants.map(({ beneficiary }) => beneficiary)).toEqual(['partner'])
  const { items } = await (await house.as('notary')).json<{ items: { path: string }[] }>(`/v1/release-requests/${released.request}/case`)
  expect(items.map(({ path }) => path)).toEqual(expect.arrayContaining(['agreement.json', 'request.json', 'log/000001.json']))
})

test('a granted object is fetched whole, in pieces, and not by others', async () => {
  const { objects } = await partner.json<{ objects: { key: string; sizeBytes: number; sha256: string }[] }>(
    `/v1/grants/${released.request}`,
  )
  const sealed = objects.find(({ key }) => key.endsWith('.bundle.age'))!
  const path = `/v1/grants/${released.request}/objects/${sealed.key}`
  const whole = await partner.get(path)
  expect([whole.status, whole.headers['etag'], whole.headers['accept-ranges']]).toEqual([200, `"${sealed.sha256}"`, 'bytes'])
  const bytes = whole.body as Buffer
  expect(createHash('sha256').update(bytes).digest('hex')).toBe(sealed.sha256)
  const half = Math.floor(sealed.sizeBytes / 2)
  const rest = await partner.get(path, { range: `bytes=${half}-` })
  expect([rest.status, rest.headers['content-range']]).toEqual([206, `bytes ${half}-${sealed.sizeBytes - 1}/${sealed.sizeBytes}`])
  expect((rest.body as Buffer).equals(bytes.subarray(half))).toBe(true)
  const piece = await partner.get(path, { range: 'bytes=1-1' })
  expect([piece.status, (piece.body as Buffer).toString('hex')]).toEqual([206, bytes.subarray(1, 2).toString('hex')])
  expect(problem(await partner.get(path, { range: `bytes=${sealed.sizeBytes}-` }))).toEqual([416, 'RANGE_INVALID'])
  expect(problem(await partner.get(path, { range: 'bytes=5-4' }))).toEqual([416, 'RANGE_INVALID'])
  for (const range of ['bytes=-5', 'bytes=0-1,4-5', 'lines=1-2', 'bytes=a-b'])
    expect((await partner.get(path, { range })).status, range).toBe(200)
  expect(problem(await (await house.as('notary')).get(path))).toEqual([403, 'ROLE_REFUSED'])
})

test('who asks only for the headers of a granted object is recorded as one that was sent nothing', async () => {
  const { objects } = await partner.json<{ objects: { key: string; sizeBytes: number }[] }>(`/v1/grants/${released.request}`)
  const sealed = objects.find(({ key }) => key.endsWith('.bundle.age'))!
  const path = `/v1/grants/${released.request}/objects/${sealed.key}`
  const server = (house.service.app as NestExpressApplication).getHttpServer()
  const answer = await request(server).head(path).set('authorization', `Bearer ${partner.token}`)
  expect([answer.status, answer.headers['content-length']]).toEqual([200, String(sealed.sizeBytes)])
  const { accesses } = await partner.json<{ accesses: { key: string; sentBytes: number | null }[] }>(
    `/v1/release-requests/${released.request}`,
  )
  expect(accesses.at(-1)).toMatchObject({ key: sealed.key, sentBytes: 0 })
})

test('an inventory that has not changed is not sent twice', async () => {
  const { items } = await partner.json<{ items: { deposit: string }[] }>(`/v1/agreements/${house.agreed.id}/sources/product/deposits`)
  const path = `/v1/deposits/${items[0]?.deposit}/inventory`
  const etag = String((await partner.get(path)).headers['etag'])
  expect([(await partner.get(path, { 'if-none-match': etag })).status, (await partner.get(path)).status]).toEqual([304, 200])
})

test.for(['../../etc/passwd', '..%2f..%2fescrow.yaml', 'agreements', 'events/none.json', 'a'.repeat(2000), '%00'])(
  'no object of the grant lies under %s',
  async (key) => {
    const answer = await partner.get(`/v1/grants/${released.request}/objects/${key}`)
    expect([403, 404], answer.text).toContain(answer.status)
  },
)

test('an unchanged answer is not sent twice', async () => {
  const path = `/v1/release-requests/${released.request}`
  const first = await partner.get(path)
  const etag = String(first.headers['etag'])
  expect(etag).toMatch(/^"[^"]+"$/)
  expect(first.headers['cache-control']).toBe('private, no-cache')
  const again = await partner.get(path, { 'if-none-match': etag })
  expect([again.status, again.text]).toEqual([304, ''])
  expect((await partner.get(path, { 'if-none-match': '"other"' })).status).toBe(200)
})

test('pages follow each other without gap or repetition', async () => {
  const path = `/v1/agreements/${house.agreed.id}/events`
  const all = (await partner.json<{ items: { leafHash: string }[] }>(`${path}?limit=200`)).items
  const found: string[] = []
  let next: string | null = ''
  while (next !== null) {
    const page: { items: { leafHash: string }[]; next: string | null } = await partner.json(
      `${path}?limit=7${next === '' ? '' : `&cursor=${next}`}`,
    )
    found.push(...page.items.map(({ leafHash }) => leafHash))
    ;({ next } = page)
  }
  expect(found).toEqual(all.map(({ leafHash }) => leafHash))
  expect(found.length).toBeGreaterThan(14)
  for (const query of ['limit=0', 'limit=201', 'limit=x', 'cursor=%00', `cursor=${'a'.repeat(201)}`, 'limit=1&limit=2']) {
    expect(problem(await partner.get(`${path}?${query}`)), query).toEqual([422, 'BODY_INVALID'])
  }
  // Of another list; with a NUL, which no database takes; beyond every number.
  const forged = ['nothing', '\0', `agr_${'a'.repeat(19)}\0`, '999999999999999'].map((key) => Buffer.from(key).toString('base64url'))
  const lists = ['/v1/agreements', `/v1/agreements/${house.agreed.id}/sources`, '/v1/release-requests', '/v1/orders', '/v1/grants']
  for (const list of [path, ...lists, '/v1/notices'])
    for (const cursor of forged) expect([200, 422], `${list} ${cursor}`).toContain((await partner.get(`${list}?cursor=${cursor}`)).status)
  expect((await partner.get(`${path}?cursor=${forged[0]}`)).status).toBe(422)
})

test('a POST that is repeated gives the first answer and does nothing twice', async () => {
  const vendor = await house.as('vendor')
  const statement = heartbeat()
  const count = async () => (await partner.json<{ items: unknown[] }>(`/v1/agreements/${house.agreed.id}/events?limit=200`)).items.length
  const before = await count()
  const key = vendor.freshKey()
  const first = await vendor.document('/v1/statements', statement, key)
  expect([first.status, first.headers['idempotency-replayed']]).toEqual([200, undefined])
  const after = await count()
  expect(after).toBeGreaterThan(before)
  const again = await vendor.document('/v1/statements', statement, key)
  expect([again.status, again.headers['idempotency-replayed'], again.body]).toEqual([200, 'true', first.body as unknown])
  expect(problem(await vendor.document('/v1/statements', heartbeat(), key))).toEqual([422, 'IDEMPOTENCY_REUSED'])
  // Another key for the same statement: recorded once all the same.
  expect((await vendor.document('/v1/statements', statement)).status).toBe(200)
  expect(await count()).toBe(after)
  // Another party may use the same characters.
  expect((await (await house.as('ministry')).document('/v1/statements', statement, key)).headers['idempotency-replayed']).toBeUndefined()
})

test('of two POSTs at once with one key one works, and the other waits or gets its answer', async () => {
  const vendor = await house.as('vendor')
  const [statement, key] = [heartbeat(), vendor.freshKey()]
  const answers = await Promise.all([1, 2, 3].map(() => vendor.document('/v1/statements', statement, key)))
  const worked = answers.filter(({ status, headers }) => status === 200 && headers['idempotency-replayed'] === undefined)
  expect(worked).toHaveLength(1)
  for (const answer of answers.filter((one) => !worked.includes(one))) {
    if (answer.status === 200) expect(answer.body).toEqual(worked[0]?.body)
    else expect([problem(answer), Number(answer.headers['retry-after'])]).toEqual([[409, 'IDEMPOTENCY_BUSY'], expect.any(Number)])
  }
})

test('a key whose request was refused may be used again', async () => {
  const vendor = await house.as('vendor')
  const key = vendor.freshKey()
  expect(problem(await vendor.document('/v1/statements', Buffer.from('{}'), key))).toEqual([422, 'FORMAT_INVALID'])
  expect((await vendor.document('/v1/statements', heartbeat(), key)).status).toBe(200)
})

test('whoever died at work on a key is taken over after its lease', async () => {
  const vendor = await house.as('vendor')
  const [statement, key] = [heartbeat(), vendor.freshKey()]
  const first = await vendor.document('/v1/statements', statement, key)
  const { sql } = await import('drizzle-orm')
  // As if the process had stopped between effect and answer.
  await house.service.database.query((db) => db.execute(sql`update idempotency set status = null, answer = null where key = ${key}`))
  expect(problem(await vendor.document('/v1/statements', statement, key))).toEqual([409, 'IDEMPOTENCY_BUSY'])
  house.service.clock.advance(121_000)
  const again = await vendor.document('/v1/statements', statement, key)
  expect([again.status, again.body]).toEqual([200, first.body as unknown])
})

test.for([
  ['no key', {}, 400, 'IDEMPOTENCY_KEY'],
  ['a short key', { 'idempotency-key': 'abc' }, 400, 'IDEMPOTENCY_KEY'],
  ['a key with other characters', { 'idempotency-key': 'abc def; drop table' }, 400, 'IDEMPOTENCY_KEY'],
  ['a long key', { 'idempotency-key': 'a'.repeat(129) }, 400, 'IDEMPOTENCY_KEY'],
  ['JSON as such', { 'idempotency-key': 'k'.repeat(16), 'content-type': 'application/json' }, 415, 'MEDIA_TYPE_INVALID'],
  ['no type', { 'idempotency-key': 'k'.repeat(16), 'content-type': '' }, 415, 'MEDIA_TYPE_INVALID'],
  ['gzip', { 'idempotency-key': 'k'.repeat(16), 'content-encoding': 'gzip' }, 415, 'MEDIA_TYPE_INVALID'],
] as const)('a statement with %s is refused', async ([, headers, status, code]) => {
  const asked = request((house.service.app as NestExpressApplication).getHttpServer())
    .post('/v1/statements')
    .set({ 'content-type': signedDocumentType, ...headers })
    .set('authorization', `Bearer ${(await house.as('vendor')).token}`)
  expect(problem(await asked.send(Buffer.from(heartbeat()).toString('utf8')))).toEqual([status, code])
})

test.for([
  ['nothing', ''],
  ['no JSON', 'hello'],
  ['JSON of another kind', '[1,2,3]'],
  ['a bare statement', '{"type":"escrow/statement/heartbeat/v1"}'],
  ['deep nesting', '['.repeat(100_000)],
  ['bytes that are no UTF-8', '\u0000\ufffd'],
])('a body of %s is refused with words', async ([, body]) => {
  const answer = await (await house.as('vendor')).document('/v1/statements', Buffer.from(body ?? ''))
  expect(problem(answer)).toEqual([422, 'FORMAT_INVALID'])
})

test('a statement that is forged, expired, of another service or of nobody here is refused', async () => {
  const vendor = await house.as('vendor')
  expect(
    problem(await vendor.document('/v1/statements', house.sign('heartbeat', 'vendor', {}, { key: 'partner' })))[0],
  ).toBeGreaterThanOrEqual(400)
  const short = house.sign('heartbeat', 'vendor', {}, { lifeDays: 1 })
  house.service.clock.advance(2 * 86_400_000)
  expect(problem(await vendor.document('/v1/statements', short))).toEqual([422, 'STATEMENT_EXPIRED'])
  const foreign = house.sign('heartbeat', 'vendor', {}, { agreement: '0'.repeat(64) })
  expect(problem(await vendor.document('/v1/statements', foreign))).toEqual([404, 'NOT_FOUND'])
})

test('a vote of one custodian that another sends counts for its signer alone', async () => {
  const { outcomes } = await house.send('partner', house.ask(2))
  const { digest } = await partner.json<{ digest: string }>(`/v1/release-requests/${outcomes[0]?.subject}`)
  await house.until(outcomes[0]?.subject ?? '', 'approval')
  const vote = house.approval('auditor', digest, { epoch: 2 })
  for (const sender of ['auditor', 'notary', 'vendor']) {
    const { body } = await (await house.as(sender)).document('/v1/statements', vote)
    expect((body as SentBody).outcomes[0]?.code, sender).toBeNull()
  }
  const { statements } = await partner.json<{ statements: { type: string; party: string }[] }>(
    `/v1/release-requests/${outcomes[0]?.subject}`,
  )
  expect(statements.filter(({ type }) => type.includes('approval'))).toEqual([expect.objectContaining({ party: 'auditor' })])
})

test('a body over the limit is refused before it is read, whatever length it claims', async () => {
  const vendor = await house.as('vendor')
  const claimed = await raw(`content-length: ${signedDocumentBytesMax + 1}\r\n`, vendor.token, () => undefined)
  expect(claimed).toMatch(/^HTTP\/1\.1 413 .*BODY_TOO_LARGE/s)
  const block = Buffer.alloc(1024 * 1024, 0x20)
  const chunked = await raw('transfer-encoding: chunked\r\n', vendor.token, (write) => {
    for (let sent = 0; sent <= signedDocumentBytesMax; sent += block.length)
      write(Buffer.concat([Buffer.from('100000\r\n'), block, Buffer.from('\r\n')]))
  })
  expect(chunked).toMatch(/^HTTP\/1\.1 413 .*BODY_TOO_LARGE/s)
})

test('a body that is cut off records nothing', async () => {
  const vendor = await house.as('vendor')
  const answer = await raw('content-length: 100\r\n', vendor.token, (write, end) => {
    write(Buffer.from('{"payload":'))
    end()
  })
  expect(answer).toMatch(/^(?:$|HTTP\/1\.1 40[08] )/)
  expect((await house.nobody.get('/health/ready')).status).toBe(200)
})

/** Speak HTTP by hand. @returns what came back until the server closed. */
async function raw(
  lengthHeader: string,
  token: string | null,
  send: (write: (bytes: Buffer) => void, end: () => void) => void,
): Promise<string> {
  const server = (house.service.app as NestExpressApplication).getHttpServer()
  if (!server.listening) await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as { readonly port: number }
  const socket = connect(port, '127.0.0.1')
  const blocks: Buffer[] = []
  socket.on('data', (block: Buffer) => blocks.push(block))
  socket.on('error', () => undefined)
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()))
  const head = `POST /v1/statements HTTP/1.1\r\nhost: x\r\nconnection: close\r\nauthorization: Bearer ${token}\r\nidempotency-key: ${'r'.repeat(20)}\r\n`
  socket.write(`${head}content-type: ${signedDocumentType}\r\n${lengthHeader}\r\n`)
  send(
    (bytes) => void socket.write(bytes),
    () => void socket.end(),
  )
  await closed
  return Buffer.concat(blocks).toString('utf8')
}
