import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { EscrowError } from '../../../src/core/errors.js'
import { CapabilityCache, HttpRemote } from '../../../src/git/http-remote.js'
import { HttpTransport, redirectTarget } from '../../../src/git/http-transport.js'
import { indexPack } from '../../../src/git/index-pack.js'
import { LocalRemote } from '../../../src/git/local-remote.js'
import { initRepository } from '../../../src/git/scratch-repository.js'
import { addEveryKindOfRef, collect, GitFixture } from '../../doubles/git-fixture.js'
import { GitHttpServer } from '../../doubles/git-http-server.js'

const rules = { allowHttp: true, allowPrivateAddresses: true, allowLocalPaths: false }
const password = 'correct horse/battery+staple'

let fixture: GitFixture
let server: GitHttpServer
let transport: HttpTransport
let cache: CapabilityCache
let folder: string

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'reduit-http-'))
  fixture = new GitFixture()
  addEveryKindOfRef(fixture)
  server = await GitHttpServer.start(fixture.folder)
})
afterAll(async () => {
  await server.close()
  fixture.remove()
  rmSync(folder, { recursive: true, force: true })
})
beforeEach(() => {
  transport = new HttpTransport({ rules, idleTimeoutMs: 5000 })
  cache = new CapabilityCache()
})
afterEach(() => {
  transport.close()
  server.reset()
})

function remote(options: { path?: string; credential?: string; idleTimeoutMs?: number } = {}): HttpRemote {
  const credentialFile = options.credential === undefined ? undefined : join(folder, 'credential')
  if (credentialFile !== undefined) writeFileSync(credentialFile, `${options.credential}\n`)
  const own = options.idleTimeoutMs === undefined ? transport : new HttpTransport({ rules, idleTimeoutMs: options.idleTimeoutMs })
  return new HttpRemote({ url: `${server.origin}/${options.path ?? 'repository.git'}`, transport: own, cache, credentialFile })
}

async function failure(promise: Promise<unknown>): Promise<EscrowError> {
  const error: unknown = await promise.then(
    () => null,
    (reason: unknown) => reason,
  )
  if (!(error instanceof EscrowError)) throw new Error(`expected an EscrowError, got ${String(error)}`, { cause: error })
  return error
}

const wants = () => [fixture.git(['rev-parse', 'main'])]

describe('a server that behaves', () => {
  test('lists the same refs as the local adapter', async () => {
    expect(await remote().listRefs()).toEqual(await new LocalRemote({ path: fixture.path }).listRefs())
  })

  test('a second poll is one request', async () => {
    await remote().listRefs()
    expect(server.seen.map((request) => request.method)).toEqual(['GET', 'POST'])
    await remote().listRefs()
    expect(server.seen.map((request) => request.method)).toEqual(['GET', 'POST', 'POST'])
    expect(server.seen.every((request) => request.gitProtocol === 'version=2')).toBe(true)
  })

  test('a pack over http indexes to the same objects', async () => {
    const gitDir = join(folder, 'full')
    await initRepository(gitDir, 'sha1')
    const all = fixture.refs().map((line) => line.slice(line.indexOf(' ') + 1))
    const indexed = await indexPack(remote().fetchPack({ objectFormat: 'sha1', wants: all, haves: [] }), {
      gitDir,
      objectFormat: 'sha1',
      check: 'full',
      packBytesMax: 1e9,
    })
    expect(indexed.objectCount).toBe(fixture.git(['rev-list', '--objects', '--all']).split('\n').length)
  })

  test('a request with 100,000 haves is answered', async () => {
    const haves = Array.from({ length: 100_000 }, (_, at) => at.toString(16).padStart(40, '0'))
    const pack = await collect(remote().fetchPack({ objectFormat: 'sha1', wants: wants(), haves }))
    expect(pack.subarray(0, 4).toString()).toBe('PACK')
  })

  test('an answer that is compressed although we did not ask for it is read', async () => {
    const advertisement = '000eversion 2\n000cls-refs\n000afetch\n0000'
    server.faults.answer = (request, response) => {
      const [type, body] = request.method === 'GET' ? ['advertisement', advertisement] : ['result', '0000']
      response.writeHead(200, { 'content-type': `application/x-git-upload-pack-${type}`, 'content-encoding': 'gzip' }).end(gzipSync(body))
      return true
    }
    expect(await remote().listRefs()).toEqual({ objectFormat: 'sha1', head: { kind: 'none' }, refs: [] })
  })

  test('an outdated discovery is made anew, once', async () => {
    const url = `${server.origin}/repository.git`
    cache.set(url, {
      baseUrl: `${server.origin}/moved-away.git`,
      version: 2,
      capabilities: new Map([
        ['ls-refs', ''],
        ['fetch', ''],
      ]),
    })
    expect((await remote().listRefs()).refs.length).toBeGreaterThan(5)
    expect(server.seen.map((request) => `${request.method} ${request.path}`)).toEqual([
      'POST /moved-away.git/git-upload-pack',
      'GET /repository.git/info/refs?service=git-upload-pack',
      'POST /repository.git/git-upload-pack',
    ])
  })
})

describe('credentials', () => {
  test.each([`ada:${password}`, 'a-bare-token'])('the line %j opens the remote', async (line) => {
    server.faults.requireBasic = line.includes(':') ? line : `x-access-token:${line}`
    expect((await remote({ credential: line }).listRefs()).refs.length).toBeGreaterThan(5)
  })

  test('a wrong password is REMOTE_AUTH and never in the error, even if the server repeats it', async () => {
    server.faults.requireBasic = 'ada:right'
    server.faults.answer = (request, response) => {
      if (request.headers.authorization === undefined) return false
      response
        .writeHead(403)
        .end(`${Buffer.from(request.headers.authorization.slice(6), 'base64').toString()} | ${request.headers.authorization}`)
      return true
    }
    const error = await failure(remote({ credential: `ada:${password}` }).listRefs())
    expect(error.code).toBe('REMOTE_AUTH')
    const everything = JSON.stringify([
      error.message,
      error.details,
      error.stack,
      error.cause instanceof Error ? error.cause.message : null,
    ])
    expect(everything).not.toContain('horse')
    expect(everything).not.toContain(Buffer.from(`ada:${password}`).toString('base64'))
  })

  test.each(['', 'two\nlines', 'a\u0000b', 'x'.repeat(5000)])('a credential file with %j is refused', async (text) => {
    const error = await failure(remote({ credential: text }).listRefs())
    expect(error.code).toBe('REMOTE_AUTH')
    expect(server.seen).toEqual([])
  })
})

describe('redirects', () => {
  const moveTo = (location: string) => {
    server.faults.answer = (request, response) => {
      if (request.url?.startsWith('/old.git') !== true) return false
      response.writeHead(302, { location: `${location}${request.url.slice('/old.git'.length)}` }).end()
      return true
    }
  }

  test('discovery follows one, and later requests go to the new place at once', async () => {
    moveTo('/repository.git')
    expect((await remote({ path: 'old.git' }).listRefs()).refs.length).toBeGreaterThan(5)
    await remote({ path: 'old.git' }).listRefs()
    expect(server.seen.map((request) => request.path.split('/')[1])).toEqual([
      'old.git',
      'repository.git',
      'repository.git',
      'repository.git',
    ])
  })

  test('the credential stays with its origin', async () => {
    const other = await GitHttpServer.start(fixture.folder)
    moveTo(`${other.origin}/repository.git`)
    await remote({ path: 'old.git', credential: `ada:${password}` }).listRefs()
    expect(server.seen.map((request) => request.authorization !== undefined)).toEqual([true])
    expect(other.seen.map((request) => request.authorization)).toEqual([undefined, undefined])
    await other.close()
  })

  test('a circle ends', async () => {
    moveTo('/old.git')
    expect((await failure(remote({ path: 'old.git' }).listRefs())).code).toBe('REMOTE_REDIRECT')
    expect(server.seen).toHaveLength(4)
  })

  test('a redirect of the POST is refused', async () => {
    server.faults.answer = (request, response) => {
      if (request.method === 'POST') response.writeHead(307, { location: '/elsewhere' }).end()
      return request.method === 'POST'
    }
    expect((await failure(remote().listRefs())).code).toBe('REMOTE_REDIRECT')
  })

  test.each([
    ['https://a.example/r', 'http://a.example/r', 'REMOTE_REDIRECT'],
    ['https://a.example/r', 'file:///etc/passwd', 'REMOTE_REDIRECT'],
    ['https://a.example/r', 'ftp://a.example/r', 'REMOTE_REDIRECT'],
    ['https://a.example/r', 'https://u:p@a.example/r', 'REMOTE_REDIRECT'],
    ['https://a.example/r', 'https://u@a.example/r', 'REMOTE_REDIRECT'],
    ['https://a.example/r', 'https://:p@a.example/r', 'REMOTE_REDIRECT'],
    ['https://a.example/r', 'https://169.254.169.254/latest', 'REMOTE_ADDRESS_REFUSED'],
    ['https://a.example/r', 'https://[::ffff:10.0.0.1]/', 'REMOTE_ADDRESS_REFUSED'],
    ['https://a.example/r', 'https://0x7f.1/', 'REMOTE_ADDRESS_REFUSED'],
    ['https://a.example/r', 'https://:::/', 'REMOTE_REDIRECT'],
  ])('%s may not lead to %s', (from, location, code) => {
    const strict = { allowHttp: true, allowPrivateAddresses: false, allowLocalPaths: false }
    expect(() => redirectTarget(from, location, strict)).toThrow(expect.objectContaining({ code }))
  })
})

describe('faults', () => {
  test('nobody listens', async () => {
    const closed = await GitHttpServer.start(fixture.folder)
    const url = `${closed.origin}/repository.git`
    await closed.close()
    const error = await failure(new HttpRemote({ url, transport, cache }).listRefs())
    expect(error.code).toBe('REMOTE_UNREACHABLE')
    expect(error.message).toContain('ECONNREFUSED')
  })

  test.each([
    [401, 'REMOTE_AUTH'],
    [403, 'REMOTE_AUTH'],
    [404, 'REMOTE_NOT_FOUND'],
    [418, 'REMOTE_PROTOCOL'],
    [429, 'REMOTE_UNREACHABLE'],
    [503, 'REMOTE_UNREACHABLE'],
  ])('status %i is %s with the words of the server, made harmless', async (status, code) => {
    server.faults.answer = (_request, response) => {
      response.writeHead(status).end('down for \u001b[31mmaintenance\u001b[0m\u0007')
      return true
    }
    const error = await failure(remote().listRefs())
    expect(error.code).toBe(code)
    expect(error.message).toBe(`the remote answered with status ${status}: "down for maintenance"`)
  })

  test.each([
    ['a page', 'text/html', '<html>', 'REMOTE_PROTOCOL'],
    ['a page of the right type', 'application/x-git-upload-pack-advertisement', '<html>hello</html>', 'REMOTE_PROTOCOL'],
    ['nothing', 'application/x-git-upload-pack-advertisement', '', 'REMOTE_PROTOCOL'],
    ['flushes only', 'application/x-git-upload-pack-advertisement', '0000'.repeat(1000), 'REMOTE_PROTOCOL'],
    ['half a packet', 'application/x-git-upload-pack-advertisement', '000eversi', 'REMOTE_BROKEN'],
    ['no commands', 'application/x-git-upload-pack-advertisement', '000eversion 2\n0000', 'REMOTE_VERSION'],
    [
      'an unknown object format',
      'application/x-git-upload-pack-advertisement',
      '000eversion 2\n000cls-refs\n000afetch\n0019object-format=sha512\n0000',
      'REMOTE_VERSION',
    ],
    ['an error line', 'application/x-git-upload-pack-advertisement', '0012ERR no access\n', 'REMOTE_BROKEN'],
    ['far too much', 'application/x-git-upload-pack-advertisement', `000eversion 2\n${'0000'.repeat(300_000)}`, 'REMOTE_PROTOCOL'],
  ])('discovery answers with %s', async (_name, type, body, code) => {
    server.faults.answer = (_request, response) => {
      response.writeHead(200, { 'content-type': type }).end(body)
      return true
    }
    expect((await failure(remote().listRefs())).code).toBe(code)
  })

  test('a complaint without end is not read to its end', async () => {
    const megabyte = Buffer.alloc(1 << 20, 'x')
    let whole: boolean | null = null
    server.faults.answer = (_request, response) => {
      response.writeHead(500, { 'content-length': 32 * megabyte.length })
      response.once('close', () => (whole = response.writableFinished))
      const more = (left: number): void => void (left === 0 ? response.end() : response.write(megabyte, () => more(left - 1)))
      more(32)
      return true
    }
    expect((await failure(remote().listRefs())).message.length).toBeLessThan(1000)
    await expect.poll(() => whole).toBe(false)
  })

  test('a page that would read as the listing of an empty repository is none', async () => {
    server.faults.answer = (request, response) => {
      if (request.method === 'POST') response.writeHead(200, { 'content-type': 'text/html' }).end('0000')
      return request.method === 'POST'
    }
    expect((await failure(remote().listRefs())).code).toBe('REMOTE_PROTOCOL')
  })

  test('a transfer that dies mid-pack is REMOTE_BROKEN, never a short pack', async () => {
    await remote().listRefs()
    server.faults.dieAfterBytes = 900
    expect((await failure(collect(remote().fetchPack({ objectFormat: 'sha1', wants: wants(), haves: [] })))).code).toBe('REMOTE_BROKEN')
  })

  test('a server that stalls is given up', async () => {
    await remote().listRefs()
    server.faults.stallAfterBytes = 900
    const stalled = remote({ idleTimeoutMs: 150 }).fetchPack({ objectFormat: 'sha1', wants: wants(), haves: [] })
    expect((await failure(collect(stalled))).code).toBe('REMOTE_TIMEOUT')
  })

  test('a server that never answers is given up', async () => {
    server.faults.answer = () => true
    expect((await failure(remote({ idleTimeoutMs: 150 }).listRefs())).code).toBe('REMOTE_TIMEOUT')
  })

  test('an abort ends the wait with its own reason', async () => {
    server.faults.answer = () => true
    const abort = new AbortController()
    const listing = remote().listRefs(abort.signal)
    abort.abort(new Error('enough'))
    await expect(listing).rejects.toThrow('enough')
  })

  test('a connection that the server closed between two polls is replaced', async () => {
    await remote().listRefs()
    server.faults.answer = (request) => {
      delete server.faults.answer
      request.socket.destroy()
      return true
    }
    expect((await remote().listRefs()).refs.length).toBeGreaterThan(5)
  })
})

describe('addresses', () => {
  test('a name that resolves to a private address is refused and nothing is sent', async () => {
    const guarded = new HttpTransport({ rules: { ...rules, allowPrivateAddresses: false }, resolver: async () => ['127.0.0.1'] })
    const url = `${server.origin.replace('127.0.0.1', 'git.example')}/repository.git`
    expect((await failure(new HttpRemote({ url, transport: guarded, cache }).listRefs())).code).toBe('REMOTE_ADDRESS_REFUSED')
    expect(server.seen).toEqual([])
  })

  test('a name that changes to a private address between two connections is refused at the second', async () => {
    const answers = [['127.0.0.1'], ['169.254.169.254']]
    const rebinding = new HttpTransport({ rules, resolver: async () => answers.shift() ?? [] })
    const url = `${server.origin.replace('127.0.0.1', 'git.example')}/repository.git`
    server.faults.answer = (_request, response) => {
      response.setHeader('connection', 'close')
      return false
    }
    expect((await failure(new HttpRemote({ url, transport: rebinding, cache }).listRefs())).code).toBe('REMOTE_ADDRESS_REFUSED')
    expect(server.seen.map((request) => request.method)).toEqual(['GET'])
  })

  test('an address that is written out is refused at the socket, too, which resolves no name', async () => {
    const guarded = new HttpTransport({ rules: { ...rules, allowPrivateAddresses: false } })
    const asked = guarded.get({ url: `${server.origin}/repository.git/info/refs`, headers: {}, contentType: null })
    expect((await failure(asked)).code).toBe('REMOTE_ADDRESS_REFUSED')
    expect(server.seen).toEqual([])
  })

  test('one private address among public ones refuses the name', async () => {
    const guarded = new HttpTransport({
      rules: { ...rules, allowPrivateAddresses: false },
      resolver: async () => ['93.184.216.34', '10.0.0.1'],
    })
    expect((await failure(new HttpRemote({ url: 'http://git.example/r.git', transport: guarded, cache }).listRefs())).code).toBe(
      'REMOTE_ADDRESS_REFUSED',
    )
  })

  test('a redirect to a private address is refused', async () => {
    const guarded = new HttpTransport({ rules: { ...rules, allowPrivateAddresses: true } })
    server.faults.answer = (_request, response) => {
      response.writeHead(302, { location: 'http://169.254.169.254/info/refs?service=git-upload-pack' }).end()
      return true
    }
    expect((await failure(new HttpRemote({ url: `${server.origin}/r.git`, transport: guarded, cache }).listRefs())).code).toBe(
      'REMOTE_ADDRESS_REFUSED',
    )
    guarded.close()
  })
})
