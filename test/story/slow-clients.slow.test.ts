// Clients that hold on to a connection without using it: headers and bodies that come a byte at a time, answers that nobody reads. Each is
// cut when its limit is over, and whoever else asks is served meanwhile. The limits are shorter here than in a service that runs.
import type { NestExpressApplication } from '@nestjs/platform-express'
import { createCipheriv } from 'node:crypto'
import { connect, type Socket } from 'node:net'
import { setTimeout as wait } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { listen, type ListeningServer } from '../../src/http-app.module.js'
import { limitPatience } from '../../src/http/configure-server.js'
import { signedDocumentType } from '../../src/http/media-type.js'
import { usualPatience } from '../../src/http/patience.js'
import { HttpHouse } from '../doubles/http-house.js'
import { pushBody } from '../doubles/push-client.js'

/** Short ones count only once everything is prepared: nobody then is to be slow. */
const patience = { ...usualPatience, checkEveryMs: 100 }
const short = { headersMs: 600, bodyMs: 600, pushNamesMs: 600, pushMs: 2000, idleMs: 3000 }
/** More than the kernel buffers for one connection. */
const largeBytes = 24 * 2 ** 20
const pauseMs = 30
/** The longest limit, and again as much for a busy machine. */
const cutWithinMs = 20_000

let house: HttpHouse
let served: ListeningServer
let download: string

beforeAll(async () => {
  house = await HttpHouse.open({ server: { patience }, sources: [{ source: 'pushed' }] })
  const incompressible = createCipheriv('aes-128-ctr', Buffer.alloc(16), Buffer.alloc(16)).update(Buffer.alloc(largeBytes))
  house.git.addRefs(['refs/tags/large'], house.git.writeRaw('blob', incompressible))
  await house.service.mirror(house.agreed, 'product')
  await house.service.publish()
  const { request } = await house.release()
  const partner = await house.as('partner')
  const { objects } = await partner.json<{ objects: { key: string; sizeBytes: number }[] }>(`/v1/grants/${request}`)
  const [largest] = objects.toSorted((left, right) => right.sizeBytes - left.sizeBytes)
  download = `/v1/grants/${request}/objects/${largest!.key}`
  const app = house.service.app as NestExpressApplication
  Object.assign(patience, short)
  limitPatience(app, patience)
  served = await listen(app)
}, 300_000)
afterAll(async () => {
  await served?.close()
  await house?.close()
})

interface SlowClient {
  readonly socket: Socket
  /** What it was told until it was cut, and after how long that was. */
  readonly cut: Promise<{ readonly told: string; readonly afterMs: number }>
}

/** Somebody on a bare connection, who says this first. */
function slowClient(...head: readonly string[]): SlowClient {
  const { port, hostname } = new URL(served.url)
  const socket = connect(Number(port), hostname)
  const startedAt = performance.now()
  let told = ''
  socket.on('data', (block: Buffer) => (told += block.toString('latin1')))
  // A server that closes while we write resets the connection.
  socket.on('error', () => undefined)
  const cut = new Promise<Awaited<SlowClient['cut']>>((resolve) => {
    socket.once('close', () => resolve({ told, afterMs: performance.now() - startedAt }))
  })
  socket.write(head.join('\r\n'))
  return { socket, cut }
}

/** Say something again and again, faster than any limit, until one is cut. */
async function drip({ socket, cut }: SlowClient, words: string): Promise<void> {
  const over = cut.then(() => true)
  while (!(await Promise.race([over, wait(pauseMs, false)]))) socket.write(words)
}

/** Everybody else is answered until the slow one is cut. @returns how often */
async function servedUntil(cut: Promise<unknown>): Promise<number> {
  const partner = await house.as('partner')
  const over = cut.then(() => true)
  let answers = 0
  for (const end = Date.now() + cutWithinMs; !(await Promise.race([over, wait(pauseMs, false)])); answers += 1) {
    expect(Date.now(), 'it is cut').toBeLessThan(end)
    const answer = await fetch(`${served.url}/v1/agreements`, { headers: { authorization: `Bearer ${partner.token}` } })
    expect([answer.status, ((await answer.json()) as { items: unknown[] }).items.length]).toEqual([200, 1])
  }
  return answers
}

test('headers that come a line at a time', async () => {
  const slow = slowClient('GET /v1/agreements HTTP/1.1', 'host: x', '')
  const [answers] = await Promise.all([servedUntil(slow.cut), drip(slow, 'x-more: 1\r\n')])
  const { told, afterMs } = await slow.cut
  expect(told).toMatch(/^HTTP\/1\.1 408 /)
  expect(afterMs).toBeGreaterThan(patience.headersMs / 2)
  expect(answers).toBeGreaterThan(1)
})

test('a body that comes a byte at a time', async () => {
  const { token } = await house.as('partner')
  const headers = [`authorization: Bearer ${token}`, 'idempotency-key: a-slow-client-of-ours', `content-type: ${signedDocumentType}`]
  const slow = slowClient('POST /v1/statements HTTP/1.1', 'host: x', ...headers, 'content-length: 100000', '', '{')
  const [answers] = await Promise.all([servedUntil(slow.cut), drip(slow, ' ')])
  const { told, afterMs } = await slow.cut
  expect(told).not.toMatch(/^HTTP\/1\.1 2/)
  expect(afterMs).toBeGreaterThan(patience.bodyMs / 2)
  expect(answers).toBeGreaterThan(1)
})

/** Somebody who begins to push. */
async function slowPush(body: string): Promise<SlowClient> {
  const { token } = await house.as('vendor')
  const authorization = `authorization: Basic ${Buffer.from(`ci:${token}`).toString('base64')}`
  const headers = [authorization, 'content-type: application/x-git-receive-pack-request', 'content-length: 10000000', '']
  return slowClient(`POST /git/${house.agreed.id}/pushed.git/git-receive-pack HTTP/1.1`, 'host: x', ...headers, body)
}

test('names before a pack that come a byte at a time', async () => {
  const slow = await slowPush('fff0')
  const [answers] = await Promise.all([servedUntil(slow.cut), drip(slow, 'a')])
  const { told, afterMs } = await slow.cut
  expect(told).toBe('')
  expect(afterMs).toBeGreaterThan(patience.pushNamesMs / 2)
  expect(answers).toBeGreaterThan(1)
})

test('a pack that comes a byte at a time, also when it was refused long before its end', async () => {
  const commands = [`${'0'.repeat(40)} ${'a'.repeat(40)} refs/heads/main`]
  const header = Buffer.from('PACK\0\0\0\x02\0\0\0\x01\x3f')
  for (const pack of [header, Buffer.from('PUCK')]) {
    const slow = await slowPush(pushBody(commands, pack).toString('latin1'))
    const [answers] = await Promise.all([servedUntil(slow.cut), drip(slow, '\0')])
    const { told, afterMs } = await slow.cut
    expect(told).not.toContain('ok refs/heads/main')
    expect(afterMs).toBeGreaterThan(patience.pushMs / 2)
    expect(answers).toBeGreaterThan(1)
  }
})

/** Until the service has said of a path that its connection was lost. */
async function lost(path: string): Promise<void> {
  while (!house.lines.some((line) => line.includes(`"path":"${path}"`) && line.includes('connection lost'))) await wait(pauseMs)
}

test.for(['a download', 'answers'] as const)('%s that nobody reads', async (what) => {
  const { token } = await house.as('partner')
  const path = what === 'a download' ? download : '/docs/swagger-ui-bundle.js'
  const asked = [`GET ${path} HTTP/1.1`, 'host: x', `authorization: Bearer ${token}`, '', '']
  const slow = slowClient(...Array.from({ length: what === 'a download' ? 1 : 30 }, () => asked.join('\r\n')))
  slow.socket.pause()
  expect(await servedUntil(lost(path))).toBeGreaterThan(1)
  slow.socket.resume()
  const { told } = await slow.cut
  expect(told).toMatch(/^HTTP\/1\.1 200 /)
  expect(told.length).toBeLessThan(largeBytes)
})
