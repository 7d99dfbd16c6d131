// The service as a fleet: two `escrow serve --role worker` and two `--role api`, real processes on one PostgreSQL and one Redis. What is due is
// deposited once whoever takes it, both answer, and one that is stopped amid requests drops none.
import { randomBytes } from 'node:crypto'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { Agent, get } from 'node:http'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { BuiltEscrow, type RunningEscrow } from '../doubles/built-escrow.js'
import { EscrowHome } from '../doubles/escrow-home.js'
import { GitFixture } from '../doubles/git-fixture.js'
import { serviceAddress } from '../services/addresses.js'
import { databaseUrl, emptyRedis, onServer, serverConfiguration } from '../services/on-servers.js'

const names = ['one', 'two', 'three', 'four', 'five', 'six', 'seven', 'eight']
const databaseName = `escrow_fleet_${randomBytes(5).toString('hex')}`
const clients = 20
const running: RunningEscrow[] = []
let built: BuiltEscrow
let repository: GitFixture
let home: EscrowHome
let token: string

/** Folders for replicas: what is tried here is who works, not where it is stored. One deposit at a time, so that both workers get some. */
function configuration(folder: string): string {
  for (const name of ['a', 'b']) mkdirSync(join(folder, 'replicas', name), { recursive: true })
  const secret = (name: string, text: string) => {
    writeFileSync(join(folder, name), text, { mode: 0o600 })
    return join(folder, name)
  }
  const replica = (name: string) => [
    `  - name: ${name}`,
    '    kind: folder',
    `    path: ${join(folder, 'replicas', name)}`,
    '    country: CH',
    '    control: CH',
  ]
  return serverConfiguration({
    databaseUrlFile: secret('database', databaseUrl(databaseName)),
    redisUrlFile: secret('redis', serviceAddress('redis')),
    replicas: [...replica('a'), ...replica('b')],
    more: ['jobs:', '  depositsAtOnce: 1'],
  })
}

beforeAll(async () => {
  built = BuiltEscrow.build()
  repository = new GitFixture()
  repository.addCommits('refs/heads/main', 2)
  await onServer(`create database ${databaseName}`)
  await emptyRedis()
  const sources = names.flatMap((name) => [`  - source: ${name}`, `    url: ${repository.path}`, '    everyHours: 24'])
  home = await EscrowHome.make(sources, { configuration })
  token = readFileSync(await home.token('partner'), 'utf8').trim()
}, 300_000)
afterAll(async () => {
  await Promise.all(running.map((one) => one.end('SIGKILL')))
  await home?.remove()
  repository?.remove()
  built?.remove()
  await onServer(`drop database if exists ${databaseName} with (force)`)
})

async function until(holds: () => boolean | Promise<boolean>, what: () => string): Promise<void> {
  for (const end = Date.now() + 120_000; !(await holds());) {
    if (Date.now() > end) throw new Error(`waited in vain until ${what()}`)
    await new Promise((resolve) => void setTimeout(resolve, 20))
  }
}

/** A process, and its address once it serves. */
async function serve(role: 'api' | 'worker'): Promise<{ readonly process: RunningEscrow; readonly url: string }> {
  const env = { ESCROW_HTTP_PORT: '0', ESCROW_HTTP_REQUESTS_PER_MINUTE: '1000000' }
  const started = built.start(['serve', '--home', home.home, '--role', role], env)
  running.push(started)
  await until(
    () => started.said.includes('/health/ready'),
    () => `it serves: ${started.said}`,
  )
  return { process: started, url: /service +(http:\S+)/.exec(started.said)?.[1] ?? '' }
}

interface Answer {
  readonly status: number
  readonly text: string
}

/** Ask one process. @throws when no answer began: a balancer then asks another. A broken answer is 0. */
function ask(url: string, agent: Agent): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const path = `${url}/v1/agreements`
    get(path, { agent, headers: { authorization: `Bearer ${token}` } }, (response) => {
      let text = ''
      response.on('data', (block: Buffer) => (text += block.toString()))
      response.on('end', () => resolve({ status: response.complete ? (response.statusCode ?? 0) : 0, text }))
      response.on('error', () => resolve({ status: 0, text }))
    }).on('error', reject)
  })
}

test('what is due is deposited once, by both workers, and both apis show it', async () => {
  const [workers, apis] = [await Promise.all([serve('worker'), serve('worker')]), await Promise.all([serve('api'), serve('api')])]
  const deposited = workers.map(
    ({ process }) =>
      () =>
        process.jobs<{ outcome?: string }>('mirror-source', 'job done').filter(({ outcome }) => outcome === 'deposited').length,
  )
  const receipts = () =>
    workers
      .flatMap(({ process }) => process.jobs<{ receipts?: number }>('publish-log', 'job done'))
      .reduce((sum, one) => sum + (one.receipts ?? 0), 0)
  await until(
    () => receipts() >= names.length,
    () => `every deposit has its receipt: ${workers.map(({ process }) => process.said).join('\n')}`,
  )
  const counts = deposited.map((count) => count())
  expect(counts[0]! + counts[1]!).toBe(names.length)
  for (const count of counts) expect(count).toBeGreaterThan(0)
  expect(receipts()).toBe(names.length)
  const agent = new Agent({ keepAlive: true })
  const shown = async (url: string) => {
    const { items } = JSON.parse((await ask(url, agent)).text) as { items: { agreement: string }[] }
    const path = `${url}/v1/agreements/${items[0]?.agreement}/sources`
    const answer = await fetch(path, { headers: { authorization: `Bearer ${token}` } })
    return ((await answer.json()) as { items: { source: string; failures: number; latest: { sequence: number } | null }[] }).items
  }
  const [one, other] = await Promise.all(apis.map(({ url }) => shown(url)))
  agent.destroy()
  expect(other).toEqual(one)
  const expected = names
    .toSorted()
    .map((source) => ({ source, failures: 0, latest: expect.objectContaining({ sequence: 1, kind: 'full' }) as object }))
  expect(one).toMatchObject(expected)
  for (const { process } of [...workers, ...apis]) {
    const ended = await process.end('SIGTERM')
    expect([ended.exitCode, ended.signal], process.said).toEqual([0, null])
  }
}, 400_000)

test('an api that is stopped amid requests drops none', async () => {
  const [stopped, stays] = await Promise.all([serve('api'), serve('api')])
  const agent = new Agent({ keepAlive: true, maxSockets: clients })
  const seen = { whole: 0, elsewhere: 0 }
  const stop = new AbortController()
  /** As a balancer asks: who is refused, or told 503, goes to the other. */
  const one = async () => {
    const first = await ask(stopped.url, agent).catch(() => null)
    if (first !== null && first.status !== 503) {
      expect(first.status, first.text).toBe(200)
      seen.whole += 1
      return
    }
    expect((await ask(stays.url, agent)).status).toBe(200)
    seen.elsewhere += 1
  }
  const client = async () => {
    while (!stop.signal.aborted) await one()
  }
  const all = Promise.all(Array.from({ length: clients }, client))
  await until(
    () => seen.whole > 10 * clients,
    () => 'both are warm',
  )
  expect(seen.elsewhere).toBe(0)
  const ended = await stopped.process.end('SIGTERM')
  const before = seen.elsewhere
  await until(
    () => seen.elsewhere > before + 10 * clients,
    () => 'the other has taken over',
  )
  stop.abort()
  await all
  agent.destroy()
  expect([ended.exitCode, ended.signal], stopped.process.said).toEqual([0, null])
  // Whatever it had begun, it answered: nobody's connection was lost in the middle.
  expect(stopped.process.said).toContain('request answered')
  expect(stopped.process.said).not.toContain('connection lost')
}, 200_000)
