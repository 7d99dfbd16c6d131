// Notices by e-mail through a real mail server, over TLS and with a password; another program's parser reads what came.
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Notice, verifyNotice } from '../../src/format/notice.js'
import { AnnounceEvents } from '../../src/notice/announce-events.js'
import { DeliverNotices } from '../../src/notice/deliver-notices.js'
import { sendMail } from '../../src/notice/mail.js'
import { GitFixture } from '../doubles/git-fixture.js'
import { HttpCaller } from '../doubles/http-caller.js'
import { ServiceFixture, type AgreedUpon } from '../doubles/service-fixture.js'
import { dayMs } from '../doubles/moments.js'
import { serviceAddress } from '../services/addresses.js'

/** A message as `test/services/mail.py` took it. */
interface Mail {
  readonly tls: boolean
  readonly login: string | null
  readonly from: string
  readonly to: readonly string[]
  readonly headers: Readonly<Record<string, string>>
  readonly defects: readonly string[]
  readonly text: string
  readonly attachments: readonly { readonly name: string; readonly type: string; readonly content: string }[]
}

const from = 'escrow@escrow.example'
let folder: string
let service: ServiceFixture
let repository: GitFixture
let agreed: AgreedUpon
let read = 0

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'reduit-mail-'))
  writeFileSync(join(folder, 'smtp-url'), `${serviceAddress('smtp')}\n`)
  read = readdirSync(serviceAddress('mailFolder')).length
  repository = new GitFixture()
  repository.addCommits('refs/heads/main', 2)
  const notices = { smtpUrlFile: join(folder, 'smtp-url'), from }
  service = await ServiceFixture.open({ notices, parties: [['ministry', 'supervisor', 'CH']], server: { log: () => undefined } })
  agreed = await service.agree([{ source: 'core', url: repository.path }])
  for (const party of ['vendor', 'partner', 'ministry']) await contact(party, `${party}@${party}.example`)
})
afterAll(async () => {
  await service?.close()
  repository?.remove()
  rmSync(folder, { recursive: true, force: true })
})

async function contact(party: string, address: string): Promise<void> {
  const caller = await HttpCaller.as(service.app, service.party(party).card)
  const { status, text } = await caller.post('/v1/contacts', { agreement: agreed.id, channel: 'email', address })
  expect(status, text).toBe(200)
}

/** What has come since this was asked last, by receiver. */
function arrived(): readonly Mail[] {
  const place = serviceAddress('mailFolder')
  const names = readdirSync(place).sort().slice(read)
  read += names.length
  const mails = names.map((name) => JSON.parse(readFileSync(join(place, name), 'utf8')) as Mail)
  return mails.sort((left, right) => left.to.join().localeCompare(right.to.join()))
}

async function deposit(): Promise<void> {
  service.clock.advance(dayMs)
  repository.addCommits('refs/heads/main', 1)
  await service.mirror(agreed, 'core')
  await service.publish()
  await service.get(AnnounceEvents).run()
}

test('depositor, beneficiary and supervisor each get a deposit in words, and as a machine can check it', async () => {
  await deposit()
  await service.get(DeliverNotices).run()
  const mails = arrived().filter(({ headers }) => headers['subject']?.includes('passed'))
  expect(mails.map(({ to }) => to)).toEqual([['ministry@ministry.example'], ['partner@partner.example'], ['vendor@vendor.example']])
  const agentKey = agreed.signed.body.parties.find(({ role }) => role === 'agent')?.keys[0]?.publicKey ?? ''
  for (const mail of mails) {
    expect(mail).toMatchObject({ tls: true, login: 'escrow', from, defects: [] })
    expect(mail.headers).toMatchObject({ subject: '[escrow] passed: core', from, 'auto-submitted': 'auto-generated' })
    expect(mail.text).toMatch(/What happened: +deposit stored\r?\n[^]*Agreement: +agr_/)
    const [attached] = mail.attachments
    expect([mail.attachments.length, attached?.name, attached?.type]).toEqual([1, 'notice.json', 'application/json'])
    const header = (name: string) => mail.headers[`webhook-${name}`] ?? ''
    const signed = { id: header('id'), timestamp: header('timestamp'), signature: header('signature') }
    verifyNotice(attached?.content ?? '', signed, { agentKey, now: service.clock.now() })
    expect(Notice.parse(JSON.parse(attached?.content ?? ''))).toMatchObject({ event: 'deposit-stored', report: 'passed', subject: 'core' })
  }
})

test('a mail server that puts us off gets the notice again, and nobody gets it twice', async () => {
  await contact('partner', 'later@partner.example')
  await contact('partner', 'nobody@partner.example')
  arrived()
  await deposit()
  expect(await service.get(DeliverNotices).run()).toMatchObject({ delivered: 3, failed: 2 })
  expect(arrived()).toHaveLength(3)
  service.clock.advance(61_000)
  expect(await service.get(DeliverNotices).run()).toMatchObject({ delivered: 1, failed: 1 })
  expect(arrived().map(({ to }) => to)).toEqual([['later@partner.example']])
})

test.for([
  ['a wrong password', { password: 'wrong' }, 'NOTICE_REFUSED'],
  ['no password', { username: '', password: '' }, 'NOTICE_REFUSED'],
  ['a certificate of somebody else', { search: '?tls.servername=other.example' }, 'NOTICE_UNDELIVERED'],
  ['nobody who listens', { port: '1' }, 'NOTICE_UNDELIVERED'],
] as const)('%s: nothing is delivered, and it is said', async ([, change, code]) => {
  const url = Object.assign(new URL(serviceAddress('smtp')), change)
  const notice = { event: 'deposit-stored', report: 'passed', subject: 'core', facts: {}, notice: 'ntc_1', origin: 'x' }
  const sent = { body: JSON.stringify(notice), signed: { id: 'ntc_aaaaaaaaaaaaaaaaaaaa', timestamp: '1', signature: 'v1a,x' } }
  await expect(sendMail('legal@partner.example', sent, { url: url.href, from, timeoutMs: 10_000 })).rejects.toMatchObject({ code })
  expect(arrived()).toEqual([])
})
