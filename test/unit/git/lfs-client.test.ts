import { expect, test } from 'vitest'
import { encodeLfsBatch, lfsEndpoint, parseLfsBatch } from '../../../src/git/lfs-client.js'

const oid = 'a'.repeat(64)
const answer = (object: unknown, more: Record<string, unknown> = {}) => Buffer.from(JSON.stringify({ ...more, objects: [object] }))
const download = (href: unknown, header?: unknown) => ({
  oid,
  size: 3,
  actions: { download: { href, ...(header === undefined ? {} : { header }) } },
})

test.for([
  ['https://git.example/a/b.git', 'https://git.example/a/b.git/info/lfs'],
  ['https://git.example/a/b', 'https://git.example/a/b.git/info/lfs'],
])('the LFS server of %s is %s', ([url, endpoint]) => {
  expect(lfsEndpoint(url!)).toBe(endpoint)
})

test('objects are asked for as git-lfs docs/api/batch.md says', () => {
  expect(JSON.parse(Buffer.from(encodeLfsBatch([{ oid, sizeBytes: 3 }])).toString())).toEqual({
    operation: 'download',
    transfers: ['basic'],
    hash_algo: 'sha256',
    objects: [{ oid, size: 3 }],
  })
})

test('an action has its address and its headers, the authorization apart', () => {
  const header = { 'X-Amz-Date': '20261122', Authorization: 'RemoteAuth x' }
  expect(parseLfsBatch(answer(download('https://objects.example/x?sig=1', header), { transfer: 'basic' })).get(oid)).toEqual({
    href: 'https://objects.example/x?sig=1',
    headers: { 'x-amz-date': '20261122' },
    authorization: 'RemoteAuth x',
  })
})

test('what the server says of an object that it lacks is told without control characters', () => {
  const action = parseLfsBatch(answer({ oid, error: { code: 404, message: 'gone\u001b[31m' } })).get(oid)
  expect(action).toEqual({ reason: expect.stringMatching(/404: "gone/) as string })
  expect(JSON.stringify(action)).not.toContain('\\u001b')
})

test.for<[string, unknown]>([
  ['no action', { oid }],
  ['an action of another kind', { oid, actions: { upload: { href: 'https://x.example/' } } }],
  ['an address that is none', download('nowhere')],
  ['a header that frames the request', download('https://x.example/', { 'Transfer-Encoding': 'chunked' })],
  ['a header that names another host', download('https://x.example/', { Host: 'metadata' })],
  ['a header with a line feed', download('https://x.example/', { 'X-A': 'b\r\nHost: c' })],
  ['a header without a name', download('https://x.example/', { '': 'b' })],
])('%s: the object is not to be had, and that is no fault', ([, object]) => {
  expect(parseLfsBatch(answer(object)).get(oid)).toEqual({ reason: expect.any(String) as string })
})

test.for<[string, Buffer]>([
  ['nothing', Buffer.alloc(0)],
  ['a page', Buffer.from('<html>')],
  ['no objects', Buffer.from('{}')],
  ['objects that are none', Buffer.from('{"objects":[1]}')],
  ['another transfer', answer({ oid }, { transfer: 'tus' })],
  ['a header that is no text', answer(download('https://x.example/', { a: 1 }))],
  ['more than any answer has', Buffer.alloc((4 << 20) + 1, 0x20)],
])('%s is refused', ([, bytes]) => {
  expect(() => parseLfsBatch(bytes)).toThrow(expect.objectContaining({ code: 'REMOTE_PROTOCOL' }) as Error)
})

test('objects that nobody asked for are of no matter, and the first answer counts', () => {
  const two = { objects: [download('https://first.example/'), download('https://second.example/'), { oid: 'b'.repeat(64) }] }
  expect(parseLfsBatch(Buffer.from(JSON.stringify(two))).get(oid)).toMatchObject({ href: 'https://first.example/' })
})
