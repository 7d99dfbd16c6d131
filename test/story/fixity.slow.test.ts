// Checks in the background: patient with stores, quick with fresh copies, and by lot where copies are large.
import { randomFillSync } from 'node:crypto'
import { chmodSync, mkdirSync, readdirSync, renameSync, rmdirSync } from 'node:fs'
import { join, relative } from 'node:path'
import { eq } from 'drizzle-orm'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { EscrowError } from '../../src/core/errors.js'
import { partBytes } from '../../src/core/limits.js'
import { logEntryTable } from '../../src/log/log.table.js'
import { parseObjectKey } from '../../src/store/object-key.js'
import { ReplicaSet } from '../../src/store/replica-set.js'
import { CheckFixity } from '../../src/verify/check-fixity.js'
import { RepairObject } from '../../src/verify/repair-object.js'
import { SpotCheck } from '../../src/verify/spot-check.js'
import { countCopies } from '../../src/verify/verify.table.js'
import { GitFixture } from '../doubles/git-fixture.js'
import { ServiceFixture } from '../doubles/service-fixture.js'
import { dayMs } from '../doubles/moments.js'
import { flipBit } from './service-life.js'

let service: ServiceFixture
let repository: GitFixture
/** In replica `a`. */
let envelope: string

beforeAll(async () => {
  repository = new GitFixture()
  const tip = repository.addCommits('refs/heads/main', 1)
  // What does not compress makes an envelope of two parts.
  const blob = repository.writeRaw('blob', randomFillSync(Buffer.alloc(partBytes + 100_000)))
  const tag = `object ${tip}\ntype commit\ntag large\ntagger Ada <ada@example.org> 1700000000 +0000\n\n`
  repository.addRefs(['refs/tags/large'], repository.writeRaw('tag', tag))
  repository.addRefs(['refs/tags/blob'], blob)
  service = await ServiceFixture.open()
  const agreed = await service.agree([{ source: 'large', url: repository.path }])
  await service.mirror(agreed, 'large')
  await service.publish()
  const folder = service.replica('a', 'objects')
  const found = readdirSync(folder, { recursive: true, encoding: 'utf8' }).find((name) => name.endsWith('.bundle.age'))
  envelope = join(folder, found ?? '')
})
afterAll(async () => {
  await service?.close()
  repository?.remove()
})

const background = () => service.get(CheckFixity).run({ all: false, replica: null, background: true })
const states = async () => {
  const counted = await service.database.query((db) => countCopies(db))
  return Object.fromEntries(counted.filter(({ replica }) => replica === 'a').map(({ state, copies }) => [state, copies]))
}
const events = async () => {
  const found = await service.database.query((db) =>
    db
      .select({ place: logEntryTable.tagNumber })
      .from(logEntryTable)
      .where(eq(logEntryTable.eventType, 'escrow/event/fixity-mismatch-found/v1')),
  )
  return found.length
}
/** The disk of replica `a` is not mounted: its folder is empty. */
const unmount = () => {
  renameSync(service.replica('a'), `${service.replica('a')}.away`)
  mkdirSync(service.replica('a'))
}
const mount = () => {
  rmdirSync(service.replica('a'))
  renameSync(`${service.replica('a')}.away`, service.replica('a'))
}

test('what is fresh is read at once, again after a week, and later at growing intervals', async () => {
  const first = await background()
  expect(first.bad).toEqual([])
  expect(first.copies).toBeGreaterThan(4)
  expect((await background()).copies).toBe(0)
  service.clock.advance(6.5 * dayMs)
  expect((await background()).copies).toBe(0)
  service.clock.advance(dayMs)
  expect((await background()).copies).toBe(first.copies)
  service.clock.advance(8 * dayMs)
  expect((await background()).copies).toBe(0)
})

test('a store that is away for a moment alarms nobody, and is asked again soon', async () => {
  service.clock.advance(20 * dayMs)
  unmount()
  const { bad, copies } = await background()
  expect(new Set(bad.map(({ replica, outcome }) => `${replica} ${outcome}`))).toEqual(new Set(['a unreadable']))
  expect([Object.keys(await states()), await events()]).toEqual([['present'], 0])
  mount()
  service.clock.advance(16 * 60_000)
  expect(await background()).toMatchObject({ copies: copies / 2, bad: [] })
})

test('a store that stays away keeps nobody from reading the others', async () => {
  service.clock.advance(200 * dayMs)
  unmount()
  const { copies } = await background()
  service.clock.advance(16 * 60_000)
  const again = await background()
  expect([again.copies, again.bad.length, await events()]).toEqual([copies / 2, copies / 2, 0])
  mount()
  service.clock.advance(16 * 60_000)
  // All but the service's own README, which is in no log and was marked at once.
  expect(await background()).toMatchObject({ copies: copies / 2 - 1, bad: [] })
})

test('a copy that cannot be read twice in a row is told of', async () => {
  service.clock.advance(100 * dayMs)
  const { store } = service.get(ReplicaSet).named('a')
  const read = store.get.bind(store)
  const broken = vi.spyOn(store, 'get').mockImplementation((key, ...rest) => {
    if (!key.endsWith('.bundle.age')) return read(key, ...rest)
    throw new EscrowError('STORE_REFUSED', 'input/output error')
  })
  await background()
  expect([await events(), Object.keys(await states())]).toEqual([0, ['present']])
  service.clock.advance(16 * 60_000)
  expect(await background()).toMatchObject({ copies: 1, bad: [{ outcome: 'unreadable' }] })
  expect([await states(), await events()]).toEqual([expect.objectContaining({ unreadable: 1 }), 1])
  broken.mockRestore()
  service.clock.advance(2 * dayMs)
  await background()
  expect(await states()).not.toHaveProperty('unreadable')
})

test('other bytes laid over a locked copy are a mismatch, and the repair puts the right ones on top again', async () => {
  service.clock.advance(2 * dayMs)
  await background()
  const { store } = service.get(ReplicaSet).named('a')
  const key = parseObjectKey(relative(service.replica('a'), envelope))
  const locked = await store.stat(key)
  const upload = await store.openUpload(key, { retainUntil: service.clock.now(), supersede: true })
  await upload.write(Buffer.from('not the envelope'))
  const { versionId } = await upload.complete()
  const everything = () => service.get(CheckFixity).run({ all: true, replica: 'a' })
  expect((await everything()).bad).toEqual([{ key, replica: 'a', outcome: 'mismatch' }])
  const { repaired } = await service.get(RepairObject).run('a')
  expect(repaired).toMatchObject([{ key, replica: 'a' }])
  expect((await everything()).bad).toEqual([])
  const versions = await store.versions(key)
  expect(versions.map((one) => one.versionId)).toEqual([repaired[0]?.versionId, versionId, locked?.versionId])
})

test('a spot check finds damage between full checks, and a full check says what it is', async () => {
  const spots = service.get(SpotCheck)
  expect(await spots.run()).toEqual({ parts: 2, suspected: 0 })
  expect((await background()).copies).toBe(0)
  chmodSync(envelope, 0o644)
  flipBit(envelope)
  let suspected = 0
  // One part of two is bad: some round draws it.
  for (let round = 0; round < 60 && suspected === 0; round += 1) suspected = (await spots.run()).suspected
  expect(suspected).toBe(1)
  expect(await states()).not.toHaveProperty('mismatch')
  expect((await background()).bad).toEqual([expect.objectContaining({ replica: 'a', outcome: 'mismatch' })])
  expect(await states()).toMatchObject({ mismatch: 1 })
})
