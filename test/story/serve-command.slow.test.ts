// `escrow serve` as an operator runs it: tokens are made, the service answers, an interrupt lets it end its work.
import { mkdtempSync, mkdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { runEscrow } from '../../src/cli/program.js'
import { escrow } from '../doubles/service-home.js'
import { fillDatabaseFolder } from '../doubles/test-database.js'

let folder: string
let home: string

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'reduit-serve-'))
  home = join(folder, 'home')
  mkdirSync(home, { mode: 0o700 })
  await fillDatabaseFolder(join(home, 'db'))
  expect((await escrow(['init', '--origin', 'test.example/1', '--home', home])).text).toContain('log')
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** Run `serve` on any free port until `work` is done with its address; then interrupt it. */
async function serving(work: (url: string) => Promise<void>): Promise<number> {
  const stop = new AbortController()
  let found: (url: string) => void = () => undefined
  const url = new Promise<string>((resolve) => (found = resolve))
  const err = (line: string) => {
    const [, address] = /service +(http:\S+)/.exec(line) ?? []
    if (address !== undefined) found(address)
  }
  const terminal = { out: () => undefined, err, redraw: () => undefined, interactive: false }
  process.env['ESCROW_HTTP_PORT'] = '0'
  const running = runEscrow(['serve', '--home', home], terminal, stop.signal)
  delete process.env['ESCROW_HTTP_PORT']
  await work(await Promise.race([url, running.then((code) => Promise.reject(new Error(`serve ended with ${code}`)))]))
  stop.abort()
  return running
}

test('a token is written once, listed without its secret, used, and revoked', async () => {
  const file = join(folder, 'agent.token')
  const card = join(home, 'keys', 'party.json')
  const created = await escrow(['token', 'create', card, '--label', 'prometheus', '--days', '2', '--out', file, '--home', home])
  expect(created.exitCode, created.text).toBe(0)
  const token = readFileSync(file, 'utf8').trim()
  expect(statSync(file).mode & 0o777).toBe(0o600)
  const ask = (url: string) => fetch(`${url}/metrics`, { headers: { authorization: `Bearer ${token}` } })
  expect(await serving(async (url) => expect((await ask(url)).status).toBe(200))).toBe(0)

  const listed = await escrow(['token', 'list', '--home', home])
  expect(listed.text).toMatch(/agent prometheus: expires .* last used/)
  for (const { text } of [created, listed]) expect(text).not.toContain(token.split('.')[1])
  const [id = ''] = token.split('.')
  expect((await escrow(['token', 'revoke', id, '--home', home])).exitCode).toBe(0)
  expect((await escrow(['token', 'revoke', `tok_${'a'.repeat(20)}`, '--home', home])).exitCode).toBe(2)
  expect(await serving(async (url) => expect((await ask(url)).status).toBe(401))).toBe(0)
})

test('an interrupt ends a service on whose connections nothing moves', async () => {
  const ended = await serving(async (url) => {
    const { port, hostname } = new URL(url)
    const idle = connect(Number(port), hostname)
    await new Promise((resolve) => idle.once('connect', resolve))
    idle.on('error', () => undefined)
    await fetch(`${url}/health/live`, { keepalive: true })
  })
  expect(ended).toBe(0)
})
