import { expect, test } from 'vitest'
import { writeFaults } from '../doubles/failing-writes.js'
import { LogFixture } from '../doubles/log-fixture.js'
import { surviveEveryWrite } from './published-log.js'

test.for(writeFaults)('sequencing to two replicas survives a fault at every write: %s', async (fault) => {
  const log = await LogFixture.open()
  expect(await surviveEveryWrite(log, fault)).toBeGreaterThan(15)
  await log.close()
})
