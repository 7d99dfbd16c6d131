import { expect, test } from 'vitest'
import { RebuildIndex } from '../../src/verify/rebuild-index.js'
import { dumpIndex, ServiceLife } from './service-life.js'

test('a history of several hundred events, with more than one entry bundle, is rebuilt row by row', async () => {
  const life = await ServiceLife.begin(1)
  try {
    await life.live(14)
    const before = await dumpIndex(life.service.database)
    expect(before['log_entry']?.length).toBeGreaterThan(300)
    await life.service.loseDatabase()
    await life.service.get(RebuildIndex).run()
    expect(await dumpIndex(life.service.database)).toEqual(before)
  } finally {
    await life.close()
  }
})
