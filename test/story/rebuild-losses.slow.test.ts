import { afterEach, beforeEach, expect, test } from 'vitest'
import { PublishLog } from '../../src/escrow/deposit/publish-log.js'
import { RecordMissed } from '../../src/escrow/source/record-missed.js'
import { CheckFixity } from '../../src/verify/check-fixity.js'
import { RebuildIndex } from '../../src/verify/rebuild-index.js'
import { dayMs } from '../doubles/moments.js'
import { deleteFile, dumpIndex, flipBit, overwrite, ServiceLife } from './service-life.js'

let life: ServiceLife
beforeEach(async () => {
  life = await ServiceLife.begin(12)
})
afterEach(() => life.close())

test('an index that was lost is rebuilt row by row although each replica has lost something, and the service goes on', async () => {
  const { service, first } = life
  await life.live(6)
  const told = ['agreement-registered', 'deposit-missed', 'deposit-refused', 'deposit-stored', 'deposit-unchanged']
  const toldToo = ['findings-explained', 'fixity-mismatch-found', 'object-repaired', 'vault-armed']
  expect(life.toldOf()).toEqual([...told, ...toldToo].map((name) => `escrow/event/${name}/v1`))
  const before = await dumpIndex(service.database)
  expect(before['deposit']?.length).toBeGreaterThan(4)
  expect(before['replica_copy']?.filter((row) => row['state'] === 'superseded')).toHaveLength(2)
  expect(before['fixity_check']).toHaveLength(3)

  // What one replica has lost or altered is read from the other, tile by tile and document by document.
  const [eventA = '', eventB = ''] = [
    life.files('a', /^events\/[0-9a-f]{64}\.json$/)[0],
    life.files('b', /^events\/[0-9a-f]{64}\.json$/)[1],
  ]
  deleteFile(eventA)
  flipBit(eventB)
  for (const path of life.files('a', /tile\/entries\/.*\/\d+$/, 'heads')) overwrite(path, 'nothing of the kind')
  for (const path of life.files('b', /tile\/0\/.*\/\d+$/, 'heads')) deleteFile(path)
  deleteFile(life.files('a', /^checkpoint$/, 'heads')[0] ?? '')
  await service.loseDatabase()
  const rebuilt = await service.get(RebuildIndex).run()
  expect(rebuilt.absent).toEqual([])
  expect(await dumpIndex(service.database)).toEqual(before)
  await expect(service.get(RebuildIndex).run()).rejects.toMatchObject({ code: 'DATABASE_NOT_EMPTY' })

  // Nothing is deposited twice, and the next deposit is the next of its chain.
  expect((await service.mirror(first, 'tools')).outcome).toBe('unchanged')
  life.repositories[1].addCommits('refs/heads/main', 1, { label: 'after the rebuild' })
  const next = await service.mirror(first, 'tools')
  expect(next).toMatchObject({ outcome: 'deposited', manifest: { kind: 'incremental' } })
  await service.publish()
  expect((await service.get(CheckFixity).run({ all: true, replica: null })).bad).toEqual([])
})

test('what no leaf stands for never happened, and is recorded anew', async () => {
  const { service, first } = life
  await service.mirror(first, 'engine')
  await service.publish()
  service.clock.advance(2 * dayMs)
  const pending = await service.get(RecordMissed).run()
  expect(pending.length).toBeGreaterThan(0)

  await service.loseDatabase()
  await service.get(RebuildIndex).run()
  const again = await service.get(RecordMissed).run()
  expect(again.map(({ source, periodAt }) => `${source} ${periodAt.toISOString()}`)).toEqual(
    pending.map(({ source, periodAt }) => `${source} ${periodAt.toISOString()}`),
  )
  await service.publish()
})

test('a deposit that was stored but not logged when the index was lost is published under the name that it has used up', async () => {
  const { service, first, repositories } = life
  const [engine, tools] = repositories
  await service.mirror(first, 'engine')
  await service.mirror(first, 'tools')
  await service.publish()
  engine.addCommits('refs/heads/main', 1, { label: 'not logged' })
  tools.addCommits('refs/heads/main', 1, { label: 'not logged either' })
  const lost = [await service.mirror(first, 'engine'), await service.mirror(first, 'tools')]
  // One of them is a manifest that somebody else has laid there, and one whose envelope is gone would be no deposit either.
  for (const replica of ['a', 'b']) overwrite(life.files(replica, /tools\/0000000002-incremental\/manifest\.json$/)[0] ?? '', '{}')

  await service.loseDatabase()
  expect(await service.get(RebuildIndex).run()).toMatchObject({ unlogged: 1, absent: [] })
  engine.addCommits('refs/heads/main', 1, { label: 'after the rebuild' })
  const resumed = await service.mirror(first, 'engine')
  expect(resumed).toMatchObject({ outcome: 'deposited', resumed: true, depositId: lost[0]?.outcome === 'deposited' && lost[0].depositId })
  expect(await service.mirror(first, 'engine')).toMatchObject({ outcome: 'deposited', resumed: false, manifest: { sequence: 3 } })
  await service.publish()
  expect((await service.get(CheckFixity).run({ all: true, replica: null })).bad).toEqual([])
})

test('without the index nothing is signed, and a rebuild of a log that is not whole stops', async () => {
  const { service, first } = life
  await service.mirror(first, 'engine')
  await service.publish()
  await service.loseDatabase()
  // The service itself refuses to begin a second history on an empty index.
  await expect(service.get(PublishLog).run()).rejects.toMatchObject({ code: 'LOG_ROLLED_BACK' })

  await service.loseDatabase()
  const lost = ['a', 'b'].map((name) => life.files(name, /^events\/[0-9a-f]{64}\.json$/)[2] ?? '')
  for (const path of lost) deleteFile(path)
  await expect(service.get(RebuildIndex).run()).rejects.toMatchObject({ code: 'OBJECT_MISSING' })

  await service.loseDatabase()
  for (const name of ['a', 'b']) for (const path of life.files(name, /tile\/entries\/.*\/\d+$/, 'heads')) flipBit(path)
  await expect(service.get(RebuildIndex).run()).rejects.toMatchObject({ code: 'LOG_INCONSISTENT' })
})
