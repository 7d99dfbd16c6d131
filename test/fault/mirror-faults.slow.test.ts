// What can go wrong around `escrow mirror`, as a person sees it: a stable code, an exit code, words that help, and nothing half-visible.
import { readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { createServer, type ServerResponse } from 'node:http'
import { join } from 'node:path'
import { execFileSync } from 'node:child_process'
import { eq, sql } from 'drizzle-orm'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { SystemClock, SystemEntropy } from '../../src/core/environment.js'
import { openBytes } from '../../src/crypto/holder/open-envelope.js'
import { tryTakeLease } from '../../src/escrow/archive/lease.table.js'
import type { Database } from '../../src/db/database.js'
import { HomeLock } from '../../src/db/home-lock.js'
import { replicaCopyTable } from '../../src/escrow/archive/copy.table.js'
import { storedObjectTable } from '../../src/escrow/archive/object.table.js'
import { keyFileNames, parseIdentityFile } from '../../src/format/key-file.js'
import { parseShare } from '../../src/format/share.js'
import { FsObjectStore } from '../../src/store/fs-object-store.js'
import { openAgreement } from '../../src/format/signed-agreement.js'
import type { ObjectStore } from '../../src/store/object-store.js'
import { ArchiveTree } from '../doubles/archive-tree.js'
import { FaultyObjectStore, type PlannedFault } from '../doubles/faulty-object-store.js'
import { GitFixture, gitEnvironment } from '../doubles/git-fixture.js'
import { GitHttpServer } from '../doubles/git-http-server.js'
import { aroundReplicas, interpose } from '../doubles/interpose.js'
import type { Ended } from '../doubles/escrow-command.js'
import { allowLoopback, EscrowHome, filesBelow, pulled } from '../doubles/escrow-home.js'
import { expectNothingOf, type Refusal } from './expect-refused.js'

const secret = 'c0rrect-horse-battery-staple'
/** In every file and path of the source. */
const canary = 'canary-of-plaintext-7c1e'
let fixture: GitFixture
let server: GitHttpServer
let home: EscrowHome
/** Faults of the stores by replica, for the next command. */
let planned: { readonly [replica: string]: readonly PlannedFault[] } = {}
/** Whether others may reach the database, as with PostgreSQL. */
let alone = true
let database: Database
let onEnvelope: (() => Promise<void>) | null = null
const undo: (() => unknown)[] = []

beforeAll(async () => {
  fixture = new GitFixture()
  undo.push(() => fixture.remove())
  fixture.addCommits('refs/heads/main', 4, { files: 20, bytes: 3000, label: canary })
  server = await GitHttpServer.start(fixture.folder)
  undo.push(() => server.close())
  const credentialFile = join(fixture.folder, 'credential')
  writeFileSync(credentialFile, `vendor:${secret}\n`)
  damagedCopies()
  const sources = [
    ...['product', 'locked'].flatMap((source) => pulled(source, `${server.origin}/repository.git`)),
    ...pulled('absent', `${server.origin}/absent.git`),
    ...pulled('dead', await deadUrl()),
    ...['shallow', 'holey'].flatMap((source) => pulled(source, join(fixture.folder, `${source}.git`))),
    ...['full', 'refusing', 'silent', 'lying', 'short', 'stolen', 'waiting'].flatMap((source) => pulled(source, fixture.path)),
  ]
  home = await EscrowHome.make(sources, { configure: allowLoopback, credentials: { locked: credentialFile } })
  undo.push(() => home.remove(), interposeFaults())
})
afterAll(async () => {
  for (const step of undo.toReversed()) await step()
})
afterEach(() => {
  server.reset()
  planned = {}
  alone = true
  onEnvelope = null
})

function interposeFaults(): () => void {
  return interpose((adapters) => {
    database = adapters.database
    return {
      ...adapters,
      database: Object.assign(Object.create(adapters.database) as Database, { exclusive: alone }),
      replicas: aroundReplicas(adapters, ({ name, store, heads }) => ({
        store: new FaultyObjectStore(name === 'b' ? onceStored(store) : store).plan(...(planned[name] ?? [])),
        heads,
      })),
    }
  })
}

/** Tells of the first envelope that is complete. */
function onceStored(store: ObjectStore): ObjectStore {
  const told = Object.create(store) as ObjectStore
  told.openUpload = async (key, ...rest) => {
    const upload = await store.openUpload(key, ...rest)
    const complete = async () => {
      const stored = await upload.complete()
      if (key.endsWith('.bundle.age')) await onEnvelope?.()
      return stored
    }
    return { write: (bytes) => upload.write(bytes), complete, abort: () => upload.abort() }
  }
  return told
}

/** A clone with a shallow history, and one that lacks a blob of its tip. */
function damagedCopies(): void {
  const clone = (...args: string[]) =>
    execFileSync('git', ['clone', '--quiet', '--bare', ...args], { env: gitEnvironment, cwd: fixture.folder })
  clone('--depth', '1', `file://${fixture.path}`, 'shallow.git')
  clone(fixture.path, 'holey.git')
  const git = (...args: string[]) =>
    execFileSync('git', ['--git-dir', join(fixture.folder, 'holey.git'), ...args], { env: gitEnvironment })
      .toString()
      .trim()
  const blob = git('rev-parse', `refs/heads/main:${canary}/file-0.txt`)
  rmSync(join(fixture.folder, 'holey.git/objects', blob.slice(0, 2), blob.slice(2)))
}

/** A URL where nobody listens. */
async function deadUrl(): Promise<string> {
  const taken = createServer()
  await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve))
  const { port } = taken.address() as { port: number }
  await new Promise((resolve) => taken.close(resolve))
  return `http://127.0.0.1:${port}/code.git`
}

const mirror = (source: string, ...more: readonly string[]) => home.run('mirror', '--source', source, ...more)

const expectRefused = (ended: Ended, source: string, expected: Refusal) => expectNothingOf(home, ended, source, expected)

test('a remote that nobody serves', async () => {
  expectRefused(await mirror('dead'), 'dead', { code: 'REMOTE_UNREACHABLE', exitCode: 4, words: /check the host name/ })
  expectRefused(await mirror('absent'), 'absent', { code: 'REMOTE_NOT_FOUND', exitCode: 4, words: /check the URL/ })
})

test('a wrong credential is refused, and shown nowhere', async () => {
  server.faults.requireBasic = 'vendor:another'
  const seen: string[] = []
  server.faults.answer = () => {
    seen.push(execFileSync('ps', ['-eww', '-o', 'args']).toString())
    return false
  }
  expectRefused(await mirror('locked'), 'locked', { code: 'REMOTE_AUTH', exitCode: 4, words: /renew the credential file/ })
  expect(seen.length).toBeGreaterThan(0)
  expect(seen.join('\n')).not.toContain(secret)
  server.reset()
  server.faults.requireBasic = `vendor:${secret}`
  await home.must('mirror', '--source', 'locked')
})

test('a remote that dies in the middle of a pack', async () => {
  server.faults.dieAfterBytes = 4000
  expectRefused(await mirror('product'), 'product', { code: 'REMOTE_BROKEN', exitCode: 4, words: /ended the transfer/ })
})

test('a remote that misses an object is quoted in its own words', async () => {
  const ended = await mirror('holey')
  expectRefused(ended, 'holey', {
    code: 'REMOTE_BROKEN',
    exitCode: 4,
    words: /fatal: (?:unable to read|missing|bad)|error: (?:could not read|unable)/,
  })
})

test('a shallow remote', async () => {
  expectRefused(await mirror('shallow'), 'shallow', { code: 'REMOTE_SHALLOW', exitCode: 4, words: /--unshallow/ })
})

test('a redirect to an address inside', async () => {
  server.faults.answer = (_request, response) => {
    response.writeHead(302, { location: 'http://169.254.169.254/latest/info/refs' }).end()
    return true
  }
  expectRefused(await mirror('product'), 'product', { code: 'REMOTE_ADDRESS_REFUSED', exitCode: 4, words: /only public/ })
})

test.for(['--upload-pack=touch', 'refs/heads/../../config', 'refs/heads/a~1', 'refs/heads/x.lock'])('a ref named %s', async (name) => {
  const tip = fixture.git(['rev-parse', 'refs/heads/main'])
  server.faults.answer = (request, response) => request.method === 'POST' && answerRefs(response, `${tip} ${name}\n`)
  expectRefused(await mirror('product'), 'product', { code: 'REF_NAME_INVALID', exitCode: 4, words: /rename or delete it/ })
})

function answerRefs(response: ServerResponse, line: string): boolean {
  const packet = `${(line.length + 4).toString(16).padStart(4, '0')}${line}0000`
  response.writeHead(200, { 'content-type': 'application/x-git-upload-pack-result' }).end(packet)
  return true
}

test('a source and a replica that nobody has', async () => {
  const none = await mirror('nothing')
  expect([none.exitCode, none.text]).toEqual([2, expect.stringMatching(/no pulled source nothing.*\[NOT_FOUND\]/)])
  for (const command of ['check', 'repair']) {
    const ended = await home.run(command, '--replica', 'c')
    expect([ended.exitCode, ended.text]).toEqual([2, expect.stringMatching(/no replica c; .*a, b.*\[NOT_FOUND\]/)])
  }
})

test('a repository larger than the limit', async () => {
  home.configure((yaml) => `${yaml}deposit:\n  packBytesMax: 1000\n`)
  const ended = await mirror('product')
  home.configure((yaml) => yaml.replace(/deposit:\n {2}packBytesMax: 1000\n/, ''))
  expectRefused(ended, 'product', { code: 'DEPOSIT_TOO_LARGE', exitCode: 4, words: /raise `deposit.packBytesMax`/ })
})

const everywhere = (fault: PlannedFault) => ({ a: [fault], b: [fault] })

test('stores that refuse', async () => {
  planned = everywhere({ at: 'complete', fault: 'refuse', times: 1000 })
  expectRefused(await mirror('refusing'), 'refusing', { code: 'STORE_REFUSED', exitCode: 5, words: /check the credential/ })
})

test('stores that do not answer', async () => {
  planned = everywhere({ at: 'open', fault: 'timeOut', times: 1000 })
  expectRefused(await mirror('silent'), 'silent', { code: 'STORE_UNREACHABLE', exitCode: 5, words: /check the network and the store/ })
})

test('stores that keep less than was sent and say that all is well', async () => {
  planned = everywhere({ at: 'complete', fault: 'shortWrite' })
  const ended = await mirror('short')
  expect(ended.text).toMatch(/\[(?:STORE_SHORT_WRITE|OBJECT_CORRUPT)\]/)
  expect([3, 5]).toContain(ended.exitCode)
  expect(new ArchiveTree(home, 'a').deposits('short')).toEqual([])
  planned = {}
  await home.must('mirror', '--source', 'short')
})

test('stores that give back other bytes', async () => {
  // The agreement and its annex are read before, from the first.
  planned = { a: [{ at: 'get', fault: 'otherBytes', times: 1000, after: 2 }], b: [{ at: 'get', fault: 'otherBytes', times: 1000 }] }
  const ended = await mirror('lying')
  expect(ended.text).toMatch(/\[(?:OBJECT_CORRUPT|SEAL_BROKEN|DIGEST_MISMATCH)\]/)
  expect(ended.exitCode).toBe(3)
  expect(new ArchiveTree(home, 'a').deposits('lying')).toEqual([])
  planned = {}
  await home.must('mirror', '--source', 'lying')
})

test('a replica that is away: the deposit waits, and is finished when the replica is back', async () => {
  const away: PlannedFault[] = (['open', 'write', 'complete', 'get', 'stat', 'versions', 'list', 'extend'] as const).map((at) => ({
    at,
    fault: 'timeOut',
    times: 10_000,
  }))
  planned = { b: away }
  const first = await mirror('waiting')
  expectRefused({ ...first }, 'none', { code: 'STORE_UNREACHABLE', exitCode: 5, words: /replica b: .*waits for this replica/ })
  expect(new ArchiveTree(home, 'b').deposits('waiting')).toEqual([])
  const second = await mirror('waiting')
  expect(second.exitCode).toBe(5)
  planned = {}
  const third = await mirror('waiting')
  expect(third.exitCode, third.text).toBe(0)
  expect(third.text).toContain('finished for a run that had stopped')
  for (const replica of ['a', 'b'] as const) {
    expect(
      new ArchiveTree(home, replica).deposits('waiting').map(({ manifest, receipt }) => [manifest.sequence, receipt !== null]),
    ).toEqual([[1, true]])
  }
  expect(await home.must('repair')).toBe('nothing to repair')
  await home.must('check', '--all')
})

test('another process that has the home folder open', async () => {
  const lock = await HomeLock.take(join(home.home, 'db.lock'))
  const ended = await mirror('product')
  await lock.release()
  expect(ended.exitCode).toBe(7)
  expect(ended.text).toContain('[HOME_LOCKED]')
})

test('another worker on the same source, and one that takes it over in the middle', async () => {
  alone = false
  const agreementId = openAgreement(readFileSync(home.agreement)).body.agreement
  const key = { agreementId, source: 'stolen', holder: 'another worker' }
  const now = new Date()
  await database.query((db) => tryTakeLease(db, { ...key, now, expiresAt: new Date(now.getTime() + 60_000) }))
  expectRefused(await mirror('stolen'), 'stolen', { code: 'LEASE_HELD', exitCode: 7, words: /another worker/ })
  await database.query((db) => tryTakeLease(db, { ...key, now: new Date(now.getTime() + 7_200_000), expiresAt: new Date(0) }))
  onEnvelope = async () => {
    const later = new Date(now.getTime() + 7_200_000)
    await database.query((db) => tryTakeLease(db, { ...key, now: later, expiresAt: later }))
  }
  expectRefused(await mirror('stolen'), 'stolen', { code: 'LEASE_LOST', exitCode: 7, words: /nothing was published/ })
})

test('everything is locked, and a base as long as what rests on it', async () => {
  fixture.addCommits('refs/heads/main', 2, { label: 'later' })
  await home.must('mirror', '--source', 'waiting')
  for (const replica of ['a', 'b'] as const) {
    const store = new FsObjectStore(home.objects(replica), new SystemClock(), new SystemEntropy())
    const locks = new Map<string, number>()
    for await (const { key, retainUntil } of store.list('')) locks.set(key, retainUntil?.getTime() ?? 0)
    expect(Math.min(...locks.values())).toBeGreaterThan(Date.now() + 30 * 86_400_000)
    const [base, next, ...more] = new ArchiveTree(home, replica).deposits('waiting').map(({ folder }) => {
      const prefix = folder.slice(home.objects(replica).length + 1)
      return [...locks].filter(([key]) => key.startsWith(`${prefix}/`)).map(([, lock]) => lock)
    })
    expect(more).toEqual([])
    expect(base).toHaveLength(5)
    expect(next).toHaveLength(5)
    expect(Math.min(...(base ?? []))).toBeGreaterThanOrEqual(Math.max(...(next ?? [])))
    const rows = await database.query((db) =>
      db.select().from(replicaCopyTable).innerJoin(storedObjectTable, eq(storedObjectTable.objectId, replicaCopyTable.objectId)),
    )
    const current = rows.filter(({ replica_copy: copy }) => copy.replica === replica && copy.state === 'present')
    expect(current.length).toBeGreaterThan(20)
    for (const { replica_copy: copy, stored_object: object } of current)
      expect(locks.get(object.key), object.key).toBe(copy.retainUntil.getTime())
  }
})

test('no plaintext, no secret and no share lies anywhere or was ever printed', async () => {
  const identity = new ArchiveTree(home, 'a').vaultIdentity()
  const scalars = ['notary', 'university'].map((party) => {
    const own = parseIdentityFile(readFileSync(home.at('parties', party, keyFileNames.identity), 'utf8'))
    return Buffer.from(parseShare(openBytes(readFileSync(home.at('vault', 'shares', `${party}-epoch-1.age`)), own)).value).toString('hex')
  })
  const needles = [canary, secret, Buffer.from(`vendor:${secret}`).toString('base64'), identity, ...scalars]
  const places = new Map([['what was printed', Buffer.from(home.printed.join('\n'))]])
  for (const name of ['replicas', 'scratch', 'db', 'db.lock', 'escrow.yaml', 'service.json']) {
    const path = join(home.home, name)
    const files = statSync(path, { throwIfNoEntry: false })?.isFile() === true ? [''] : filesBelow(path)
    for (const file of files) places.set(join(name, file), readFileSync(join(path, file)))
  }
  for (const [table, rows] of await everyRow(database)) places.set(`table ${table}`, Buffer.from(rows))
  expect(places.size).toBeGreaterThan(100)
  const found = [...places].flatMap(([place, bytes]) =>
    needles.filter((needle) => bytes.includes(needle)).map((needle) => `${needle} in ${place}`),
  )
  expect(found).toEqual([])
  // The search finds what is there.
  expect([...places.values()].some((bytes) => bytes.includes('escrow/manifest/v1') || bytes.includes('product'))).toBe(true)
})

/** What drivers answer has this shape, and drizzle's type for both of them does not say so. */
const rowsOf = <Row>(answer: unknown): readonly Row[] => (answer as { readonly rows: readonly Row[] }).rows

/** Every table as JSON. */
async function everyRow(from: Database): Promise<readonly (readonly [string, string])[]> {
  const tables = await from.query((db) => db.execute(sql`select tablename from pg_tables where schemaname = 'public'`))
  const names = rowsOf<{ tablename: string }>(tables).map((row) => row.tablename)
  const dumps: [string, string][] = []
  for (const name of names) {
    const rows = await from.query((db) => db.execute(sql`select coalesce(json_agg(t)::text, '') as dump from ${sql.identifier(name)} t`))
    dumps.push([name, rowsOf<{ dump: string }>(rows)[0]?.dump ?? ''])
  }
  return dumps
}
