import { expect, test } from 'vitest'
import { isEscrowError } from '../../../src/core/errors.js'
import { handlersWith } from '../../contract/job-queue.contract.js'
import { JobObserver } from '../../../src/jobs/job-observer.js'
import type { QueueConnection } from '../../../src/jobs/queue-connection.js'
import { withTimeLimit } from '../../../src/jobs/time-limit.js'
import { JobWorker } from '../../../src/jobs/worker.js'

const never = new AbortController().signal
const untilAborted = (signal: AbortSignal) =>
  new Promise<never>((_, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true }))

test('work that ends in time is let be', async () => {
  expect(await withTimeLimit({ timeLimitMs: 1000 }, async () => 7, never)).toBe(7)
})

test('work that takes too long is told to stop, and why', async () => {
  const error = await withTimeLimit({ timeLimitMs: 10 }, untilAborted, never).catch((caught: unknown) => caught)
  expect(isEscrowError(error, 'JOB_TIMEOUT')).toBe(true)
})

test('work that does not listen is left behind', async () => {
  const deaf = new Promise<never>(() => undefined)
  const error = await withTimeLimit({ timeLimitMs: 10, stopMs: 10 }, () => deaf, never).catch((caught: unknown) => caught)
  expect(isEscrowError(error, 'JOB_TIMEOUT')).toBe(true)
})

test.for(['before', 'while'])('work that is aborted %s it runs ends with the reason of whoever aborted it', async (when) => {
  const stop = new AbortController()
  if (when === 'before') stop.abort(new Error('stop'))
  const ended = withTimeLimit({ timeLimitMs: 60_000, stopMs: 10 }, untilAborted, stop.signal)
  stop.abort(new Error('stop'))
  await expect(ended).rejects.toThrow('stop')
})

test('a worker without exactly one handler for every job refuses to be made', () => {
  const make = (handlers: ReturnType<typeof handlersWith>) =>
    new JobWorker({} as QueueConnection, handlers, new JobObserver({ write: () => undefined }), {
      atOnce: { deposits: 1, checks: 1, clocks: 1 },
    })
  const all = handlersWith({})
  expect(() => make(all)).not.toThrow()
  expect(() => make(all.slice(1))).toThrow(/exactly one handler .*mirror-source/)
  expect(() => make([...all, all[0]!])).toThrow(/exactly one handler .*mirror-source/)
})
