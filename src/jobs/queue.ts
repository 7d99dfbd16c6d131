import { Queue, type IQueueBackend } from 'bullmq'
import { EscrowError } from '../core/errors.js'
import { queueAddTimeoutMs } from '../core/job-limits.js'
import { catalog, keyOf, lanes, type LaneName, type WantedJob } from './catalog.js'
import type { QueueConnection } from './queue-connection.js'

/** How many jobs of a lane wait, and how many are at work. */
export interface LaneCounts {
  readonly lane: LaneName
  readonly waiting: number
  readonly active: number
}

type LaneQueue = Queue<unknown, void, string, unknown, void, string, IQueueBackend>

/** The name of a lane's queue; one Redis may serve other software too. */
export const queueName = (lane: LaneName): string => `escrow-${lane}`

/** Takes jobs that are wanted. What it forgets is still due in the database, and is wanted again. */
export class JobQueue {
  readonly #queues: ReadonlyMap<LaneName, LaneQueue>

  /** @param connection - stays open when the queue is closed. */
  constructor(connection: QueueConnection) {
    const { forProducers, backend } = connection
    this.#queues = new Map(lanes.map((lane) => [lane, new Queue(queueName(lane), { connection: forProducers }, backend)]))
    // A connection that breaks is said by whatever was asked of it.
    for (const queue of this.#queues.values()) queue.on('error', () => undefined)
  }

  /**
   * Enqueue jobs; those that wait or run already, by their keys, are left as they are.
   *
   * @throws EscrowError `QUEUE_UNAVAILABLE`: some may have been enqueued; to do it again is harmless.
   */
  async enqueue(wanted: readonly WantedJob[]): Promise<void> {
    for (const [lane, queue] of this.#queues) {
      const jobs = wanted.filter(({ job }) => catalog[job].lane === lane)
      if (jobs.length > 0) await inTime(queue.addBulk(jobs.map(jobOf)))
    }
  }

  /** How long the lanes are now. @throws EscrowError `QUEUE_UNAVAILABLE` */
  async counts(): Promise<readonly LaneCounts[]> {
    const counts: LaneCounts[] = []
    for (const [lane, queue] of this.#queues) {
      const { waiting = 0, prioritized = 0, delayed = 0, active = 0 } = await inTime(queue.getJobCounts())
      counts.push({ lane, waiting: waiting + prioritized + delayed, active })
    }
    return counts
  }

  /** Let go of the queues; jobs stay. */
  async close(): Promise<void> {
    await Promise.all([...this.#queues.values()].map((queue) => queue.close()))
  }
}

function jobOf(wanted: WantedJob): Parameters<LaneQueue['addBulk']>[0][number] {
  const { attempts } = catalog[wanted.job]
  return {
    name: wanted.job,
    data: wanted.payload,
    opts: {
      jobId: keyOf(wanted),
      attempts,
      backoff: { type: 'exponential', delay: 5000, jitter: 0.5 },
      // A job that is over must not keep its key: it is wanted again when it is due again.
      removeOnComplete: true,
      removeOnFail: true,
    },
  }
}

/** A server that is away must not stop the ticker: BullMQ waits for its connection for ever. */
async function inTime<T>(work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(new EscrowError('QUEUE_UNAVAILABLE', `the queue did not answer within ${queueAddTimeoutMs} ms`)),
      queueAddTimeoutMs,
    )
  })
  try {
    return await Promise.race([work, late])
  } catch (cause) {
    if (cause instanceof EscrowError) throw cause
    throw new EscrowError('QUEUE_UNAVAILABLE', 'the queue cannot be reached', { cause })
  } finally {
    clearTimeout(timer)
  }
}
