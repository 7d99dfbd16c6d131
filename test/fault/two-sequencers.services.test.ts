import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { isEscrowError } from '../../src/core/errors.js'
import { PostgresDatabase } from '../../src/db/postgres-database.js'
import { openCheckpoint } from '../../src/format/checkpoint.js'
import { checkTiles } from '../../src/format/check-tiles.js'
import { listLeaves } from '../../src/log/log.table.js'
import { LogFixture, missed, policy } from '../doubles/log-fixture.js'
import { NaiveMerkle } from '../doubles/naive-merkle.js'
import { emptyAllTables } from '../doubles/test-database.js'
import { serviceAddress } from '../services/addresses.js'

const open = () => PostgresDatabase.open({ url: serviceAddress('postgres'), poolMax: 8 })

test('two processes that record and sequence at once make one log', async () => {
  const index = await open()
  await index.transaction((tx) => emptyAllTables(tx))
  const log = await LogFixture.open(['north', 'south'], index)
  const second = await open()
  const processes = [log, log.over(second)]
  const perProcess = 120
  await Promise.all(processes.flatMap((one) => [recordAtOnce(one, perProcess), sequenceUntil(one, 2 * perProcess)]))
  await expectOneLog(log, 2 * perProcess)
  await second.close()
  await log.close()
})

/** Four workers of one process, on sources that the other process records on too. */
async function recordAtOnce(one: LogFixture, count: number): Promise<void> {
  const events = one.events()
  const work = async (_: unknown, worker: number) => {
    for (let day = 0; day < count / 4; day += 1) await events.record(missed(`source-${worker % 2}`, day + 1), async () => undefined)
  }
  await Promise.all(Array.from({ length: 4 }, work))
}

/** Step after step, as the ticker does it; somebody else's turn is no fault. */
async function sequenceUntil(one: LogFixture, size: number): Promise<void> {
  const sequencer = one.sequencer()
  for (;;) {
    try {
      if ((await sequencer.run()).size === size) return
    } catch (error) {
      if (!isEscrowError(error, 'LEASE_HELD')) throw error
    }
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

async function expectOneLog(log: LogFixture, size: number): Promise<void> {
  const checkpoint = openCheckpoint(await readFile(join(log.home, 'north', 'heads', 'checkpoint')), policy)
  expect(checkpoint.size).toBe(size)
  const entries: Uint8Array[] = []
  const visit = (_: number, some: readonly Uint8Array[]) => void entries.push(...some.map((entry) => entry.slice()))
  for (const replica of log.replicas.replicas) {
    entries.length = 0
    expect(await checkTiles(checkpoint, log.store.reader(replica), { visit })).toEqual({ leaves: size, findings: [] })
  }
  const tree = new NaiveMerkle(entries)
  for (const { name, bytes } of log.heads.flatMap(({ written }) => written)) {
    if (name !== 'checkpoint') continue
    const shown = openCheckpoint(bytes, policy)
    expect(tree.root(0, shown.size).equals(shown.root)).toBe(true)
  }
  const rows = await log.inner.query((db) => listLeaves(db, 0, size))
  for (const tag of new Set(rows.map((row) => row.tag))) {
    const numbers = rows.filter((row) => row.tag === tag).map((row) => row.tagNumber)
    expect(numbers).toEqual(numbers.map((_, at) => at + 1))
  }
}
