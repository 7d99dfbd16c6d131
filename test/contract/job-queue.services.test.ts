import { Redis } from 'ioredis'
import { postgresQueue, redisQueue } from '../../src/jobs/queue-connection.js'
import { serviceAddress } from '../services/addresses.js'
import { jobQueueContract } from './job-queue.contract.js'
import { beforeAll } from 'vitest'

beforeAll(async () => {
  const redis = new Redis(serviceAddress('redis'))
  await redis.flushall()
  await redis.quit()
})

jobQueueContract('Redis', () => redisQueue(serviceAddress('redis')))
jobQueueContract('PostgreSQL', () => postgresQueue(serviceAddress('postgres')))
