import { postgresQueue, redisQueue } from '../../src/jobs/queue-connection.js'
import { serviceAddress } from '../services/addresses.js'
import { emptyRedis } from '../services/on-servers.js'
import { jobQueueContract } from './job-queue.contract.js'
import { beforeAll } from 'vitest'

beforeAll(emptyRedis)

jobQueueContract('Redis', () => redisQueue(serviceAddress('redis')))
jobQueueContract('PostgreSQL', () => postgresQueue(serviceAddress('postgres')))
