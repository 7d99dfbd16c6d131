import { setTimeout as pause } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { SystemEntropy } from '../../src/core/environment.js'
import { EventLog } from '../../src/log/event-log.js'
import { takeTurns } from '../../src/log/log-turn.table.js'
import { listChain } from '../../src/log/log.table.js'
import type { ObjectStore } from '../../src/store/object-store.js'
import { ReplicaSet } from '../../src/store/replica-set.js'
import { LogFixture, missed } from '../doubles/log-fixture.js'

let log: LogFixture
beforeAll(async () => {
  log = await LogFixture.open(['north'])
})
afterAll(() => log.close())

const nothing = async () => undefined

/** A process whose store takes its time: a quicker one has always recorded in between. */
function slowProcess(): { readonly events: EventLog; readonly puts: () => number } {
  let puts = 0
  const replicas = log.replicas.replicas.map((replica) => {
    const openUpload: ObjectStore['openUpload'] = async (...request) => {
      puts += 1
      await pause(60)
      return replica.store.openUpload(...request)
    }
    return { ...replica, store: Object.assign(Object.create(replica.store) as ObjectStore, { openUpload }) }
  })
  const events = new EventLog(log.database, new ReplicaSet(replicas), log.clock, new SystemEntropy(), log.retainUntil)
  return { events, puts: () => puts }
}

test('a process whose store is slow records on a subject on which a quick one records without pause', async () => {
  const slow = slowProcess()
  const quick = log.events()
  const over = new AbortController()
  const others = (async () => {
    for (let day = 1; !over.signal.aborted && day < 2_000; day += 1) await quick.record(missed('busy', day), nothing)
  })()
  let tag = ''
  try {
    for (let day = 1; day <= 3; day += 1) ({ tag } = await slow.events.record(missed('busy', 2_000 + day), nothing))
  } finally {
    over.abort()
    await others
  }
  // Late once, then first; the quick one may have been under way when it was asked to wait.
  expect(slow.puts()).toBeLessThanOrEqual(9)
  const numbers = (await log.inner.query((db) => listChain(db, tag, 0, 100))).map((row) => row.tagNumber)
  expect(numbers).toEqual(numbers.map((_, at) => at + 1))
})

test('the turn of a process that died lapses, and others go on', async () => {
  const [first] = await log.events().recordAll([missed('quiet', 1)], nothing)
  const now = log.clock.now()
  const wish = { tags: [first?.tag ?? ''], holder: 'dead', now }
  expect(await log.inner.transaction((tx) => takeTurns(tx, wish, new Date(now.getTime() + 10_000)))).toBe(true)
  let recorded = false
  const waiting = log
    .events()
    .record(missed('quiet', 2), nothing)
    .then(() => (recorded = true))
  await pause(100)
  expect(recorded).toBe(false)
  log.clock.advance(10_001)
  await waiting
  expect(recorded).toBe(true)
})

test('two who want turns on several subjects get all or none of them', async () => {
  const now = log.clock.now()
  const until = new Date(now.getTime() + 10_000)
  const [a, b, c] = ['a', 'b', 'c'].map((letter) => letter.repeat(64)) as [string, string, string]
  const take = (holder: string, tags: readonly string[]) => log.inner.transaction((tx) => takeTurns(tx, { tags, holder, now }, until))
  expect(await take('one', [b, a])).toBe(true)
  expect(await take('one', [a, b])).toBe(true)
  expect(await take('two', [c, b])).toBe(false)
})
