// What parties are told: each event once, by the channels that they chose, in words that a machine understands.
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { NestExpressApplication } from '@nestjs/platform-express'
import request from 'supertest'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { CreateToken } from '../../src/escrow/token/create-token.js'
import { RecordMissed } from '../../src/escrow/source/record-missed.js'
import { Notice, verifyNotice, type NoticeSignature } from '../../src/format/notice.js'
import { AnnounceEvents } from '../../src/notice/announce-events.js'
import { DeliverNotices } from '../../src/notice/deliver-notices.js'
import { WarnLate } from '../../src/notice/warn-late.js'
import { GitFixture } from '../doubles/git-fixture.js'
import { ServiceFixture, type AgreedUpon } from '../doubles/service-fixture.js'
import { dayMs, hourMs } from '../doubles/moments.js'

interface Listed {
  readonly items: readonly {
    readonly notice: Notice
    readonly acknowledgedAt: string | null
    readonly deliveries: readonly { readonly state: string; readonly attempts: number }[]
  }[]
  readonly next: string | null
}

let service: ServiceFixture
let repository: GitFixture
let agreed: AgreedUpon
let receiver: Server
let status = 200
const received: { readonly body: string; readonly signed: NoticeSignature }[] = []
const tokens = new Map<string, string>()
let posts = 0

beforeAll(async () => {
  repository = new GitFixture()
  repository.addCommits('refs/heads/main', 2)
  receiver = createServer((asked, response) => {
    let body = ''
    asked.on('data', (block: Buffer) => (body += block.toString()))
    asked.on('end', () => {
      const header = (name: string) => String(asked.headers[`webhook-${name}`])
      if (status === 200)
        received.push({ body, signed: { id: header('id'), timestamp: header('timestamp'), signature: header('signature') } })
      response.writeHead(status).end()
    })
  })
  await new Promise<void>((resolve) => receiver.listen(0, '127.0.0.1', resolve))
  service = await ServiceFixture.open({
    server: { log: () => undefined },
    remotes: { allowHttp: true, allowPrivateAddresses: true },
  })
  agreed = await service.agree([{ source: 'core', url: repository.path }])
  for (const name of ['agent', 'vendor', 'partner', 'notary']) {
    tokens.set(name, (await service.get(CreateToken).run({ card: service.party(name).card, label: name, days: 90 })).token)
  }
})
afterAll(async () => {
  await service?.close()
  repository?.remove()
  await new Promise((resolve) => receiver.close(resolve))
})

const app = () => (service.app as NestExpressApplication).getHttpServer()
const get = (path: string, party: string) =>
  request(app())
    .get(path)
    .set('authorization', `Bearer ${tokens.get(party)}`)
const post = (path: string, party: string, body: object) =>
  request(app())
    .post(path)
    .set('authorization', `Bearer ${tokens.get(party)}`)
    .set('idempotency-key', `notices-test-key-${(posts += 1)}`)
    .send(body)
const list = async (party: string, query = '') => (await get(`/v1/notices?limit=100${query}`, party).expect(200)).body as Listed
const told = async (party: string) => (await list(party)).items.map(({ notice }) => [notice.event, notice.report]).toReversed()

test('every event is told once to depositor and beneficiary, however often the log is read', async () => {
  await service.mirror(agreed, 'core')
  await service.publish()
  const made = await service.get(AnnounceEvents).run()
  expect(await service.get(AnnounceEvents).run()).toBe(0)
  const mine = await told('partner')
  expect(mine).toContainEqual(['deposit-stored', 'passed'])
  expect(await told('vendor')).toEqual(mine)
  expect(made).toBe(2 * mine.length)
  for (const { notice } of (await list('vendor')).items) expect(notice.leaf).toMatch(/^[0-9a-f]{64}$/)
})

test('who is no depositor, beneficiary or supervisor of the agreement sees nothing', async () => {
  await get('/v1/notices', 'notary').expect(403)
  await get('/v1/notices', 'agent').expect(403)
  const [first] = (await list('vendor')).items
  const answer = await post(`/v1/notices/${first!.notice.notice}/acknowledgement`, 'partner', {})
  expect([answer.status, (answer.body as { code: string }).code]).toEqual([404, 'NOT_FOUND'])
  const foreign = { agreement: 'agr_aaaaaaaaaaaaaaaaaaaa', channel: 'webhook', address: 'https://receiver.example/' }
  await post('/v1/contacts', 'partner', foreign).expect(404)
})

test('an acknowledgement is kept with its time, and the first one counts', async () => {
  const [first] = (await list('partner')).items
  const path = `/v1/notices/${first!.notice.notice}/acknowledgement`
  const { body } = await post(path, 'partner', {}).expect(200)
  const at = (body as { acknowledgedAt: string }).acknowledgedAt
  service.clock.advance(hourMs)
  expect((await post(path, 'partner', {}).expect(200)).body).toMatchObject({ acknowledgedAt: at })
  const open = (await list('partner', '&open=true')).items.map(({ notice }) => notice.notice)
  expect(open).not.toContain(first!.notice.notice)
  expect(open).toHaveLength((await list('partner')).items.length - 1)
})

test('a webhook gets each notice under a signature of the agent, and no stranger or replay is believed', async () => {
  const address = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/in`
  await post('/v1/contacts', 'partner', { agreement: agreed.id, channel: 'webhook', address }).expect(200)
  await post('/v1/contacts', 'partner', { agreement: agreed.id, channel: 'webhook', address: 'https://169.254.169.254/' }).expect(422)
  await post('/v1/contacts', 'partner', { agreement: agreed.id, channel: 'email', address: 'a@b.example' }).expect(422)
  service.clock.advance(dayMs)
  repository.addCommits('refs/heads/main', 1)
  await service.mirror(agreed, 'core')
  await service.publish()
  await service.get(AnnounceEvents).run()
  expect(await service.get(DeliverNotices).run()).toEqual({ delivered: 1, failed: 0, givenUp: 0 })
  const [sent] = received
  expect(Notice.parse(JSON.parse(sent!.body))).toMatchObject({
    event: 'deposit-stored',
    report: 'passed',
    party: 'partner',
    subject: 'core',
  })
  const agent = agreed.signed.body.parties.find(({ role }) => role === 'agent')?.keys[0]
  const believe =
    (body: string, signed: NoticeSignature, now: Date, agentKey = agent?.publicKey ?? '') =>
    () =>
      verifyNotice(body, signed, { agentKey, now })
  const now = service.clock.now()
  const vendor = service.party('vendor').card.keys[0]?.publicKey ?? ''
  expect(believe(sent!.body, sent!.signed, now)).not.toThrow()
  expect(believe(`${sent!.body} `, sent!.signed, now)).toThrow('not signed')
  expect(believe(sent!.body, { ...sent!.signed, id: 'ntc_bbbbbbbbbbbbbbbbbbbb' }, now)).toThrow('not signed')
  expect(believe(sent!.body, { ...sent!.signed, timestamp: String(Number(sent!.signed.timestamp) + 1) }, now)).toThrow('not signed')
  expect(believe(sent!.body, sent!.signed, now, vendor)).toThrow('not signed')
  expect(believe(sent!.body, sent!.signed, new Date(now.getTime() + hourMs))).toThrow('within')
})

test('a receiver that fails gets the notice again after longer and longer pauses, until it takes it', async () => {
  received.length = 0
  status = 500
  service.clock.advance(dayMs)
  await service.mirror(agreed, 'core')
  await service.publish()
  await service.get(AnnounceEvents).run()
  const deliver = service.get(DeliverNotices)
  expect(await deliver.run()).toEqual({ delivered: 0, failed: 1, givenUp: 0 })
  expect(await deliver.run()).toEqual({ delivered: 0, failed: 0, givenUp: 0 })
  service.clock.advance(61_000)
  expect(await deliver.run()).toEqual({ delivered: 0, failed: 1, givenUp: 0 })
  service.clock.advance(61_000)
  expect(await deliver.run()).toEqual({ delivered: 0, failed: 0, givenUp: 0 })
  status = 200
  service.clock.advance(61_000)
  expect(await deliver.run()).toEqual({ delivered: 1, failed: 0, givenUp: 0 })
  expect(received).toHaveLength(1)
  const [newest] = (await list('partner')).items
  expect(newest?.deliveries).toEqual([expect.objectContaining({ state: 'delivered', attempts: 3 })])
})

test('a deposit that does not come is told of at a tenth and half of its time, and as not received at its end', async () => {
  await service.get(AnnounceEvents).run()
  const before = (await list('vendor')).items.length
  const late = service.get(WarnLate)
  expect(await late.run()).toBe(0)
  // Little more than an hour of the next period's twelve is over.
  service.clock.advance(dayMs)
  expect([await late.run(), await late.run()]).toEqual([0, 0])
  service.clock.advance(hourMs)
  expect([await late.run(), await late.run()]).toEqual([1, 0])
  service.clock.advance(5 * hourMs)
  expect([await late.run(), await late.run()]).toEqual([1, 0])
  service.clock.advance(6 * hourMs)
  expect(await late.run()).toBe(0)
  await service.get(RecordMissed).run()
  await service.publish()
  await service.get(AnnounceEvents).run()
  const news = (await list('vendor')).items
    .slice(0, -before)
    .map(({ notice }) => [notice.event, notice.report, notice.facts['percent'] ?? null])
  expect(news).toEqual([
    ['deposit-missed', 'not-received', null],
    ['deposit-late', null, 50],
    ['deposit-late', null, 10],
  ])
})
