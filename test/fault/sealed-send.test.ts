// What a service may do to a depositor that sends a sealed deposit: nothing it says keeps the depositor for ever, or takes its token elsewhere.
import { mkdir, mkdtemp, rm, truncate, writeFile } from 'node:fs/promises'
import { createServer, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, expect, test, vi } from 'vitest'
import { isSpent, sendDeposit } from '../../src/cli/holder/deposit/holder-send.js'
import { sendAhead } from '../../src/cli/holder/deposit/send-ahead.js'
import { aheadPieceBytes } from '../../src/core/limits.js'
import { AgreementId } from '../../src/format/ids.js'
import { GrowingFile } from '../../src/store/growing-file.js'
import { objectKeys } from '../../src/store/object-key.js'

const attempt = 'a'.repeat(20)
let folder = ''
let server: Server
let url = ''
const asked: string[] = []
let answerWith: (path: string, response: ServerResponse) => void = () => undefined

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'escrow-send-'))
  const place = join(folder, 'out/agreements/agr_x/sources/product/0000000001-full')
  await mkdir(place, { recursive: true })
  await writeFile(join(place, `${attempt}.bundle.age`), Buffer.alloc(1000))
  await writeFile(join(place, 'manifest.json'), '{}')
  await writeFile(join(folder, 'token'), `tok_${attempt}.${'A'.repeat(43)}`)
  server = createServer((request, response) => {
    asked.push(`${request.method} ${request.url}`)
    request.resume().on('end', () => answerWith(request.url ?? '', response))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
})
beforeEach(() => asked.splice(0))
afterAll(async () => {
  server.closeAllConnections()
  server.close()
  await rm(folder, { recursive: true })
})

const send = (to = url) =>
  sendDeposit({ url: to, tokenFile: join(folder, 'token'), folder: join(folder, 'out') }, AbortSignal.timeout(20_000))
const say = (response: ServerResponse, body: unknown, status = 200) => {
  response.writeHead(status, { 'content-type': 'application/json' })
  response.end(typeof body === 'string' ? body : JSON.stringify(body))
}

test('a service that goes back to the same byte for ever is left', async () => {
  answerWith = (path, response) => say(response, path.includes('/files/') ? { sizeBytes: 0 } : { files: [] })
  await expect(send()).rejects.toMatchObject({ code: 'REMOTE_PROTOCOL' })
  expect(asked.length).toBeLessThan(12)
})

test('what has arrived is not sent again', async () => {
  const key = `agreements/agr_x/sources/product/0000000001-full/${attempt}.bundle.age`
  const taken = { depositId: 'dep_x', sequence: 1, accepted: Buffer.from('word').toString('base64'), receipt: null }
  answerWith = (path, response) =>
    say(response, path.includes('/files/') ? { sizeBytes: 2 } : path.endsWith('/received') ? taken : { files: [{ key, sizeBytes: 1000 }] })
  const sent = await send()
  expect([sent.sequence, Buffer.from(sent.accepted).toString()]).toEqual([1, 'word'])
  expect(asked.filter((line) => line.includes('/files/'))).toEqual([
    `POST /v1/agreements/agr_x/sources/product/offers/${attempt}/files/0000000001-full/manifest.json?offset=0`,
  ])
})

test.for([
  ['is a page', '<html>', 200, 'REMOTE_PROTOCOL'],
  ['is another', { files: 'none' }, 200, 'REMOTE_PROTOCOL'],
  ['never ends', 'x'.repeat(17 * 1024 * 1024), 200, 'REMOTE_PROTOCOL'],
  ['refuses without a word', '', 403, 'REMOTE_REFUSED'],
] as const)('an answer that %s is refused', async ([, body, status, code]) => {
  answerWith = (_, response) => say(response, body, status)
  await expect(send()).rejects.toMatchObject({ code })
})

test('only words about the deposit itself make it worthless', async () => {
  for (const [code, spent] of [
    ['DEPOSIT_STATE', true],
    ['SIGNATURE_INVALID', true],
    ['ROLE_REFUSED', false],
    ['NOT_FOUND', false],
    ['VAULT_NOT_ARMED', false],
    ['OFFERS_TOO_MANY', false],
  ] as const) {
    answerWith = (_, response) => say(response, { code, detail: 'no' }, 409)
    const error: unknown = await send().catch((thrown: unknown) => thrown)
    expect(isSpent(error), code).toBe(spent)
  }
})

test.for(['ftp://escrow.example', 'https://ci:token@escrow.example', 'escrow.example'])('%s is no address of a service', async (to) => {
  await expect(send(to)).rejects.toMatchObject({ code: 'ARGUMENT_INVALID' })
})

const growing = async () => {
  const path = join(folder, 'bundle.age')
  await writeFile(path, '')
  await truncate(path, aheadPieceBytes + 1000)
  const place = { agreement: AgreementId.parse(`agr_${attempt}`), source: 'product', sequence: 1, kind: 'full' } as const
  const file = new GrowingFile(path)
  const stop = new AbortController()
  const sent = sendAhead({ url, tokenFile: join(folder, 'token') }, objectKeys.bundle(place, attempt), file, stop.signal)
  return { file, stop, sent }
}
const offsets = () => asked.map((line) => Number(/[?]offset=(\d+)$/.exec(line)?.[1]))
/** A service that takes whatever comes. */
const takeAll = () => {
  let sizeBytes = 0
  answerWith = (path, response) => {
    sizeBytes = Number(/offset=(\d+)$/.exec(path)?.[1]) + (sizeBytes === 0 ? aheadPieceBytes : 1000)
    say(response, { sizeBytes })
  }
}

test('an envelope is sent while it is being sealed, whole pieces first and the rest at its end', async () => {
  takeAll()
  const { file, sent } = await growing()
  file.advance(aheadPieceBytes - 1)
  file.advance(aheadPieceBytes)
  await vi.waitFor(() => expect(offsets()).toEqual([0]))
  file.finish(aheadPieceBytes + 1000)
  await sent
  expect(offsets()).toEqual([0, aheadPieceBytes])
  expect(asked[0]).toMatch(new RegExp(`/offers/${attempt}/files/0000000001-full/${attempt}[.]bundle[.]age[?]`))
})

test.for(['refuses', 'is away'] as const)('a service that %s is not asked twice while a deposit is being sealed', async (how) => {
  answerWith = (_, response) => (how === 'refuses' ? say(response, { code: 'QUOTA_EXCEEDED', detail: 'no' }, 429) : response.destroy())
  const { file, sent } = await growing()
  file.advance(aheadPieceBytes)
  await sent
  expect(offsets()).toEqual([0])
})

test('nothing more is sent of an attempt that was given up', async () => {
  takeAll()
  const { file, stop, sent } = await growing()
  file.advance(aheadPieceBytes)
  await vi.waitFor(() => expect(offsets()).toEqual([0]))
  stop.abort()
  await sent
  file.finish(aheadPieceBytes + 1000)
  expect(offsets()).toEqual([0])
})
