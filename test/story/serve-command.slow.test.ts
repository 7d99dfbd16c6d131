// `escrow serve` as an operator runs it: tokens are made, the service answers, an interrupt lets it end its work.
import { mkdtempSync, mkdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { escrow } from '../doubles/escrow-command.js'
import { serving } from '../doubles/serving.js'
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

test('a token is written once, listed without its secret, used, and revoked', async () => {
  const file = join(folder, 'agent.token')
  const card = join(home, 'keys', 'party.json')
  const created = await escrow(['token', 'create', card, '--label', 'prometheus', '--days', '2', '--out', file, '--home', home])
  expect(created.exitCode, created.text).toBe(0)
  const token = readFileSync(file, 'utf8').trim()
  expect(statSync(file).mode & 0o777).toBe(0o600)
  const ask = (url: string) => fetch(`${url}/metrics`, { headers: { authorization: `Bearer ${token}` } })
  expect(await serving(home, async (url) => expect((await ask(url)).status).toBe(200))).toBe(0)

  const listed = await escrow(['token', 'list', '--home', home])
  expect(listed.text).toMatch(/agent prometheus: expires .* last used/)
  for (const { text } of [created, listed]) expect(text).not.toContain(token.split('.')[1])
  const [id = ''] = token.split('.')
  expect((await escrow(['token', 'revoke', id, '--home', home])).exitCode).toBe(0)
  expect((await escrow(['token', 'revoke', `tok_${'a'.repeat(20)}`, '--home', home])).exitCode).toBe(2)
  expect(await serving(home, async (url) => expect((await ask(url)).status).toBe(401))).toBe(0)
})

test('an interrupt ends a service on whose connections nothing moves', async () => {
  const ended = await serving(
    home,
    async (url) => {
      const { port, hostname } = new URL(url)
      const idle = connect(Number(port), hostname)
      await new Promise((resolve) => idle.once('connect', resolve))
      idle.on('error', () => undefined)
      await fetch(`${url}/health/live`, { keepalive: true })
    },
    'all',
  )
  expect(ended).toBe(0)
})
