// The command line against a service over HTTP: the words and exit codes that it has on a home folder.
import type { NestExpressApplication } from '@nestjs/platform-express'
import { createServer, type Server } from 'node:http'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { HomeDoor } from '../../src/cli/door/home-door.js'
import { openHttpDoor } from '../../src/cli/service/http-door.js'
import { ReportCompleteness } from '../../src/escrow/deposit/report-completeness.js'
import type { Completeness } from '../../src/format/completeness.js'
import { HttpHouse } from '../doubles/http-house.js'
import { escrow, type Ended } from '../doubles/escrow-command.js'

let house: HttpHouse
let folder: string
let url: string
let agreement: string

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'reduit-remote-'))
  house = await HttpHouse.open({ now: new Date() })
  const app = house.service.app as NestExpressApplication
  await app.listen(0, '127.0.0.1')
  const { port } = app.getHttpServer().address() as { readonly port: number }
  url = `http://127.0.0.1:${port}`
  agreement = join(folder, 'agreement.json')
  writeFileSync(agreement, house.agreed.signed.bytes)
  for (const party of ['agent', 'vendor', 'partner', 'notary', 'university', 'chamber']) {
    writeFileSync(join(folder, `${party}.token`), `${(await house.as(party)).token}\n`)
  }
})
afterAll(async () => {
  await house.close()
  rmSync(folder, { recursive: true, force: true })
})

/** Run a command as a party over the network. */
function as(party: string, ...argv: readonly string[]): Promise<Ended> {
  return escrow([...argv, '--url', url, '--token-file', join(folder, `${party}.token`)])
}

async function must(party: string, ...argv: readonly string[]): Promise<string> {
  const ended = await as(party, ...argv)
  if (ended.exitCode !== 0) throw new Error(`escrow ${argv.join(' ')} as ${party} ended with ${ended.exitCode}: ${ended.text}`)
  return ended.out
}

const keysOf = (party: string) => join(house.service.home, 'parties', party)

test('a release is walked through by commands that never see the home folder', async () => {
  const [request, mailbox] = [join(folder, 'request.json'), join(folder, 'mailbox')]
  const asking = [
    'request',
    '--as',
    keysOf('partner'),
    '--agreement',
    agreement,
    '--condition',
    'insolvent',
    '--grounds',
    'bankrupt',
    '--out',
    request,
  ]
  const said = await must('partner', ...asking)
  const [id = ''] = /req_[a-z2-7]{20}/.exec(said) ?? []
  expect(said).toContain('signed')
  await house.until(id, 'approval')
  await must('notary', 'release', 'publish', '--to', mailbox)
  expect(readdirSync(join(mailbox, id))).toEqual(expect.arrayContaining(['agreement.json', 'request.json', 'log']))
  for (const party of ['notary', 'university', 'chamber']) {
    const vote = ['approve', join(mailbox, id), '--as', keysOf(party), '--agreement', agreement, '--reason', 'complete']
    expect(await must(party, ...vote, '--out', join(folder, `${party}.json`))).toContain(id)
  }
  expect(await must('vendor', 'release', 'show', id)).toMatch(/approval by chamber/)
  await house.until(id, 'releasing')
  const { digest } = await (await house.as('partner')).json<{ digest: string }>(`/v1/release-requests/${id}`)
  for (const party of ['notary', 'university', 'chamber']) {
    const file = join(folder, `${party}-share.json`)
    writeFileSync(file, house.share(party, digest))
    await must(party, 'release', 'record', file)
  }
  await house.until(id, 'released')
  const into = join(folder, 'archive')
  expect(await must('partner', 'download', id, '--into', into)).toMatch(/downloaded +\d+ objects/)
  const again = JSON.parse(await must('partner', 'download', id, '--into', into, '--json')) as { written: number; held: number }
  expect([again.written, again.held > 4]).toEqual([0, true])
  const verified = await escrow(['verify', into, '--agreement', agreement])
  expect(verified.exitCode, verified.text).toBe(0)
  expect((await as('notary', 'download', id, '--into', into)).exitCode).toBe(6)
})

test('a beneficiary sees how complete a deposit is, and the service hands out nothing that others could read', async () => {
  const asking = ['completeness', '--agreement', agreement, '--source', 'product', '--json']
  const report = JSON.parse(await must('partner', ...asking, '--as', keysOf('partner'))) as Completeness
  const key = { agreementId: house.agreed.id, source: 'product' }
  expect(report).toEqual(await house.service.get(ReportCompleteness).run(key, null))
  expect(JSON.parse(await must('vendor', ...asking, '--as', keysOf('vendor'), '--sequence', '1'))).toMatchObject({ sequence: 1 })
  for (const party of ['partner', 'notary'])
    expect(JSON.parse(await must(party, ...asking, '--as', keysOf('notary')))).toMatchObject({ level: report.level, files: null })
  expect((await as('partner', ...asking, '--as', keysOf('partner'), '--sequence', '99')).text).toContain('NOT_FOUND')
  expect((await as('partner', ...asking)).text).toContain('ARGUMENT_INVALID')
})

test('both doors show the same', async () => {
  const home = new HomeDoor(house.service.app, new AbortController().signal)
  const net = openHttpDoor({ url, tokenFile: join(folder, 'agent.token') }, new AbortController().signal)
  expect(await net.releases()).toEqual(await home.releases())
  const [first] = (await home.releases()).requests
  expect(await net.request(first?.request ?? '')).toEqual(await home.request(first?.request ?? ''))
  expect(await net.request('req_none')).toEqual(await home.request('req_none'))
  const own = (door: { agreements(id: string | null): Promise<readonly { signed: { digest: string } }[]> }) =>
    door.agreements(house.agreed.id)
  const [near, far] = [await own(home), await own(net)]
  expect(JSON.parse(JSON.stringify(far))).toEqual(JSON.parse(JSON.stringify(near)))
  await expect(net.agreements('agr_none')).rejects.toMatchObject({ code: 'NOT_FOUND' })
  await expect(home.agreements('agr_none')).rejects.toMatchObject({ code: 'NOT_FOUND' })
  const { receipts: _, ...log } = await home.log()
  expect(await net.log()).toMatchObject(log)
  const files = async (door: typeof net) => {
    const found: [string, string[]][] = []
    for await (const one of door.cases()) found.push([one.folder, one.files.map(({ path }) => path)])
    return found
  }
  expect(await files(net)).toEqual(await files(home))
})

test('showing and explaining', async () => {
  expect(await must('partner', 'agreement', 'show')).toContain(`digest`)
  expect(await must('partner', 'agreement', 'show', house.agreed.id)).toMatch(/source product +pull, active: deposit 1 \(full\)/)
  expect(await must('notary', 'log')).toMatch(/size +\d+ leaves/)
  const missing = await as('partner', 'agreement', 'show', `agr_${'a'.repeat(20)}`)
  expect([missing.exitCode, missing.text]).toEqual([2, expect.stringContaining('NOT_FOUND') as string])
  const forged = join(folder, 'forged.json')
  writeFileSync(forged, house.sign('heartbeat', 'vendor', {}, { key: 'partner' }))
  expect((await as('vendor', 'release', 'record', forged)).exitCode).toBe(6)
})

test('what is wrong with the custody of an agreement is shown to its parties, and to nobody without a token', async () => {
  const health = ['vault', 'health', '--agreement', agreement]
  for (const party of ['agent', 'partner', 'notary']) {
    expect(await as(party, 'vault', 'alarms')).toMatchObject({ exitCode: 0, text: expect.stringContaining('nothing is wrong') as string })
    expect(await as(party, ...health)).toMatchObject({ exitCode: 0, text: expect.stringMatching(/alarms +none/) as string })
  }
  for (const party of ['notary', 'university', 'chamber']) {
    const file = join(folder, `${party}-lost.json`)
    const loss = ['--cause', 'share-lost', '--reason', 'Fire.', '--out', file]
    const signed = await escrow(['unavailable', '--as', keysOf(party), '--agreement', agreement, ...loss])
    expect(signed.exitCode, signed.text).toBe(0)
    await must(party, 'release', 'record', file)
  }
  const alarm = `ALARM ${house.agreed.id}  quorum-impossible`
  for (const party of ['agent', 'partner', 'notary']) {
    const alarmed = await as(party, 'vault', 'alarms')
    expect([alarmed.exitCode, alarmed.text]).toEqual([3, expect.stringContaining(alarm) as string])
    expect(await as(party, ...health)).toMatchObject({ exitCode: 3, out: alarmed.out })
    const { alarms } = JSON.parse((await as(party, ...health, '--json')).out) as { alarms: { agreement: string }[] }
    expect(new Set(alarms.map((one) => one.agreement))).toEqual(new Set([house.agreed.id]))
  }
  const proving = await as('notary', ...health, '--as', keysOf('notary'))
  expect([proving.exitCode, proving.text]).toEqual([2, expect.stringContaining('ARGUMENT_INVALID') as string])
  const stranger = join(folder, 'stranger.token')
  writeFileSync(stranger, `tok_${'a'.repeat(20)}.${'A'.repeat(43)}\n`)
  const refused = await escrow(['vault', 'alarms', '--url', url, '--token-file', stranger])
  expect(refused.exitCode).toBeGreaterThan(3)
  expect(refused.text).toContain('TOKEN_INVALID')
})

test.for([
  ['--url without a token', ['release', 'show', '--url', 'http://127.0.0.1:1'], 2, 'ARGUMENT_INVALID'],
  ['a token without --url', ['release', 'show', '--token-file', 'x'], 2, 'ARGUMENT_INVALID'],
  ['a command that has no use for it', ['mirror', '--url', 'http://127.0.0.1:1', '--token-file', 'x'], 2, 'ARGUMENT_INVALID'],
  ['download from a home folder', ['download', `req_${'a'.repeat(20)}`, '--into', 'x'], 2, 'ARGUMENT_INVALID'],
  ['plain http over a network', ['release', 'show', '--url', 'http://escrow.example', '--token-file', 'x'], 2, 'ARGUMENT_INVALID'],
  ['a URL with a password', ['release', 'show', '--url', 'https://a:b@escrow.example', '--token-file', 'x'], 2, 'ARGUMENT_INVALID'],
  [
    'a token file that is not there',
    ['release', 'show', '--url', 'http://127.0.0.1:1', '--token-file', '/nowhere/token'],
    2,
    'FILE_UNREADABLE',
  ],
] as const)('%s is refused', async ([, argv, exitCode, code]) => {
  const ended = await escrow(argv)
  expect([ended.exitCode, ended.text]).toEqual([exitCode, expect.stringContaining(code) as string])
})

test('a service that is away, is none, or sends elsewhere is told apart from a refusal', async () => {
  const file = join(folder, 'partner.token')
  const show = (at: string) => escrow(['release', 'show', '--url', at, '--token-file', file])
  expect((await show('http://127.0.0.1:1')).text).toContain('SERVICE_UNREACHABLE')
  const seen: (string | undefined)[] = []
  const answers: Readonly<Record<string, (server: Server) => readonly [number, Record<string, string>, string]>> = {
    redirect: () => [302, { location: 'http://127.0.0.1:1/' }, ''],
    html: () => [200, { 'content-type': 'text/html' }, '<html>'],
    endless: () => [200, {}, '{"items":'],
    other: () => [500, {}, 'no'],
    unknown: () => [418, {}, JSON.stringify({ type: 'x', title: 'x', status: 418, code: 'TEAPOT', detail: 'x', instance: 'x' })],
  }
  for (const [name, answer] of Object.entries(answers)) {
    const server = createServer((request, response) => {
      seen.push(request.headers.authorization)
      const [status, headers, body] = answer(server)
      response.writeHead(status, headers).end(body)
    })
    await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve))
    const ended = await show(`http://127.0.0.1:${(server.address() as { port: number }).port}`)
    expect([ended.exitCode, ended.text], name).toEqual([5, expect.stringMatching(/SERVICE_(?:ANSWER|UNREACHABLE)/) as string])
    expect(ended.text).not.toContain(readFileSync(file, 'utf8').trim())
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  }
  expect(seen.length).toBeGreaterThan(4)
  mkdirSync(join(folder, 'nothing'), { recursive: true })
})
