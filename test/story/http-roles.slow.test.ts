// What each role does with the service from day to day, over HTTP alone. That nobody does more: `http-tenancy.test.ts` tries every route.
import { createHash } from 'node:crypto'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { AnnounceEvents } from '../../src/notice/announce-events.js'
import { CheckFixity } from '../../src/verify/check-fixity.js'
import type { HttpCaller, ProblemBody } from '../doubles/http-caller.js'
import { HttpHouse } from '../doubles/http-house.js'
import { dayMs } from '../doubles/moments.js'

interface Listed<T> {
  readonly items: readonly T[]
}
interface ListedNotice {
  readonly notice: { readonly notice: string; readonly event: string; readonly report: string | null }
  readonly acknowledgedAt: string | null
}

let house: HttpHouse
/** The one deposit that there is. */
let deposit: string

beforeAll(async () => {
  house = await HttpHouse.open()
  await house.service.get(AnnounceEvents).run()
  const { items } = await (await house.as('vendor')).json<Listed<{ deposit: string }>>(`${agreementPath()}/sources/product/deposits`)
  deposit = items[0]?.deposit ?? ''
})
afterAll(() => house.close())

const agreementPath = () => `/v1/agreements/${house.agreed.id}`
const problem = (answer: { readonly status: number; readonly body: unknown }) => [answer.status, (answer.body as ProblemBody).code]
const noticesOf = async (party: HttpCaller) => (await party.json<Listed<ListedNotice>>('/v1/notices?limit=100')).items

test('a depositor sees what was taken of it, proves its receipt, says where it is told of news, and lives', async () => {
  const vendor = await house.as('vendor')
  const source = await vendor.json<{ source: string; mode: string }>(`${agreementPath()}/sources/product`)
  expect(source).toMatchObject({ source: 'product', mode: 'pull' })
  for (const name of ['manifest', 'receipt', 'inventory'])
    expect((await vendor.get(`/v1/deposits/${deposit}/${name}`)).status, name).toBe(200)
  await house.service.get(CheckFixity).run({ all: true, replica: null })
  const { items } = await vendor.json<Listed<{ outcome: string }>>(`/v1/deposits/${deposit}/fixity`)
  expect(new Set(items.map(({ outcome }) => outcome))).toEqual(new Set(['match']))
  const contact = { agreement: house.agreed.id, channel: 'webhook', address: 'https://vendor.example/in' }
  expect((await vendor.post('/v1/contacts', contact)).status).toBe(200)
  const [news] = await noticesOf(vendor)
  expect((await vendor.post(`/v1/notices/${news?.notice.notice}/acknowledgement`, {})).status).toBe(200)
  expect((await noticesOf(vendor))[0]?.acknowledgedAt).not.toBeNull()
  expect((await house.send('vendor', house.sign('heartbeat', 'vendor', {}))).outcomes).toHaveLength(1)
})

test('a beneficiary asks, is granted, and fetches what it was promised, byte for byte; nobody else does', async () => {
  const partner = await house.as('partner')
  const { request } = await house.release()
  const { objects } = await partner.json<{ objects: { key: string; sha256: string }[] }>(`/v1/grants/${request}`)
  expect(objects.length).toBeGreaterThan(4)
  for (const { key, sha256 } of objects) {
    const { body } = await partner.get(`/v1/grants/${request}/objects/${key}`)
    expect(
      createHash('sha256')
        .update(body as Buffer)
        .digest('hex'),
      key,
    ).toBe(sha256)
  }
  for (const party of ['vendor', 'notary', 'ministry', 'arbiter', 'agent']) {
    expect((await (await house.as(party)).get(`/v1/grants/${request}`)).status, party).toBeGreaterThanOrEqual(403)
  }
})

test('a custodian reads the whole case before it answers, and its refusal counts as one', async () => {
  const notary = await house.as('notary')
  const { outcomes } = await house.send('partner', house.ask(2))
  const request = outcomes[0]?.subject ?? ''
  await house.until(request, 'approval')
  await house.service.publish()
  const paths = (await notary.json<Listed<{ path: string }>>(`/v1/release-requests/${request}/case`)).items.map(({ path }) => path)
  expect(paths).toEqual(expect.arrayContaining(['agreement.json', 'request.json', 'log/000001.json']))
  const { digest } = await notary.json<{ digest: string }>(`/v1/release-requests/${request}`)
  const covers = [{ requestDigest: digest, agreement: house.agreed.signed.digest }]
  const refusal = house.sign('refusal', 'notary', { covers, reason: 'The register says otherwise.' }, { epoch: 2 })
  await house.send('notary', refusal)
  // Said twice it is the same refusal.
  await house.send('notary', refusal)
  const { statements } = await notary.json<{ statements: { type: string; party: string }[] }>(`/v1/release-requests/${request}`)
  expect(statements.filter(({ type }) => type.includes('refusal')).map(({ party }) => party)).toEqual(['notary'])
  expect(problem(await notary.get('/v1/notices'))).toEqual([403, 'ROLE_REFUSED'])
})

test('a supervisor is told of everything, holds what runs, and can neither fetch nor approve', async () => {
  const ministry = await house.as('ministry')
  await house.service.get(AnnounceEvents).run()
  expect((await noticesOf(ministry)).map(({ notice }) => notice.event)).toContain('deposit-stored')
  const until = new Date(house.service.clock.now().getTime() + 30 * dayMs).toISOString()
  const hold = house.sign('legal-hold', 'ministry', { action: 'place', requestDigest: null, until, reference: 'H 1', reason: 'Inquiry.' })
  expect((await house.send('ministry', hold)).outcomes.map(({ state }) => state)).toContain('held')
  expect((await ministry.json<Listed<unknown>>('/v1/release-requests')).items.length).toBeGreaterThan(0)
})

test('an arbiter reads an order that was contested, and rules on it', async () => {
  const arbiter = await house.as('arbiter')
  await house.send('vendor', house.order())
  const { items } = await arbiter.json<Listed<{ order: string }>>('/v1/orders')
  const order = items[0]?.order ?? ''
  const contested = { order, court: 'Court of Appeals', docket: 'A-17', grounds: 'By all legal means.', evidence: [] }
  await house.send('vendor', house.sign('contestation', 'vendor', contested))
  const { items: files } = await arbiter.json<Listed<{ path: string }>>(`/v1/orders/${order}/agreements/${house.agreed.id}/case`)
  expect(files.map(({ path }) => path)).toContain('order.json')
  const ruling = {
    subject: { kind: 'order' as const, digest: order },
    outcome: 'proceed' as const,
    grounds: 'Having heard both.',
    evidence: [],
  }
  expect((await house.send('arbiter', house.sign('ruling', 'arbiter', ruling))).outcomes).toHaveLength(1)
})

test('an operator watches stores, alarms, silences and figures, and opens nothing', async () => {
  const agent = await house.as('agent')
  expect((await agent.json<Listed<{ replica: string }>>('/v1/replicas')).items.map(({ replica }) => replica)).toEqual(['a', 'b'])
  for (const path of ['/v1/alarms', '/v1/silences', '/health/ready']) expect((await agent.get(path)).status, path).toBe(200)
  expect((await agent.get('/metrics')).text).toMatch(/^escrow_/m)
  expect(problem(await agent.get('/v1/notices'))).toEqual([403, 'ROLE_REFUSED'])
})

test('an auditor without any token follows the log, and names nobody', async () => {
  const { nobody } = house
  const checkpoint = await nobody.get('/log/checkpoint')
  const origin = house.agreed.signed.body.origin
  expect([checkpoint.status, checkpoint.text.split('\n')[0]]).toEqual([200, origin])
  const { size } = await nobody.json<{ size: number }>('/v1/log')
  expect(size).toBeGreaterThan(5)
  expect((await nobody.get('/v1/agreements')).status).toBe(401)
})
