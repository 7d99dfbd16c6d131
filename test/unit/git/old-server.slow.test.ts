// Servers that know no protocol version 2: the real `git http-backend`, told to speak 0 or 1 whatever it is asked.
import { execFileSync } from 'node:child_process'
import { mkdtempSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { GitRemote, RefListing } from '../../../src/git/git-remote.js'
import { CapabilityCache, HttpRemote } from '../../../src/git/http-remote.js'
import { HttpTransport } from '../../../src/git/http-transport.js'
import { indexPack } from '../../../src/git/index-pack.js'
import { LocalRemote } from '../../../src/git/local-remote.js'
import { initRepository } from '../../../src/git/scratch-repository.js'
import { addEveryKindOfRef, collect, GitFixture, gitEnvironment } from '../../doubles/git-fixture.js'
import { GitHttpServer } from '../../doubles/git-http-server.js'

const rules = { allowHttp: true, allowPrivateAddresses: true, allowLocalPaths: false }
const transport = new HttpTransport({ rules, idleTimeoutMs: 5000 })
afterAll(() => transport.close())

/** Version 0 tells where HEAD points, and of no other ref that it is symbolic. */
function inOldWords(listing: RefListing): RefListing {
  return { ...listing, refs: listing.refs.map(({ symref: _symref, ...ref }) => ref) }
}

describe.each([
  ['version=0', 'sha1'],
  ['version=1', 'sha1'],
  ['version=0', 'sha256'],
] as const)('a server of %s and %s', (protocol, objectFormat) => {
  let fixture: GitFixture
  let server: GitHttpServer
  let remote: GitRemote
  beforeAll(async () => {
    fixture = new GitFixture(objectFormat)
    addEveryKindOfRef(fixture)
    server = await GitHttpServer.start(fixture.folder)
  })
  afterAll(async () => {
    await server.close()
    fixture.remove()
  })
  beforeEach(() => {
    server.reset()
    server.faults.protocol = protocol
    remote = new HttpRemote({ url: `${server.origin}/repository.git`, transport, cache: new CapabilityCache() })
  })

  test('lists what version 2 lists, and each listing is one request', async () => {
    const now = inOldWords(await new LocalRemote({ path: fixture.path }).listRefs())
    expect(await remote.listRefs()).toEqual(now)
    expect(await remote.listRefs()).toEqual(now)
    expect(server.seen.map(({ method }) => method)).toEqual(['GET', 'GET'])
  })

  test('full and incremental packs stand alone and hold what is reachable', async () => {
    const before = fixture.git(['rev-parse', 'main'])
    const { refs } = await remote.listRefs()
    const wants = refs.map(({ oid }) => oid)
    const all = fixture.git(['rev-list', '--objects', '--all', '--no-object-names']).split('\n')
    expect(await objectCountOf(remote.fetchPack({ objectFormat, wants, haves: [] }))).toBe(all.length)
    const next = fixture.addCommits('refs/heads/main', 3)
    const added = fixture.git(['rev-list', '--objects', '--no-object-names', next, `^${before}`]).split('\n')
    // The remote knows some of what we have and not the rest.
    const haves = ['1'.repeat(before.length), ...wants, '2'.repeat(before.length)]
    expect(await objectCountOf(remote.fetchPack({ objectFormat, wants: [next], haves }))).toBe(added.length)
    const ofPosts = server.seen.filter(({ method }) => method === 'POST').map(({ gitProtocol }) => gitProtocol)
    expect(ofPosts).toEqual([undefined, undefined])
  })

  async function objectCountOf(pack: AsyncIterable<Uint8Array>): Promise<number> {
    const gitDir = mkdtempSync(join(fixture.folder, 'scratch-'))
    await initRepository(gitDir, objectFormat)
    return (await indexPack(pack, { gitDir, objectFormat, check: 'incremental', packBytesMax: 1e9 })).objectCount
  }
})

describe('a server of version 0', () => {
  let fixture: GitFixture
  let server: GitHttpServer
  let cache: CapabilityCache
  beforeEach(async () => {
    fixture = new GitFixture()
    server = await GitHttpServer.start(fixture.folder)
    server.faults.protocol = 'version=0'
    cache = new CapabilityCache()
  })
  afterEach(async () => {
    await server.close()
    fixture.remove()
  })
  const remote = () => new HttpRemote({ url: `${server.origin}/repository.git`, transport, cache })

  test('may be empty', async () => {
    expect(await remote().listRefs()).toEqual({ objectFormat: 'sha1', head: { kind: 'none' }, refs: [] })
  })

  test('may have a detached HEAD', async () => {
    const tip = fixture.addCommits('refs/heads/main', 1)
    fixture.git(['update-ref', '--no-deref', 'HEAD', tip])
    expect((await remote().listRefs()).head).toEqual({ kind: 'detached', oid: tip })
  })

  test('is REMOTE_SHALLOW when it is a shallow clone', async () => {
    fixture.addCommits('refs/heads/main', 3)
    const shallow = join(fixture.folder, 'shallow.git')
    execFileSync('git', ['clone', '-q', '--bare', '--depth=1', `file://${fixture.path}`, shallow], { env: gitEnvironment })
    const url = `${server.origin}/shallow.git`
    await expect(new HttpRemote({ url, transport, cache }).listRefs()).rejects.toMatchObject({ code: 'REMOTE_SHALLOW' })
  })

  test('refuses with its own words what it does not advertise', async () => {
    fixture.addCommits('refs/heads/main', 2)
    await remote().listRefs()
    const hidden = '1'.repeat(40)
    const pack = collect(remote().fetchPack({ objectFormat: 'sha1', wants: [hidden], haves: [] }))
    await expect(pack).rejects.toMatchObject({ code: 'REMOTE_BROKEN', message: expect.stringContaining('not our ref') as string })
  })

  test('that dies mid-pack is REMOTE_BROKEN, never a short pack', async () => {
    const tip = fixture.addCommits('refs/heads/main', 20)
    await remote().listRefs()
    server.faults.dieAfterBytes = 900
    await expect(collect(remote().fetchPack({ objectFormat: 'sha1', wants: [tip], haves: [] }))).rejects.toMatchObject({
      code: 'REMOTE_BROKEN',
    })
  })

  test('is asked in version 2 as soon as it knows that', async () => {
    const tip = fixture.addCommits('refs/heads/main', 1)
    await remote().listRefs()
    delete server.faults.protocol
    expect((await remote().listRefs()).refs).toEqual([{ name: 'refs/heads/main', oid: tip }])
    await remote().listRefs()
    expect(server.seen.map(({ method }) => method)).toEqual(['GET', 'GET', 'POST', 'POST'])
  })

  test('with more refs than one answer of version 2 may have bytes is read as it comes', async () => {
    const tip = fixture.addCommits('refs/heads/main', 1)
    const lines = Array.from({ length: 20_000 }, (_, at) => `${tip} refs/changes/${10_000 + at}/1\n`)
    writeFileSync(join(fixture.path, 'packed-refs'), lines.join(''))
    expect((await remote().listRefs()).refs).toHaveLength(20_001)
  })
})
