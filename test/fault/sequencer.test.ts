import { sql } from 'drizzle-orm'
import { chmod, readFile, readdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { EscrowError } from '../../src/core/errors.js'
import { signCheckpoint } from '../../src/format/checkpoint.js'
import { expectNoForkOf, publishedAt, surviveEveryWrite } from './published-log.js'
import { writeFaults } from '../doubles/failing-writes.js'
import { LogFixture, logKey, missed, origin } from '../doubles/log-fixture.js'
import { Sequencer } from '../../src/log/sequencer.js'
import { findEntry, listChain, listLeaves, readHead, takeHeadLease } from '../../src/log/log.table.js'

let log: LogFixture
beforeEach(async () => {
  log = await LogFixture.open()
})
afterEach(() => log.close())

const refused = (code: string) => expect.objectContaining({ name: 'EscrowError', code })
const at = (replica: string, ...path: string[]) => join(log.home, replica, ...path)

const published = (replica = 'north') => publishedAt(log, replica)
const expectNoFork = () => expectNoForkOf(log)

test('recorded events are published in their order, on every replica, with event files behind them', async () => {
  await log.record(3, 'engine')
  await log.record(2, 'tools')
  expect(await log.sequencer().run()).toMatchObject({ size: 5, published: 5, more: false })
  const [north, south] = [await published('north'), await published('south')]
  expect(north).toEqual(south)
  const rows = await log.inner.query((db) => listLeaves(db, 0, 5))
  expect(rows.map(({ subject, tagNumber }) => `${subject} ${tagNumber}`)).toEqual([
    'engine 1',
    'engine 2',
    'engine 3',
    'tools 1',
    'tools 2',
  ])
  for (const { leafHash } of rows) {
    const file = await readFile(at('south', 'store', 'events', `${leafHash}.json`))
    expect(file.toString()).toContain('"type":"escrow/event-record/v1"')
  }
})

test('a step with nothing to do signs nothing', async () => {
  await log.record(1)
  const sequencer = log.sequencer()
  await sequencer.run()
  const before = log.heads[0]!.written.length
  expect(await sequencer.run()).toMatchObject({ size: 1, published: 0, restored: [] })
  expect(log.heads[0]!.written.length).toBe(before)
})

test('a tree is shown when every replica has its tiles, and believed when every replica shows it', async () => {
  await log.record(3)
  const known: number[] = []
  for (const heads of log.heads) {
    const write = heads.write.bind(heads)
    heads.write = async (name, bytes, signal) => {
      if (name === 'checkpoint') {
        for (const { written } of log.heads)
          expect(written.map((one) => one.name)).toEqual(expect.arrayContaining(['tile/0/000.p/3', 'tile/entries/000.p/3']))
        known.push((await log.inner.query((db) => readHead(db))).size)
      }
      return write(name, bytes, signal)
    }
  }
  await log.sequencer().run()
  expect(known).toEqual([0, 0])
})

test('an empty log publishes nothing', async () => {
  expect(await log.sequencer().run()).toMatchObject({ size: 0, published: 0 })
  expect(log.heads[0]!.written).toEqual([])
})

test('the log grows over tile boundaries, by one process or by many', async () => {
  const first = log.sequencer()
  for (const count of [255, 1, 1, 300]) {
    await log.seed(count)
    await (count === 300 ? log.sequencer() : first).run()
  }
  expect((await published()).size).toBe(557)
  await expectNoFork()
})

test('several events of one subject recorded together follow each other', async () => {
  const recorded = await log.events().recordAll([missed('engine', 1), missed('tools'), missed('engine', 2)], async () => undefined)
  const [first, , third] = recorded.map(({ event }) => event.chain)
  expect(first).toEqual({ number: 1, previous: null })
  expect(third).toEqual({ number: 2, previous: recorded[0]!.leafHash })
})

test('two who record for one subject at once get numbers one after the other', async () => {
  await Promise.all(Array.from({ length: 8 }, (_, day) => log.events().record(missed('engine', day + 1), async () => undefined)))
  const { tag } = await log.events().record(missed('engine'), async () => undefined)
  const chain = await log.inner.query((db) => listChain(db, tag, 0, 100))
  expect(chain.map(({ tagNumber }) => tagNumber)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9])
})

test('a change that throws leaves no entry', async () => {
  const failing = log.events().record(missed('engine'), async () => {
    throw new EscrowError('DEPOSIT_STATE', 'the deposit is gone')
  })
  await expect(failing).rejects.toThrow(refused('DEPOSIT_STATE'))
  expect(await log.sequencer().run()).toMatchObject({ size: 0 })
})

test('a draft that is no event is refused before anything is stored', async () => {
  const { draft, tagSecret } = missed('engine')
  const wrong = { tagSecret, draft: { ...draft, subject: 'Not A Slug' } as never }
  await expect(log.events().record(wrong, async () => undefined)).rejects.toThrow(refused('FORMAT_INVALID'))
  expect(await readdir(at('north', 'store'))).toEqual(['.incoming'])
})

test.for(writeFaults)('recording survives a fault at every write: %s', async (fault) => {
  for (let write = 1; ; write += 1) {
    log.writes.plan(write, fault)
    let leaf: string | null = null
    try {
      leaf = (await log.events().record(missed('engine', write), async () => undefined)).leafHash
    } catch (error) {
      expect(error).toBeInstanceOf(EscrowError)
    }
    const { struck } = log.writes
    log.writes.revive()
    // What was promised is there; and whatever is there has its file on both replicas.
    if (leaf !== null) expect(await log.inner.query((db) => findEntry(db, leaf))).not.toBeNull()
    if (!struck) break
  }
  await log.sequencer().run()
  const { size } = await published()
  const rows = await log.inner.query((db) => listLeaves(db, 0, size))
  for (const { leafHash } of rows) await readFile(at('south', 'store', 'events', `${leafHash}.json`))
})

// Every kind of fault, on two replicas, is in sequencer.slow.test.ts.
test('sequencing survives the loss of the answer to every write', async () => {
  const one = await LogFixture.open(['north'])
  expect(await surviveEveryWrite(one, 'answer lost')).toBeGreaterThan(10)
  await one.close()
})

test('a database older than the published log is refused, and nothing is signed', async () => {
  await log.record(2)
  await log.sequencer().run()
  const fresh = await LogFixture.open()
  try {
    // The same stores under an empty index: what an operator has who restored a backup from before the first entry.
    const older = log.over(fresh.inner)
    const before = log.heads[0]!.written.length
    await expect(older.sequencer().run()).rejects.toThrow(refused('LOG_ROLLED_BACK'))
    await older.record(5)
    await expect(older.sequencer().run()).rejects.toThrow(refused('LOG_ROLLED_BACK'))
    expect(log.heads[0]!.written.length).toBe(before)
  } finally {
    await fresh.close()
  }
})

test('an older database is refused by the locked tiles when every checkpoint is gone too', async () => {
  await log.seed(256)
  await log.sequencer().run()
  for (const replica of ['north', 'south']) await rm(at(replica, 'heads', 'checkpoint'))
  const fresh = await LogFixture.open()
  try {
    const older = log.over(fresh.inner)
    await expect(older.sequencer().run()).rejects.toThrow(refused('LOG_ROLLED_BACK'))
  } finally {
    await fresh.close()
  }
})

test('a replica whose unlocked place was rolled back or lost is brought up to date, and named', async () => {
  await log.record(3)
  await log.sequencer().run()
  const old = await readFile(at('south', 'heads', 'checkpoint'))
  await log.record(2)
  await log.sequencer().run()
  await writeFile(at('south', 'heads', 'checkpoint'), old)
  expect(await log.sequencer().run()).toMatchObject({ size: 5, published: 0, restored: ['south'] })
  expect(await published('south')).toEqual(await published('north'))
  await rm(at('north', 'heads', 'tile'), { recursive: true })
  await rm(at('north', 'heads', 'checkpoint'))
  expect(await log.sequencer().run()).toMatchObject({ restored: ['north'] })
  expect(await published('north')).toEqual(await published('south'))
})

test('every partial tile lost is made again from the index and the full tiles', async () => {
  await log.seed(600)
  await log.sequencer().run()
  for (const replica of ['north', 'south']) await rm(at(replica, 'heads', 'tile'), { recursive: true })
  await log.record(1)
  expect(await log.sequencer().run()).toMatchObject({ size: 601 })
  expect((await published()).size).toBe(601)
  await expectNoFork()
})

test('damaged partial tiles of upper levels are noticed and made again', async () => {
  await log.seed(600)
  await log.sequencer().run()
  for (const replica of ['north', 'south']) await writeFile(at(replica, 'heads', 'tile', '1', '000.p', '2'), new Uint8Array(64))
  await log.record(1)
  expect(await log.sequencer().run()).toMatchObject({ size: 601 })
})

test('damaged full tiles that nothing can make good stop the log instead of a signature under a wrong tree', async () => {
  await log.seed(300)
  await log.sequencer().run()
  for (const replica of ['north', 'south']) {
    await rm(at(replica, 'heads', 'tile'), { recursive: true })
    await chmod(at(replica, 'store', 'tile', '0', '000'), 0o644)
    await writeFile(at(replica, 'store', 'tile', '0', '000'), new Uint8Array(8192))
  }
  await log.record(1)
  await expect(log.sequencer().run()).rejects.toThrow(refused('LOG_INCONSISTENT'))
})

test('another tree of the same size, signed with our key, is a fork', async () => {
  await log.record(2)
  await log.sequencer().run()
  await writeFile(at('south', 'heads', 'checkpoint'), signCheckpoint({ origin, size: 2, root: new Uint8Array(32).fill(9) }, logKey))
  await log.record(1)
  await expect(log.sequencer().run()).rejects.toThrow(refused('LOG_FORKED'))
})

test('an earlier tree that is no beginning of ours is a fork', async () => {
  await log.record(5)
  await log.sequencer().run()
  await writeFile(at('south', 'heads', 'checkpoint'), signCheckpoint({ origin, size: 3, root: new Uint8Array(32).fill(9) }, logKey))
  await expect(log.sequencer().run()).rejects.toThrow(refused('LOG_FORKED'))
})

test('a tree that was shown but not kept, and is not what the index has, is a fork', async () => {
  await log.record(2)
  await log.sequencer().run()
  await log.record(1)
  const plan = log.writes
  // Die after places were given (open, lease, places), before anything is published.
  plan.plan(4, 'not stored, then dead')
  await expect(log.sequencer().run()).rejects.toThrow(EscrowError)
  plan.revive()
  await writeFile(at('south', 'heads', 'checkpoint'), signCheckpoint({ origin, size: 3, root: new Uint8Array(32).fill(9) }, logKey))
  await expect(log.sequencer().run()).rejects.toThrow(refused('LOG_FORKED'))
})

test('a checkpoint under another key stops the log: the key was changed, or somebody else writes here', async () => {
  await log.record(1)
  await log.sequencer().run()
  const text = (await readFile(at('south', 'heads', 'checkpoint'))).toString()
  await writeFile(at('south', 'heads', 'checkpoint'), text.replace(/=\n$/, '=\n').replace('\n1\n', '\n2\n'))
  await log.record(1)
  const message = expect.stringMatching(/put the right log key and origin back. Nothing was signed/) as string
  await expect(log.sequencer().run()).rejects.toMatchObject({ code: 'CHECKPOINT_INVALID', message })
})

test('a checkpoint that is no checkpoint at all is written again', async () => {
  await log.record(1)
  await log.sequencer().run()
  await writeFile(at('south', 'heads', 'checkpoint'), 'disk noise')
  expect(await log.sequencer().run()).toMatchObject({ restored: ['south'] })
})

test('an index row that was changed stops the log', async () => {
  await log.record(1)
  await log.sequencer().run()
  await log.record(1)
  await log.inner.transaction((tx) =>
    tx.execute(sql`update log_entry set event_digest = decode(repeat('00', 32), 'hex') where log_index is null`),
  )
  await expect(log.sequencer().run()).rejects.toThrow(refused('LOG_INCONSISTENT'))
})

test('an index that lacks a leaf to which it gave a place stops the log', async () => {
  await log.record(1)
  await log.sequencer().run()
  await log.inner.transaction((tx) => tx.execute(sql`update log_head set assigned_size = assigned_size + 1`))
  await expect(log.sequencer().run()).rejects.toThrow(refused('LOG_INCONSISTENT'))
})

test('the index of another log gets no second one on top, although no replica shows the first', async () => {
  await log.record(1)
  await log.sequencer().run()
  const fresh = await LogFixture.open(['elsewhere'], log.inner)
  const identity = { origin: `${origin}/second`, signer: logKey, holder: 'other', retainUntil: log.retainUntil, witnesses: null }
  await expect(new Sequencer(fresh.database, fresh.store, log.clock, identity).run()).rejects.toThrow(refused('LOG_INCONSISTENT'))
  expect(fresh.heads[0]!.written).toEqual([])
})

test('a replica whose checkpoint cannot be read may be the one that shows more: nothing is signed', async () => {
  await log.record(1)
  log.heads[1]!.read = () => Promise.reject(new EscrowError('STORE_UNREACHABLE', 'the disk does not answer (planned)'))
  await expect(log.sequencer().run()).rejects.toThrow(refused('STORE_UNREACHABLE'))
  expect(log.heads[0]!.written).toEqual([])
})

test.for(['tile', 'checkpoint'])('a sequencer that another process has overtaken publishes nothing: it waits at a %s', async (kind) => {
  const [slow, quick] = [log.sequencer(), log.sequencer()]
  await log.record(1)
  await slow.run()
  await log.record(1)
  // Both believe to be alone, as two processes on one PGlite folder would: the second takes the lease from the first.
  let release = () => undefined as void
  const hold = new Promise<void>((resolve) => (release = resolve))
  const north = log.heads[0]!
  const write = north.write.bind(north)
  north.write = async (name, bytes, signal) => {
    if (name.startsWith(kind)) await hold
    return write(name, bytes, signal)
  }
  const waiting = slow.run()
  await new Promise((resolve) => setTimeout(resolve, 50))
  north.write = write
  expect(await quick.run()).toMatchObject({ size: 2 })
  const shown = () => north.written.filter(({ name }) => name === 'checkpoint').length
  const before = shown()
  release()
  await expect(waiting).rejects.toThrow(refused('LEASE_LOST'))
  if (kind === 'tile') expect(shown()).toBe(before)
  await expectNoFork()
})

test('a lease that is held keeps a second process out', async () => {
  await log.record(1)
  const first = log.sequencer()
  await first.run()
  await log.inner.transaction((tx) => takeHeadLease(tx, { holder: 'somebody else', leaseMs: 60_000, lastToken: null, alone: true }))
  await expect(first.run()).rejects.toThrow(refused('LEASE_HELD'))
})

test('a clock that goes backwards changes nothing but the times', async () => {
  await log.record(2)
  await log.sequencer().run()
  log.clock.advance(-40 * 86_400_000)
  await log.record(2)
  expect(await log.sequencer().run()).toMatchObject({ size: 4 })
  await expectNoFork()
})

test('a replica that does not answer delays the log and loses nothing', async () => {
  await log.record(1)
  log.writes.plan(7, 'not stored')
  await expect(log.sequencer().run()).rejects.toThrow(EscrowError)
  log.writes.revive()
  expect(await log.sequencer().run()).toMatchObject({ size: 1 })
  expect((await log.inner.query((db) => readHead(db))).size).toBe(1)
})
