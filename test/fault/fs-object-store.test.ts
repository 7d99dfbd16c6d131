import { execFileSync } from 'node:child_process'
import { chmod, link, mkdir, mkdtemp, readdir, readFile, rename, rm, stat, symlink, utimes, writeFile } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { Clock, SystemEntropy } from '../../src/core/environment.js'
import { EscrowError } from '../../src/core/errors.js'
import { uploadLeaseMs } from '../../src/core/limits.js'
import { fsFault } from '../../src/store/fs-durable.js'
import { FsLogHeadStore } from '../../src/store/fs-log-head-store.js'
import { FsObjectStore } from '../../src/store/fs-object-store.js'
import { makeStoreFolder } from '../../src/store/fs-store-folder.js'
import { FsUpload } from '../../src/store/fs-upload.js'
import { bytesOf, codeOf, collect, inDays, key, put } from '../contract/object-store.contract.js'
import { watchDisk } from '../doubles/power-cut.js'

class FixedClock extends Clock {
  constructor(private readonly moment: Date) {
    super()
  }
  now(): Date {
    return this.moment
  }
}

let folder: string
const open = (now = new Date()) => new FsObjectStore(folder, new FixedClock(now), new SystemEntropy())
const name = key('agreements/a/manifest.json')
const [one, two, three] = [bytesOf(10, 1), bytesOf(20, 2), bytesOf(30, 3)]

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'escrow-store-'))
  await makeStoreFolder(folder)
})
afterEach(() => rm(folder, { recursive: true, force: true }))

test('a person finds the newest version under its key, read-only, and the older ones beside it', async () => {
  await put(open(), name, one, { retainUntil: inDays(1) })
  await put(open(), name, two, { retainUntil: inDays(2), supersede: true })
  expect(await readFile(join(folder, name))).toEqual(Buffer.from(two))
  expect((await stat(join(folder, name))).mode & 0o777).toBe(0o444)
  expect(await readFile(join(folder, 'agreements/a/.versions/manifest.json.d/v0001'))).toEqual(Buffer.from(one))
  expect(JSON.parse(await readFile(join(folder, 'agreements/a/.versions/manifest.json.lock'), 'utf8'))).toEqual({
    versions: [
      { versionId: 'v0001', retainUntil: inDays(1).toISOString() },
      { versionId: 'v0002', retainUntil: inDays(2).toISOString() },
    ],
  })
})

test('what is stored, superseded or replaced outlasts a power cut as soon as the store says so', async () => {
  const disk = await watchDisk(folder)
  try {
    await put(open(), name, one, { retainUntil: inDays(1) })
    const hidden = join(folder, 'agreements/a/.versions')
    const lost = (...paths: string[]) => paths.map((path) => disk.lostByPowerCut(path))
    expect(lost(join(folder, name), join(hidden, 'manifest.json.lock'))).toEqual([null, null])
    await put(open(), name, two, { retainUntil: inDays(2), supersede: true })
    expect(lost(join(folder, name), join(hidden, 'manifest.json.d/v0001'))).toEqual([null, null])
    const heads = new FsLogHeadStore(folder, new SystemEntropy())
    for (const bytes of [one, two]) {
      await heads.write('tile/0/000.p/1', bytes)
      expect(lost(join(folder, 'tile/0/000.p/1'))).toEqual([null])
    }
  } finally {
    disk.stop()
  }
})

test('an upload that stopped is invisible, survives while its lease runs and is swept afterwards', async () => {
  const left = 'c0ffee'
  await writeFile(join(folder, '.incoming', left), one)
  expect(await open().stat(name)).toBeNull()
  for await (const object of open().list('')) expect(object).toBeUndefined()
  await open().inspect()
  expect(await readdir(join(folder, '.incoming'))).toEqual([left])
  const later = new Date(Date.now() + uploadLeaseMs + 1000)
  await open(later).inspect()
  expect(await readdir(join(folder, '.incoming'))).toEqual([])
})

test('an upload that is under way is not swept by its own store, however long it takes', async () => {
  const store = open(new Date(Date.now() + 10 * uploadLeaseMs))
  const upload = await store.openUpload(name, { retainUntil: inDays(1) })
  await upload.write(one)
  await store.inspect()
  expect((await upload.complete()).sizeBytes).toBe(one.length)
  expect(await readdir(join(folder, '.incoming'))).toEqual([])
})

/** The steps of fs-versions.ts, placeVersion, done by hand up to one of them, as kill -9 would leave them. */
const half = {
  'a first put that stopped after its lock record': async () => {
    await mkdir(join(folder, 'agreements/a/.versions'), { recursive: true })
    await writeFile(join(folder, 'agreements/a/.versions/manifest.json.lock'), record(['v0001', inDays(9)]))
    return []
  },
  'a supersession that stopped after the second name': async () => {
    await put(open(), name, one, { retainUntil: inDays(1) })
    await secondName()
    return [one]
  },
  'a supersession that stopped after the lock record': async () => {
    await put(open(), name, one, { retainUntil: inDays(1) })
    await secondName()
    await writeFile(join(folder, 'agreements/a/.versions/manifest.json.lock'), record(['v0001', inDays(1)], ['v0002', inDays(9)]))
    return [one]
  },
}
const record = (...versions: [string, Date][]) =>
  JSON.stringify({ versions: versions.map(([versionId, until]) => ({ versionId, retainUntil: until.toISOString() })) })
async function secondName(): Promise<void> {
  await mkdir(join(folder, 'agreements/a/.versions/manifest.json.d'), { recursive: true })
  await link(join(folder, name), join(folder, 'agreements/a/.versions/manifest.json.d/v0001'))
}

test.for(Object.entries(half))('%s leaves what was there, and the next put succeeds', async ([, stop]) => {
  const before = await stop()
  const held = await open().versions(name)
  expect(held.map((version) => [version.sizeBytes, version.retainUntil])).toEqual(before.map((bytes) => [bytes.length, inDays(1)]))
  const next = await put(open(), name, three, { retainUntil: inDays(3), supersede: before.length > 0 })
  expect(next).toMatchObject({ sizeBytes: 30, retainUntil: inDays(3) })
  const after = await open().versions(name)
  expect(after).toEqual([next, ...held])
  for (const [index, bytes] of [three, ...before].entries()) {
    expect(await collect(open().get(name, { versionId: after[index]!.versionId }))).toEqual(Buffer.from(bytes))
  }
})

test('a copied tree without the hidden folders reads like the original, with unknown locks', async () => {
  await put(open(), name, one)
  await rm(join(folder, 'agreements/a/.versions'), { recursive: true })
  await rm(join(folder, '.incoming'), { recursive: true })
  expect(await open().stat(name)).toMatchObject({ sizeBytes: 10, retainUntil: null })
  const { versionId } = (await open().stat(name))!
  expect(await collect(open().get(name, { versionId }))).toEqual(Buffer.from(one))
  expect(await codeOf(collect(open().get(key('agreements/a/receipt.json'))))).toBe('OBJECT_MISSING')
})

test.for(['', '{', '{"versions":[{}]}', '{"versions":[{"versionId":"../../x","retainUntil":"2036-01-01T00:00:00.000Z"}]}', 'null', '[]'])(
  'a lock record that reads %j is no record: the bytes stay readable, the lock is unknown and can be recorded again',
  async (text) => {
    await put(open(), name, one)
    await writeFile(join(folder, 'agreements/a/.versions/manifest.json.lock'), text)
    const held = (await open().stat(name))!
    expect(held.retainUntil).toBeNull()
    expect(await collect(open().get(name))).toEqual(Buffer.from(one))
    expect((await open().extendRetention(name, held.versionId, inDays(4))).retainUntil).toEqual(inDays(4))
    const next = await put(open(), name, two, { retainUntil: inDays(5), supersede: true })
    expect(await open().versions(name)).toEqual([next, { ...held, retainUntil: inDays(4) }])
  },
)

test('a disk that is not mounted is unreachable, not an archive that lost everything', async () => {
  await put(open(), name, one)
  await rename(folder, `${folder}.elsewhere`)
  for (const there of [false, true]) {
    if (there) await mkdir(folder)
    const store = open()
    expect(await store.inspect()).toMatchObject({ reachable: false, problems: [expect.stringContaining('mounted')] })
    expect(await codeOf(store.stat(name))).toBe('STORE_UNREACHABLE')
    expect(await codeOf(collect(store.get(name)))).toBe('STORE_UNREACHABLE')
    expect(await codeOf(store.list('')[Symbol.asyncIterator]().next())).toBe('STORE_UNREACHABLE')
    expect(await codeOf(put(store, name, one))).toBe('STORE_UNREACHABLE')
  }
  await rm(`${folder}.elsewhere`, { recursive: true })
})

test('a symbolic link under a key is not followed', async () => {
  await put(open(), key('agreements/a/other'), one)
  await symlink('/etc/passwd', join(folder, name))
  expect(await open().stat(name)).toBeNull()
  expect(await codeOf(collect(open().get(name)))).toBe('OBJECT_MISSING')
  expect(await codeOf(put(open(), name, one))).toBe('OBJECT_EXISTS')
})

test('a reader that takes small files at once gives the same bytes, and follows no link and opens no folder or pipe', async () => {
  const reader = new FsObjectStore(folder, new FixedClock(new Date()), new SystemEntropy(), 10)
  for (const [at, bytes] of [new Uint8Array(0), one, bytesOf(11), bytesOf(3000)].entries()) {
    await put(open(), key(`a/${at}`), bytes)
    expect(await collect(reader.get(key(`a/${at}`)))).toEqual(Buffer.from(bytes))
    expect(await collect(reader.get(key(`a/${at}`), { offset: 0, sizeBytes: Math.min(4, bytes.length) }))).toHaveLength(
      Math.min(4, bytes.length),
    )
  }
  await symlink('/etc/passwd', join(folder, 'a/link'))
  execFileSync('mkfifo', [join(folder, 'a/pipe')])
  for (const none of ['a/link', 'a/pipe', 'a', 'a/0/b', 'b'])
    expect(await codeOf(collect(reader.get(key(none)))), none).toBe('OBJECT_MISSING')
  await rm(join(folder, 'a/.versions'), { recursive: true })
  const listed = async (store: FsObjectStore) => {
    const found: string[] = []
    for await (const object of store.list('a/')) found.push(`${object.key} ${object.sizeBytes}`)
    return found
  }
  const expected = ['a/0 0', 'a/1 10', 'a/2 11', 'a/3 3000']
  expect(await listed(reader)).toEqual(expected)
  expect(await listed(open())).toEqual(expected)
  const stop = AbortSignal.abort(new Error('enough'))
  await expect(collect(reader.get(key('a/1'), {}, stop))).rejects.toThrow('enough')
})

test('a key below an object, and an object where a folder is, are refused and change nothing', async () => {
  await put(open(), key('a/b'), one)
  expect(await codeOf(put(open(), key('a/b/c'), two))).toBe('STORE_REFUSED')
  expect(await codeOf(put(open(), key('a'), two))).toBe('OBJECT_EXISTS')
  expect(await collect(open().get(key('a/b')))).toEqual(Buffer.from(one))
  expect(await readdir(join(folder, '.incoming'))).toEqual([])
})

test('a file that was cut short ends with a fault, not with fewer bytes', async () => {
  await put(open(), name, bytesOf(3_000_000))
  await chmod(join(folder, name), 0o644)
  const reading = open().get(name)[Symbol.asyncIterator]()
  await reading.next()
  await writeFile(join(folder, name), bytesOf(1_500_000))
  const rest = (async () => {
    while ((await reading.next()).done !== true);
  })()
  expect(await codeOf(rest)).toBe('OBJECT_CORRUPT')
})

test('a full disk is a refusal that says so, and the upload can still be given up', async () => {
  const full = Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' })
  const calls: string[] = []
  const handle = { write: () => Promise.reject(full), close: async () => void calls.push('close') } as unknown as FileHandle
  const steps = { what: name, signal: undefined, place: () => Promise.reject(full), discard: async () => void calls.push('discard') }
  const upload = new FsUpload(handle, steps)
  await expect(upload.write(one)).rejects.toMatchObject({ code: 'STORE_REFUSED', message: expect.stringContaining('no space left') })
  await upload.abort()
  expect(calls).toEqual(['close', 'discard'])
})

test('what the disk could not write while more came is told at the end, although the last sync finds nothing wrong', async () => {
  const broken = Object.assign(new Error('EIO: i/o error, fdatasync'), { code: 'EIO' })
  const syncs: (() => Promise<void>)[] = [() => Promise.reject(broken)]
  const handle = {
    write: async (_bytes: Uint8Array, _at: number, sizeBytes: number) => ({ bytesWritten: sizeBytes }),
    datasync: () => syncs.shift()?.() ?? Promise.resolve(),
    close: async () => undefined,
  } as unknown as FileHandle
  const steps = { what: name, signal: undefined, place: () => Promise.reject(broken), discard: async () => undefined }
  const upload = new FsUpload(handle, steps)
  // More than is kept back, so that a sync begins.
  const block = { length: 65 * 1024 * 1024 } as unknown as Uint8Array
  await upload.write(block).catch(() => undefined)
  expect(syncs).toEqual([])
  await expect(upload.settle()).rejects.toMatchObject({ code: 'STORE_UNREACHABLE', message: expect.stringContaining('EIO') })
  await expect(upload.complete(name)).rejects.toMatchObject({ code: 'STORE_UNREACHABLE' })
})

test('what gets its name at its end is nowhere before, and takes no name that is taken', async () => {
  const store = open()
  const begin = () => store.openNameless({ retainUntil: inDays(1) })
  const [first, second, given] = [await begin(), await begin(), await begin()]
  for (const upload of [first, second, given]) await upload.write(one)
  for await (const object of store.list('')) expect(object).toBeUndefined()
  expect(await first.complete(name)).toMatchObject({ key: name, sizeBytes: one.length, retainUntil: inDays(1) })
  expect(await codeOf(second.complete(name))).toBe('OBJECT_EXISTS')
  await given.abort()
  expect(await readFile(join(folder, name))).toEqual(Buffer.from(one))
  expect(await readdir(join(folder, '.incoming'))).toEqual([])
})

test.for([
  ['ENOSPC', 'STORE_REFUSED'],
  ['EDQUOT', 'STORE_REFUSED'],
  ['EROFS', 'STORE_REFUSED'],
  ['EACCES', 'STORE_REFUSED'],
  ['EIO', 'STORE_UNREACHABLE'],
  ['ESTALE', 'STORE_UNREACHABLE'],
  ['ENOTCONN', 'STORE_UNREACHABLE'],
])('%s means %s', ([errno, code]) => {
  expect(fsFault(Object.assign(new Error('x'), { code: errno }), 'read')).toMatchObject({ code, details: { errno } })
})

test('faults that are not the disk pass through untouched', () => {
  const bug = new TypeError('x')
  expect(fsFault(bug, 'read')).toBe(bug)
  const refusal = new EscrowError('OBJECT_MISSING', 'x')
  expect(fsFault(refusal, 'read')).toBe(refusal)
})

test('a log head is replaced whole, and what another run left behind does not matter', async () => {
  const heads = new FsLogHeadStore(folder, new SystemEntropy())
  expect(await heads.read('checkpoint')).toBeNull()
  await heads.write('checkpoint', one)
  await heads.write('tile/0/x001/000.p/7', two)
  await utimes(join(folder, 'checkpoint'), 0, 0)
  await heads.write('checkpoint', three)
  expect(Buffer.from((await heads.read('checkpoint'))!)).toEqual(Buffer.from(three))
  expect(Buffer.from((await heads.read('tile/0/x001/000.p/7'))!)).toEqual(Buffer.from(two))
  expect(await heads.read('tile/0/x001/000.p/7/8')).toBeNull()
  await expect(heads.write('../outside', one)).rejects.toMatchObject({ code: 'OBJECT_KEY_INVALID' })
  await rm(join(folder, '.incoming'), { recursive: true })
  await expect(heads.read('nothing')).rejects.toMatchObject({ code: 'STORE_UNREACHABLE' })
  await expect(heads.write('checkpoint', one)).rejects.toMatchObject({ code: 'STORE_UNREACHABLE' })
})
