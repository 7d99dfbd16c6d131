// An operator adds a store to an archive that lives: every party is told, the store is filled and checked, and in the end it stands alone.
import { renameSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { Config } from '../../config/schema.js'
import { makeReplicas } from '../../src/adapters.module.js'
import type { Database } from '../../src/db/database.js'
import { logEntryTable } from '../../src/log/log.table.js'
import { CheckFixity } from '../../src/verify/check-fixity.js'
import { CheckLog } from '../../src/verify/check-log.js'
import { RebuildIndex } from '../../src/verify/rebuild-index.js'
import { RepairLog } from '../../src/verify/repair-log.js'
import { RepairObject } from '../../src/verify/repair-object.js'
import { FailingDatabase, FailingWrites } from '../doubles/failing-writes.js'
import { testDatabase, type TestDatabase } from '../doubles/test-database.js'
import { dumpIndex, ServiceLife } from './service-life.js'

let life: ServiceLife
let database: TestDatabase
beforeEach(async () => {
  database = await testDatabase()
  // It outlives the processes of this test, as a server does.
  const outliving: Database = {
    exclusive: database.exclusive,
    query: (run) => database.query(run),
    read: (statement, asked) => database.read(statement, asked),
    transaction: (run) => database.transaction(run),
    close: () => Promise.resolve(),
  }
  life = await ServiceLife.begin(24, { database: outliving })
  await life.service.mirror(life.first, 'engine')
  await life.service.mirror(life.second, 'firmware')
  await life.service.publish()
})
afterEach(async () => {
  await life.close()
  await database.close()
})

/** Start the service, which was stopped, with these replicas. */
async function start(...names: readonly string[]): Promise<void> {
  const { service } = life
  const [first] = service.config.replicas
  const replicas = names.map((name) => ({ ...first, name, path: join(service.home, 'replicas', name) })) as Config['replicas']
  await makeReplicas(replicas)
  service.config = { ...service.config, replicas }
  await service.start()
}

/** Whose log says that a replica was added. */
async function toldOf(replica: string): Promise<readonly string[]> {
  const rows = await database.query((db) => db.select({ leaf: logEntryTable.leafHash }).from(logEntryTable))
  const leaves = new Set(rows.map(({ leaf }) => leaf))
  const events = life.events().filter(({ leafHash, event }) => leaves.has(leafHash) && 'replica' in event && event.replica === replica)
  return events
    .filter(({ event }) => event.type === 'escrow/event/replica-added/v1')
    .map(({ event }) => event.agreement)
    .sort()
}

test('a replica that is added later is told of in every agreement, filled, checked, and enough when all others are lost', async () => {
  const { service, first, second } = life
  await service.app.close()
  await start('a', 'b', 'c')
  expect(await toldOf('c')).toEqual([first.id, second.id].sort())
  // Until it is filled, nothing that counts on it is said to be there.
  const { repaired, failed } = await service.get(RepairObject).run(null)
  expect(failed).toEqual([])
  expect(repaired.length).toBeGreaterThan(8)
  expect(new Set(repaired.map(({ replica }) => replica))).toEqual(new Set(['c']))
  const log = await service.get(RepairLog).run({ replica: null })
  expect([log.failed, log.repaired.length > 0]).toEqual([[], true])
  await service.mirror(first, 'tools')
  await service.publish()
  const { bad, copies } = await service.get(CheckFixity).run({ all: true, replica: 'c' })
  expect([bad, copies]).toEqual([[], (await service.get(CheckFixity).run({ all: true, replica: 'a' })).copies])
  const before = await dumpIndex(service.database)

  // The first two stores burn down, and the index with them.
  for (const name of ['a', 'b']) renameSync(service.replica(name), `${service.replica(name)}.burnt`)
  const [kept] = service.config.replicas.filter(({ name }) => name === 'c')
  service.config = { ...service.config, replicas: [kept!] }
  await service.loseDatabase()
  await service.get(RebuildIndex).run()
  const after = await dumpIndex(service.database)
  for (const table of ['deposit', 'log_entry', 'stored_object', 'agreement'])
    expect(after[table]?.length, table).toBe(before[table]?.length)
  expect((await service.get(CheckFixity).run({ all: true, replica: 'c' })).bad).toEqual([])
  life.repositories[0].addCommits('refs/heads/main', 1, { label: 'after the fire' })
  expect(await service.mirror(first, 'engine')).toMatchObject({ outcome: 'deposited', manifest: { kind: 'incremental' } })
  await service.publish()
  expect((await service.get(CheckLog).run({ events: true })).findings).toEqual([])
})

test('a start that breaks off while parties are told is made good by the next', async () => {
  const { service, first, second } = life
  const writes = new FailingWrites()
  const sound = service.database
  let at = 0
  do {
    at += 1
    await service.app.close()
    service.database = new FailingDatabase(sound, writes)
    writes.plan(at, 'not stored, then dead')
    const names = ['a', 'b', `c${at}`]
    const started = await start(...names).then(
      () => true,
      () => false,
    )
    writes.revive()
    service.database = sound
    if (!started) await start(...names)
    expect(await toldOf(`c${at}`), `write ${at}`).toEqual([first.id, second.id].sort())
  } while (writes.struck)
  expect(at).toBeGreaterThan(1)
})
