// A token that expires must be known before the deposit that needs it.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { CheckCredentials } from '../../src/escrow/source/check-credentials.js'
import { findSource, setRemote } from '../../src/escrow/archive/source.table.js'
import { AnnounceEvents } from '../../src/notice/announce-events.js'
import { GitFixture } from '../doubles/git-fixture.js'
import { GitHttpServer } from '../doubles/git-http-server.js'
import { HttpCaller } from '../doubles/http-caller.js'
import { ServiceFixture, type AgreedUpon } from '../doubles/service-fixture.js'
import { hourMs } from '../doubles/moments.js'

let service: ServiceFixture
let repository: GitFixture
let server: GitHttpServer
let agreed: AgreedUpon
let folder: string
const logged: string[] = []

beforeAll(async () => {
  repository = new GitFixture()
  repository.addCommits('refs/heads/main', 2)
  server = await GitHttpServer.start(dirname(repository.path))
  folder = mkdtempSync(join(tmpdir(), 'escrow-credentials-'))
  service = await ServiceFixture.open({
    remotes: { allowHttp: true, allowPrivateAddresses: true },
    server: { log: (line) => void logged.push(line) },
  })
  const url = `${server.origin}/${repository.path.slice(dirname(repository.path).length + 1)}`
  agreed = await service.agree([
    { source: 'locked', url },
    { source: 'open', url },
  ])
  server.faults.requireBasic = 'vendor:first'
  writeCredential('vendor:first')
  const key = { agreementId: agreed.id, source: 'locked' }
  await service.database.transaction((tx) => setRemote(tx, key, { url, credentialFile: join(folder, 'credential') }))
  // After the first due time, so that the next one is a day away.
  service.clock.advance(2000)
  await service.mirror(agreed, 'locked')
})
afterAll(async () => {
  await service?.close()
  await server?.close()
  repository?.remove()
  if (folder !== undefined) rmSync(folder, { recursive: true })
})

const writeCredential = (line: string) => writeFileSync(join(folder, 'credential'), `${line}\n`)
const tried = () => service.get(CheckCredentials).run()
const nobody = { accepted: 0, refused: 0, unknown: 0 }
const row = () => service.database.query((db) => findSource(db, { agreementId: agreed.id, source: 'locked' }))

test('what has just used its credential is left alone, and half a day later it is tried once', async () => {
  expect(await tried()).toEqual(nobody)
  service.clock.advance(12 * hourMs)
  server.seen.length = 0
  expect([await tried(), await tried()]).toEqual([{ ...nobody, accepted: 1 }, nobody])
  // Nothing was fetched: the remote was asked for its refs.
  expect(server.seen.some(({ path }) => path.endsWith('git-upload-pack'))).toBe(true)
  expect((await row())?.credentialCode).toBeNull()
})

test('a credential that expired is an event and a notice while there is time to renew it, once for a due time', async () => {
  service.clock.advance(13 * hourMs)
  await service.mirror(agreed, 'locked')
  server.faults.requireBasic = 'vendor:second'
  service.clock.advance(12 * hourMs)
  expect([await tried(), await tried()]).toEqual([{ ...nobody, refused: 1 }, nobody])
  const periodAt = (await row())!.periodAt
  expect(periodAt.getTime()).toBeGreaterThan(service.clock.now().getTime())
  await service.publish()
  await service.get(AnnounceEvents).run()
  const vendor = await HttpCaller.as(service.app, service.party('vendor').card)
  const { body } = await vendor.get('/v1/notices')
  const notices = (body as { items: { notice: { event: string; facts: object } }[] }).items.filter(
    ({ notice }) => notice.event === 'credential-refused',
  )
  expect(notices.map(({ notice }) => notice.facts)).toEqual([{ source: 'locked', neededAt: periodAt.toISOString(), code: 'REMOTE_AUTH' }])
  expect((await row())?.credentialCode).toBe('REMOTE_AUTH')
  expect(logged.join()).not.toContain('second')
})

test('a renewed credential is taken by the deposit that needs it, and nothing is wrong any more', async () => {
  writeCredential('vendor:second')
  service.clock.advance(13 * hourMs)
  await service.mirror(agreed, 'locked')
  expect((await row())?.credentialCode).toBeNull()
})

test('a remote that is out of reach says nothing of the credential: it is tried again', async () => {
  service.clock.advance(12 * hourMs)
  server.faults.answer = (_, response) => {
    response.writeHead(503).end()
    return true
  }
  expect([await tried(), await tried()]).toEqual([
    { ...nobody, unknown: 1 },
    { ...nobody, unknown: 1 },
  ])
  delete server.faults.answer
  expect(await tried()).toEqual({ ...nobody, accepted: 1 })
})

// The command that writes agreements refuses these too, but parties may write theirs with anything.
test.for([
  ['https://ci:secret@git.example/product.git', 'REMOTE_URL'],
  ['--upload-pack=touch pwned', 'REMOTE_URL'],
  ['ext::touch pwned', 'REMOTE_URL'],
  ['ssh://-oProxyCommand=touch/x', 'REMOTE_URL'],
  ['http://169.254.169.254/x.git', 'REMOTE_ADDRESS_REFUSED'],
] as const)('an agreement with the URL %s is not registered', async ([url, code]) => {
  await expect(service.agree([{ source: 'evil', url }])).rejects.toMatchObject({ code })
})
