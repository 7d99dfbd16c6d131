// What git-lfs does before a push, by hand: objects are wanted once, taken when they are what they claim to be, never given out, and never plain
// on a disk.
import { readdirSync } from 'node:fs'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { sha256Hex } from '../../src/crypto/digest.js'
import { GitFixture } from '../doubles/git-fixture.js'
import { commitFile, pointerOf } from '../doubles/lfs-server.js'
import { PushHouse } from '../doubles/push-client.js'

const vendor = new GitFixture()
const movie = Buffer.from('a movie '.repeat(50_000))
const oid = sha256Hex(movie)
let house: PushHouse

beforeAll(async () => {
  house = await PushHouse.open()
  vendor.addCommits('refs/heads/main', 1)
  commitFile(vendor, 'refs/heads/main', 'movie.mp4', pointerOf(movie))
}, 300_000)
afterAll(async () => {
  await house.close()
  vendor.remove()
})

interface Answered {
  readonly status: number
  readonly body: {
    readonly message?: string
    readonly objects?: readonly { readonly actions?: { readonly upload: { readonly href: string } } }[]
  }
}
async function batch(wish: unknown, headers: Record<string, string> = house.basic): Promise<Answered> {
  const url = `${house.bareAddress('product')}/info/lfs/objects/batch`
  const body = typeof wish === 'string' ? wish : JSON.stringify(wish)
  const answer = await fetch(url, { method: 'POST', headers: { ...headers, 'content-type': 'application/vnd.git-lfs+json' }, body })
  return { status: answer.status, body: (await answer.json()) as Answered['body'] }
}
const wanted = { operation: 'upload', transfers: ['basic'], objects: [{ oid, size: movie.length }] }
async function put(bytes: Buffer, as = oid): Promise<{ readonly status: number; readonly text: string }> {
  const url = `${house.bareAddress('product')}/info/lfs/objects/${as}`
  const answer = await fetch(url, { method: 'PUT', headers: house.basic, body: new Uint8Array(bytes) })
  return { status: answer.status, text: await answer.text() }
}
const stored = () =>
  readdirSync(house.service.replica('a'), { recursive: true }).filter((name) => /attachments\/[0-9a-f]{64}\.age$/.test(String(name)))

test('an object is asked for at an address of its own', async () => {
  const { status, body } = await batch(wanted)
  expect([status, body.objects?.[0]?.actions?.upload.href]).toEqual([200, `${house.bareAddress('product')}/info/lfs/objects/${oid}`])
})

test.for<[string, Buffer, string]>([
  ['other bytes', Buffer.from(movie).fill(1), oid],
  ['fewer bytes', movie.subarray(1), oid],
  ['no bytes', Buffer.alloc(0), oid],
  ['a name that is no digest', movie, 'x'.repeat(64)],
])('%s are refused and leave nothing', async ([, bytes, as]) => {
  const { status } = await put(bytes, as)
  expect(status).toBeGreaterThanOrEqual(400)
  expect([stored(), house.scratch()]).toEqual([[], []])
})

test.for<[string, unknown, string]>([
  ['a download', { ...wanted, operation: 'download' }, 'PUSH_REFUSED'],
  ['no batch', '{', 'BODY_INVALID'],
  ['a digest that is none', { ...wanted, objects: [{ oid: '../x', size: 1 }] }, 'BODY_INVALID'],
  ['a client of another kind', { ...wanted, transfers: ['tus'] }, 'PUSH_REFUSED'],
])('%s is refused with words that git-lfs shows', async ([, wish, code]) => {
  const answer = await batch(wish)
  expect([answer.status >= 400 && answer.status < 500, answer.body.message]).toEqual([true, expect.stringContaining(`[${code}]`)])
})

test.for(['locks', 'locks/verify', 'locks/12/unlock'])('%s is answered in words: there are no locks', async (path) => {
  const answer = await fetch(`${house.bareAddress('product')}/info/lfs/${path}`, { method: 'POST', headers: house.basic, body: '{}' })
  expect([answer.status, answer.headers.get('content-type')]).toEqual([404, expect.stringContaining('git-lfs+json') as string])
  expect(await answer.json()).toMatchObject({ message: expect.stringContaining('has no locks') as string })
})

test('without a token nobody is told anything', async () => {
  const answer = await batch(wanted, {})
  expect([answer.status, answer.body.message?.includes('TOKEN_INVALID')]).toEqual([401, true])
})

test('an object that was pushed is part of the deposit whose pointers name it, and is not wanted again', async () => {
  expect((await put(movie)).status).toBe(200)
  expect((await put(movie)).status).toBe(200)
  expect(stored()).toHaveLength(1)
  expect((await batch(wanted)).body.objects).toEqual([{ oid, size: movie.length }])
  expect((await batch({ ...wanted, objects: [{ oid, size: 3 }] })).body.objects).toMatchObject([{ error: { code: 422 } }])
  const pushed = await house.git(vendor.path, 'push', '--mirror', house.address())
  expect(pushed.exitCode, pushed.text).toBe(0)
  expect(pushed.text).not.toContain('LFS_OBJECT_MISSING')
})

test('one that was forgotten is told with the push, by name', async () => {
  commitFile(vendor, 'refs/heads/main', 'song.ogg', pointerOf(Buffer.from('a song')))
  const pushed = await house.git(vendor.path, 'push', '--mirror', house.address())
  expect(pushed.text).toMatch(/LFS_OBJECT_MISSING \(1\) song\.ogg: .*git lfs push --all/)

  const again = () => house.git(vendor.path, 'push', '--mirror', house.address())
  expect((await again()).text).toContain('nothing is new')
  const song = Buffer.from('a song')
  expect((await put(song, sha256Hex(song))).status).toBe(200)
  const brought = await again()
  expect(brought.text).toMatch(/deposit \d+ \(incremental\)/)
  expect(brought.text).not.toContain('LFS_OBJECT_MISSING')
  expect((await again()).text).toContain('nothing is new')
})
