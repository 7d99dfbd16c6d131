// The log as static files: a server that knows nothing but folders, and a reader that knows nothing but the published specifications.
import { createServer, type Server } from 'node:http'
import { chmod, readFile, writeFile } from 'node:fs/promises'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { LogFiles } from '../../src/log/log-files.js'
import { listLeaves } from '../../src/log/log.table.js'
import { LogFixture, logKey, origin, policy } from '../doubles/log-fixture.js'
import { readTiledLog } from '../doubles/tiles-reader.js'

let log: LogFixture
let server: Server
let base: string
const publicKey = Buffer.from(logKey.publicKey, 'base64')
const sizes = [1, 255, 256, 257, 700]

beforeAll(async () => {
  log = await LogFixture.open()
  server = createServer((request, response) => {
    // What `try_files` of any web server does: the locked place, then the unlocked one.
    const path = (request.url ?? '').slice(1)
    const roots = ['store', 'heads'].map((place) => join(log.home, 'south', place, path))
    void Promise.any(roots.map((file) => readFile(file))).then(
      (bytes) => response.end(bytes),
      () => response.writeHead(404).end(),
    )
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
})
afterAll(async () => {
  await new Promise((resolve) => server.close(resolve))
  await log.close()
})

async function overHttp(path: string): Promise<Buffer | null> {
  const response = await fetch(base + path)
  if (response.status === 404) return null
  return Buffer.from(await response.arrayBuffer())
}

test('a replica is a tiled log for any web server, at every size that it has had', async () => {
  for (const [at, size] of sizes.entries()) {
    await log.seed(size - (sizes[at - 1] ?? 0))
    await log.sequencer().run()
    const read = await readTiledLog(overHttp, publicKey)
    expect(read).toMatchObject({ origin, size })
    const rows = await log.inner.query((db) => listLeaves(db, 0, size))
    expect(read.entries.map((entry) => entry.toString().split('\n')[2])).toEqual(
      rows.map((row) => Buffer.from(row.eventDigest, 'hex').toString('base64')),
    )
  }
  const { paths } = await readTiledLog(overHttp, publicKey)
  expect(paths).toEqual([
    'checkpoint',
    'tile/entries/000',
    'tile/entries/001',
    'tile/entries/002.p/188',
    'tile/0/000',
    'tile/0/001',
    'tile/0/002.p/188',
    'tile/1/000.p/2',
  ])
})

test('the service gives the same files by the same paths, and nothing else', async () => {
  const files = new LogFiles(log.store, policy)
  const direct = async (path: string) => {
    const file = await files.read(path)
    return file === null ? null : Buffer.from(file.bytes)
  }
  expect(await readTiledLog(direct, publicKey)).toMatchObject({ origin, size: 700 })
  expect(await files.read('checkpoint')).toMatchObject({ contentType: 'text/plain; charset=utf-8', immutable: false })
  expect(await files.read('tile/0/000')).toMatchObject({ contentType: 'application/octet-stream', immutable: true })
  const refused = [
    '',
    '/checkpoint',
    'tile/0/003',
    'tile/0/000.p/256',
    'tile/00/000',
    'tile/0/x000/000',
    'tile/0/../0/000',
    'events/',
    'README.txt',
  ]
  for (const path of [...refused, `events/${'a'.repeat(64)}.json`, 'tile/0/001%00', `tile/${'9'.repeat(200)}`]) {
    expect(await files.read(path), path).toBeNull()
  }
})

test('the service shows the newest checkpoint that any replica has, and never one that it has not signed', async () => {
  const files = new LogFiles(log.store, policy)
  const newest = await files.read('checkpoint')
  const path = join(log.home, 'north', 'heads', 'checkpoint')
  const right = await readFile(path)
  await chmod(path, 0o644)
  for (const wrong of ['nonsense', right.toString().replace('\n700\n', '\n900\n')]) {
    await writeFile(path, wrong)
    expect(await files.read('checkpoint')).toEqual(newest)
  }
  await writeFile(path, right)
})

test.for([
  ['an entry that was exchanged', 'tile/entries/001', 5],
  ['a hash that was exchanged', 'tile/0/001', 5],
  ['a hash of the upper level that was exchanged', 'tile/1/000.p/2', 5],
  ['a checkpoint of another root', 'checkpoint', 30],
] as const)('the reader finds %s', async ([, path, at]) => {
  const spoiled = async (asked: string) => {
    const bytes = await overHttp(asked)
    if (asked !== path || bytes === null) return bytes
    return Buffer.from(bytes.map((byte, place) => (place === at ? byte ^ 1 : byte)))
  }
  await expect(readTiledLog(spoiled, publicKey)).rejects.toThrow(/root|tile of this tree|not signed/)
})
