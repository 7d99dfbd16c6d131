import { WaitingError, Worker, type IQueueBackend, type Job } from 'bullmq'
import { assert, EscrowError } from '../core/errors.js'
import { jobGraceMs, jobLockMs, jobStopMs } from '../core/job-limits.js'
import { catalog, isJobName, jobNames, lanes, type JobName, type LaneName } from './catalog.js'
import type { JobHandler } from './job-handler.js'
import type { JobObserver, RunningJob } from './job-observer.js'
import type { QueueConnection } from './queue-connection.js'
import { queueName } from './queue.js'
import { withTimeLimit } from './time-limit.js'

type LaneWorker = Worker<unknown, void, string, IQueueBackend>

/** What a worker is told. */
export interface WorkerRules {
  /** Jobs at work at once in this process, by lane; each 1 or more. */
  readonly atOnce: Readonly<Record<LaneName, number>>
  /** Jobs under way have so long to end by themselves when the process stops; then they are given back. */
  readonly graceMs?: number
  /** A job whose worker says nothing for so long is given to another one. */
  readonly lockMs?: number
}

/**
 * Runs what is in the queue. A job may run twice (its worker was taken for dead, the queue was lost while it ran), so each handler is
 * idempotent or protects itself, as a deposit does with its lease and fencing token.
 */
export class JobWorker {
  readonly #handlers: ReadonlyMap<JobName, JobHandler>
  readonly #workers: LaneWorker[] = []
  #stopping: Promise<void> | undefined

  /** @throws BugError unless there is exactly one handler for each row of the catalog. */
  constructor(
    private readonly connection: QueueConnection,
    handlers: readonly JobHandler[],
    private readonly observer: JobObserver,
    private readonly rules: WorkerRules,
  ) {
    const wrong = jobNames.filter((name) => handlers.filter(({ job }) => job === name).length !== 1)
    assert(wrong.length === 0, `expected exactly one handler for each job, got none or several for ${wrong.join(', ')}`)
    this.#handlers = new Map(handlers.map((handler) => [handler.job, handler]))
  }

  /** Begin to take jobs. */
  start(): void {
    assert(this.#workers.length === 0, 'a worker starts once')
    for (const lane of lanes) this.#workers.push(this.#workerOf(lane))
  }

  /**
   * Take no more jobs. Those under way may end within the grace; the others are told to stop and go back to the queue without having used an
   * attempt, for whoever is there to take them. Idempotent.
   */
  stop(): Promise<void> {
    return (this.#stopping ??= this.#stop())
  }

  async #stop(): Promise<void> {
    const closed = Promise.all(this.#workers.map((worker) => worker.close()))
    if (await within(closed, this.rules.graceMs ?? jobGraceMs)) return
    for (const worker of this.#workers) worker.cancelAllJobs('the process stops')
    // What does not let go even then is taken for dead by the others when its lock runs out.
    if (!(await within(closed, jobStopMs))) this.observer.fault('worker', new EscrowError('JOB_TIMEOUT', 'a job did not stop'))
  }

  #workerOf(lane: LaneName): LaneWorker {
    const lockDuration = this.rules.lockMs ?? jobLockMs
    const options = {
      connection: this.connection.forWorkers,
      concurrency: this.rules.atOnce[lane],
      lockDuration,
      stalledInterval: lockDuration / 2,
      // A deploy in the middle of a long deposit is no fault of the deposit.
      maxStalledCount: 3,
    }
    // BullMQ gives a signal only to functions that name three parameters.
    const take = (job: Job<unknown, void>, token: string | undefined, signal: AbortSignal | undefined) => this.#take(job, token, signal)
    const worker = new Worker(queueName(lane), take, options, this.connection.backend)
    worker.on('error', (error) => this.observer.fault('queue', error))
    return worker
  }

  async #take(job: Job<unknown, void>, token: string | undefined, signal = new AbortController().signal): Promise<void> {
    const { name } = job
    // A newer version's ticker may want what this one does not know.
    if (!isJobName(name)) throw new EscrowError('FORMAT_INVALID', 'expected a job of the catalog')
    const handler = this.#handlers.get(name)
    assert(handler !== undefined, 'every row has a handler')
    const running: RunningJob = { job: name, key: job.id ?? name, attempt: job.attemptsMade + 1 }
    const end = this.observer.began(running)
    try {
      const { timeLimitMs } = catalog[name]
      const facts = await withTimeLimit({ timeLimitMs }, (limited) => handler.run(job.data, limited), signal)
      end({ kind: 'done', facts })
    } catch (error) {
      // BullMQ aborts only when we stop.
      if (!signal.aborted) {
        end({ kind: 'failed', error })
        throw error
      }
      await job.moveToWait(token)
      end({ kind: 'given-back' })
      throw new WaitingError()
    }
  }
}

/** Whether something ends within a time. */
async function within(ends: Promise<unknown>, ms: number): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<false>((resolve) => (timer = setTimeout(() => resolve(false), ms)))
  try {
    return await Promise.race([ends.then(() => true), late])
  } finally {
    clearTimeout(timer)
  }
}
