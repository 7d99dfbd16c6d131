import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { sha256Hex } from '../../../src/crypto/digest.js'
import { HttpLfs } from '../../../src/git/http-lfs.js'
import { HttpTransport } from '../../../src/git/http-transport.js'
import { GitHttpServer } from '../../doubles/git-http-server.js'
import { LfsServer } from '../../doubles/lfs-server.js'

const folder = mkdtempSync(join(tmpdir(), 'reduit-http-lfs-'))
const credentialFile = join(folder, 'credential')
const basic = `Basic ${Buffer.from('ci:password').toString('base64')}`
const transport = new HttpTransport({ rules: { allowHttp: true, allowPrivateAddresses: true, allowLocalPaths: false } })
const bytes = Buffer.from('a large file')
const object = { oid: sha256Hex(bytes), sizeBytes: bytes.length }
let server: GitHttpServer
let elsewhere: GitHttpServer
let lfs: LfsServer

beforeAll(async () => {
  writeFileSync(credentialFile, 'ci:password\n')
  server = await GitHttpServer.start(folder)
  elsewhere = await GitHttpServer.start(folder)
})
beforeEach(() => {
  server.reset()
  lfs = new LfsServer(server)
  lfs.add(bytes)
})
afterAll(async () => {
  transport.close()
  await server.close()
  await elsewhere.close()
  rmSync(folder, { recursive: true, force: true })
})

async function fetchOne(): Promise<string> {
  const [place] = await new HttpLfs({ url: `${server.origin}/product.git`, transport, credentialFile }).locate([object])
  if (place === undefined || 'reason' in place) throw new Error(place?.reason)
  const blocks: Uint8Array[] = []
  for await (const block of place.open()) blocks.push(block)
  return Buffer.concat(blocks).toString()
}

test('the credential goes to the server of the source, with what the answer demands', async () => {
  expect(await fetchOne()).toBe('a large file')
  expect(lfs.batches).toEqual([{ authorization: basic, oids: [object.oid] }])
  expect(lfs.downloads).toEqual([{ oid: object.oid, authorization: basic, signature: 'signed' }])
})

test('another origin gets what the answer demands, and never the credential', async () => {
  const other = new LfsServer(elsewhere)
  other.add(bytes)
  lfs.elsewhere = elsewhere.origin
  expect(await fetchOne()).toBe('a large file')
  expect(other.downloads).toEqual([{ oid: object.oid, authorization: undefined, signature: 'signed' }])
})

test('an origin that redirects keeps what was meant for it', async () => {
  const other = new LfsServer(elsewhere)
  other.add(bytes)
  const { answer } = server.faults
  server.faults.answer = (request, response) => {
    if (request.url?.startsWith('/lfs-objects/') !== true) return answer?.(request, response) ?? false
    response.writeHead(302, { location: `${elsewhere.origin}${request.url}` }).end()
    return true
  }
  expect(await fetchOne()).toBe('a large file')
  expect(other.downloads).toEqual([{ oid: object.oid, authorization: undefined, signature: undefined }])
})

test('a server that repeats the password is not quoted', async () => {
  server.faults.answer = (_, response) => {
    response.writeHead(401).end('no entry for ci:password')
    return true
  }
  const failure = await fetchOne().catch((error: unknown) => error)
  expect(failure).toMatchObject({ code: 'REMOTE_AUTH' })
  expect((failure as Error).message).not.toContain('password')
})
