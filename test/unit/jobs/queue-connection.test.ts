import { describe, expect, test } from 'vitest'
import { redisQueue } from '../../../src/jobs/queue-connection.js'

describe('a Redis that cannot be used', () => {
  test('is refused in its own words, not only as a connection that is closed', async () => {
    // Port 1 is reserved (tcpmux), and nobody listens there.
    await expect(redisQueue('redis://:secret@127.0.0.1:1/0')).rejects.toMatchObject({
      code: 'QUEUE_UNAVAILABLE',
      message: expect.stringMatching(/^redis does not answer: connect ECONNREFUSED 127\.0\.0\.1:1$/),
    })
  })
})
