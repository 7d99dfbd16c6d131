// What a webhook of a stranger can make this service do: take one POST, and nothing else.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { parseMailAddress, sendMail } from '../../../src/notice/mail.js'
import { parseWebhookUrl, sendWebhook, type SentNotice, type WebhookRules } from '../../../src/notice/webhook.js'
import { MailServer } from '../../doubles/mail-server.js'

const open = { allowHttp: true, allowPrivateAddresses: true, allowLocalPaths: false }
const closed = { allowHttp: false, allowPrivateAddresses: false, allowLocalPaths: true }
const how: WebhookRules = { rules: open, timeoutMs: 2000, version: '0' }
const body = JSON.stringify({ event: 'deposit-stored', report: 'passed', subject: 'core', facts: {}, notice: 'ntc_1', origin: 'x' })
const notice: SentNotice = { body, signed: { id: 'ntc_aaaaaaaaaaaaaaaaaaaa', timestamp: '1', signature: 'v1a,x' } }

let server: Server
let port: number
const seen: { readonly path: string; readonly body: string; readonly headers: IncomingMessage['headers'] }[] = []
let answer: (response: ServerResponse) => void

beforeAll(async () => {
  server = createServer((request, response) => {
    const blocks: Buffer[] = []
    request.on('data', (block: Buffer) => blocks.push(block))
    request.on('end', () => {
      seen.push({ path: request.url ?? '', body: Buffer.concat(blocks).toString(), headers: request.headers })
      answer(response)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  port = (server.address() as AddressInfo).port
})
afterAll(() => new Promise((resolve) => (server.closeAllConnections(), server.close(resolve))))
beforeEach(() => {
  seen.length = 0
  answer = (response) => void response.writeHead(204).end()
})

const failure = (work: Promise<unknown>) =>
  work.then(
    () => 'none',
    (error: { readonly code: string }) => error.code,
  )

test('a receiver gets the notice as it was signed, with its id, time and signature', async () => {
  await sendWebhook(`http://127.0.0.1:${port}/in?of=me`, notice, how)
  expect(seen).toEqual([
    expect.objectContaining({
      path: '/in?of=me',
      body,
      headers: expect.objectContaining({
        'webhook-id': notice.signed.id,
        'webhook-timestamp': '1',
        'webhook-signature': 'v1a,x',
      }) as object,
    }),
  ])
})

test.for([300, 301, 307, 400, 410, 500])('a receiver that answers %i has not taken it, and is not followed', async (status) => {
  answer = (response) => void response.writeHead(status, { location: `http://127.0.0.1:${port}/elsewhere` }).end()
  expect(await failure(sendWebhook(`http://127.0.0.1:${port}/`, notice, how))).toBe('NOTICE_REFUSED')
  expect(seen).toHaveLength(1)
})

test('a receiver that hangs is cut, and one that answers for ever is not listened to', async () => {
  answer = () => undefined
  expect(await failure(sendWebhook(`http://127.0.0.1:${port}/`, notice, { ...how, timeoutMs: 100 }))).toBe('NOTICE_UNDELIVERED')
  answer = (response) => {
    response.writeHead(200)
    const timer = setInterval(() => response.write('x'.repeat(1000)), 1)
    response.on('close', () => clearInterval(timer))
    response.on('error', () => undefined)
  }
  await sendWebhook(`http://127.0.0.1:${port}/`, notice, how)
})

test('nobody is reached at an inner address, whether it is written out or comes from a name', async () => {
  const strict = { ...how, rules: { ...open, allowPrivateAddresses: false } }
  expect(await failure(sendWebhook(`http://127.0.0.1:${port}/`, notice, strict))).toBe('CONTACT_INVALID')
  const inner = { ...strict, resolver: async () => ['127.0.0.1'] }
  expect(await failure(sendWebhook(`http://receiver.example:${port}/`, notice, inner))).toBe('REMOTE_ADDRESS_REFUSED')
  const both = { ...how, resolver: async () => ['127.0.0.1', '169.254.169.254'] }
  expect(await failure(sendWebhook(`http://receiver.example:${port}/`, notice, both))).toBe('REMOTE_ADDRESS_REFUSED')
  expect(seen).toEqual([])
})

test('a name that means something else a moment later is connected to as it was judged', async () => {
  let asked = 0
  const rebinding = { ...how, resolver: async () => ((asked += 1), asked === 1 ? ['127.0.0.1'] : ['169.254.169.254']) }
  await sendWebhook(`http://receiver.example:${port}/`, notice, rebinding)
  expect([asked, seen.length]).toEqual([1, 1])
})

test.for([
  'http://receiver.example/',
  'ftp://receiver.example/',
  '/etc/passwd',
  'file:///etc/passwd',
  'https://user:secret@receiver.example/',
  'https://169.254.169.254/latest',
  'https://[::1]/',
  'https://10.0.0.1/',
  'https://receiver.example/#x',
  'https://receiver.example/\r\nx-more: 1',
  'javascript:alert(1)',
  '',
  `https://receiver.example/${'a'.repeat(3000)}`,
])('%s is no receiver', (text) => {
  expect(() => parseWebhookUrl(text, closed)).toThrow(expect.objectContaining({ code: 'CONTACT_INVALID' }) as Error)
})

test('a mail server gets one message to one address, with words for a person and the notice for a machine', async () => {
  const mail = await MailServer.open()
  try {
    const rules = { url: mail.url, from: 'escrow@escrow.example', timeoutMs: 2000 }
    await sendMail('legal@partner.example', notice, rules)
    const [got] = mail.got
    expect([got?.from, got?.to]).toEqual(['MAIL FROM:<escrow@escrow.example>', 'RCPT TO:<legal@partner.example>'])
    expect(got?.text).toContain('Subject: [escrow] passed: core')
    expect(got?.text.toLowerCase()).toContain('auto-submitted: auto-generated')
    expect(got?.text.replaceAll('\r\n', '')).toContain(Buffer.from(body).toString('base64').slice(0, 60))
    mail.recipient = '550 no such user'
    expect(await failure(sendMail('nobody@partner.example', notice, rules))).toBe('NOTICE_REFUSED')
  } finally {
    await mail.close()
  }
  expect(await failure(sendMail('a@b.example', notice, { url: 'smtp://127.0.0.1:1', from: 'a@b.example', timeoutMs: 500 }))).toBe(
    'NOTICE_UNDELIVERED',
  )
})

test.for([
  '',
  'a',
  'a@b',
  'a@b.example,c@d.example',
  'a@b.example\r\nBcc: x@y.example',
  '"a b"@c.example',
  'Name <a@b.example>',
  `${'a'.repeat(250)}@b.example`,
])('%j is no address', (text) => {
  expect(() => parseMailAddress(text)).toThrow(expect.objectContaining({ code: 'CONTACT_INVALID' }) as Error)
})

test('a password is not told to a mail server that offers no TLS', async () => {
  const mail = await MailServer.open()
  try {
    const url = mail.url.replace('//', '//escrow:secret@').replace('?ignoreTLS=true', '')
    expect(await failure(sendMail('legal@partner.example', notice, { url, from: 'escrow@escrow.example', timeoutMs: 2000 }))).toMatch(
      /^NOTICE_/,
    )
    expect([mail.heard.some((line) => line.startsWith('STARTTLS')), mail.heard.some((line) => line.startsWith('AUTH'))]).toEqual([
      true,
      false,
    ])
  } finally {
    await mail.close()
  }
})
