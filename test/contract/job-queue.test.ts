import { afterAll, beforeAll } from 'vitest'
import { pgliteQueue } from '../../src/jobs/queue-connection.js'
import { testDatabase, type TestDatabase } from '../doubles/test-database.js'
import { jobQueueContract } from './job-queue.contract.js'

let database: TestDatabase
beforeAll(async () => {
  database = await testDatabase()
  await pgliteQueue(database.session)
})
afterAll(() => database.close())

jobQueueContract('PGlite', () => pgliteQueue(database.session))
