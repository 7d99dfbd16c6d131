// A repository keeps large files with git LFS. Its deposits hold them, whichever ref they are in; what the LFS server does not give is told, and
// asked for again.
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { sha256Hex } from '../../src/crypto/digest.js'
import type { Manifest } from '../../src/format/manifest.js'
import { GitFixture } from '../doubles/git-fixture.js'
import { GitHttpServer } from '../doubles/git-http-server.js'
import { commitFile, LfsServer, pointerOf } from '../doubles/lfs-server.js'
import { ServiceFixture, type AgreedUpon } from '../doubles/service-fixture.js'

const vendor = new GitFixture()
const local = new GitFixture()
let server: GitHttpServer
let lfs: LfsServer
let elsewhere: GitHttpServer
let service: ServiceFixture
let agreed: AgreedUpon
const file = (name: string): Buffer => Buffer.from(`${name} `.repeat(40_000))
const [movie, model, song, poem] = ['movie', 'model', 'song', 'poem'].map(file) as [Buffer, Buffer, Buffer, Buffer]

beforeAll(async () => {
  server = await GitHttpServer.start(vendor.folder)
  elsewhere = await GitHttpServer.start(vendor.folder)
  lfs = new LfsServer(server)
  vendor.addCommits('refs/heads/main', 1)
  commitFile(vendor, 'refs/heads/main', 'movie.mp4', lfs.add(movie))
  commitFile(vendor, 'refs/heads/topic', 'model.bin', lfs.add(model))
  // A pointer that is nowhere but in the history.
  commitFile(vendor, 'refs/heads/topic', 'model.bin', 'not any more')
  commitFile(local, 'refs/heads/main', 'movie.mp4', pointerOf(movie))
  commitFile(local, 'refs/heads/main', 'song.ogg', pointerOf(song))
  service = await ServiceFixture.open({ remotes: { allowHttp: true, allowPrivateAddresses: true } })
  agreed = await service.agree([
    { source: 'engine', url: `${server.origin}/repository.git` },
    { source: 'local', url: local.path },
  ])
}, 300_000)
afterAll(async () => {
  await service.close()
  await server.close()
  await elsewhere.close()
  vendor.remove()
  local.remove()
})

async function mirror(source = 'engine') {
  const mirrored = await service.mirror(agreed, source)
  if (mirrored.outcome !== 'deposited') throw new Error('expected a deposit')
  return { manifest: mirrored.manifest, missing: mirrored.findings.filter(({ code }) => code === 'LFS_OBJECT_MISSING') }
}
const names = (manifest: Manifest) => manifest.attachments.map(({ key }) => key)
let first: Manifest

test('LFS objects of all refs and of the history are fetched, checked and named', async () => {
  const { manifest, missing } = await mirror()
  expect([manifest.attachments.length, missing]).toEqual([2, []])
  expect(manifest.findings.map(({ code }) => code)).not.toContain('LFS_POINTER')
  expect(lfs.batches).toHaveLength(1)
  // What the answer says goes with the request, and the token of a later one goes nowhere else.
  expect(lfs.downloads.map(({ signature }) => signature)).toEqual(['signed', 'signed'])
  first = manifest
})

test('an incremental names what its own pointers stand for, and fetches only what is new', async () => {
  commitFile(vendor, 'refs/heads/main', 'copy of movie.mp4', pointerOf(movie))
  commitFile(vendor, 'refs/heads/main', 'song.ogg', lfs.add(song))
  commitFile(vendor, 'refs/heads/main', 'old.mp4', pointerOf(movie).replace('git-lfs.github', 'hawser.github'))
  const before = lfs.downloads.length
  const { manifest, missing } = await mirror()
  expect([manifest.kind, manifest.attachments.length, missing]).toEqual(['incremental', 2, []])
  expect(names(manifest).filter((key) => names(first).includes(key))).toHaveLength(1)
  expect(lfs.downloads.slice(before).map(({ oid }) => oid)).toEqual([sha256Hex(song)])
})

test.for<[string, () => void, RegExp]>([
  ['an object that the server lacks', () => lfs.objects.delete(sha256Hex(poem)), /404: \\?"Object does not exist/],
  ['other bytes of the same length', () => lfs.objects.set(sha256Hex(poem), Buffer.from(poem).fill(1)), /expected .* with digest/],
  ['fewer bytes', () => lfs.objects.set(sha256Hex(poem), poem.subarray(1)), /with digest/],
  ['more bytes', () => lfs.objects.set(sha256Hex(poem), Buffer.concat([poem, poem])), /at most/],
  ['a server that is not well', () => (lfs.batchStatus = 503), /503/],
  ['no LFS server', () => (lfs.batchStatus = 404), /404/],
  ['an address inside our network', () => (lfs.elsewhere = 'http://169.254.169.254'), /public address/],
  ['an address of another scheme', () => (lfs.elsewhere = 'file:///etc'), /http/],
])('%s is a finding that names the file, and the deposit is made', async ([name, spoil, reason]) => {
  commitFile(vendor, 'refs/heads/main', 'poem.txt', lfs.add(poem))
  commitFile(vendor, 'refs/heads/main', 'which fault.txt', name)
  lfs.batchStatus = 200
  lfs.elsewhere = null
  spoil()
  const { manifest, missing } = await mirror()
  expect(manifest.findings).toContainEqual({ code: 'LFS_OBJECT_MISSING', severity: 'warning', count: 1 })
  expect(missing).toMatchObject([{ subject: 'poem.txt', detail: expect.stringMatching(reason) as string }])
})

test('what was missing is asked for again with the next deposit, also at another origin, which gets no credential', async () => {
  lfs.batchStatus = 200
  lfs.add(poem)
  lfs.elsewhere = elsewhere.origin
  elsewhere.faults.answer = (request, response) => {
    lfs.downloads.push({ oid: 'elsewhere', authorization: request.headers.authorization, signature: undefined })
    response.end(poem)
    return true
  }
  commitFile(vendor, 'refs/heads/main', 'unrelated.txt', 'nothing large')
  const { manifest, missing } = await mirror()
  expect([manifest.attachments.length, missing]).toEqual([1, []])
  expect(lfs.downloads.at(-1)).toEqual({ oid: 'elsewhere', authorization: undefined, signature: undefined })
})

test('the server that the repository names is asked instead, where the rules for remotes allow it, and gets no credential', async () => {
  const other = new LfsServer(elsewhere)
  const name = (url: string) => commitFile(vendor, 'refs/heads/main', '.lfsconfig', `[lfs]\n\turl = ${url}\n`)
  const before = lfs.batches.length
  name(`${elsewhere.origin}/other/info/lfs/`)
  commitFile(vendor, 'refs/heads/main', 'ballad.ogg', other.add(file('ballad')))
  expect((await mirror()).missing).toEqual([])
  // What the file says holds while it stays as it is, and then no pack carries it.
  commitFile(vendor, 'refs/heads/main', 'opera.ogg', other.add(file('opera')))
  expect((await mirror()).missing).toEqual([])
  expect([lfs.batches.length, other.batches.map(({ authorization }) => authorization)]).toEqual([before, [undefined, undefined]])
  for (const url of ['http://169.254.169.254/lfs', 'ssh://git@lfs.example/product', 'file:///etc', 'http://ci:secret@lfs.example/']) {
    name(url)
    commitFile(vendor, 'refs/heads/main', 'fugue.ogg', pointerOf(file(url)))
    const { missing } = await mirror()
    expect([url, missing.at(-1)?.detail]).toEqual([url, expect.stringContaining('.lfsconfig names a server that is not allowed')])
  }
  commitFile(vendor, 'refs/heads/main', '.lfsconfig', '[remote "origin"]\n\tlfsurl = https://lfs.example/\n')
  lfs.elsewhere = null
  commitFile(vendor, 'refs/heads/main', 'fugue.ogg', lfs.add(file('fugue')))
  const { missing } = await mirror()
  expect([lfs.batches.length, missing.map(({ subject }) => subject)]).toEqual([before + 1, expect.not.arrayContaining(['fugue.ogg'])])
})

test('a local repository gives what git-lfs keeps in it', async () => {
  const oid = sha256Hex(movie)
  const folder = join(local.path, 'lfs', 'objects', oid.slice(0, 2), oid.slice(2, 4))
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, oid), movie)
  const { manifest, missing } = await mirror('local')
  expect([manifest.attachments.length, missing.map(({ subject }) => subject)]).toEqual([1, ['song.ogg']])
})
