// The jobs of an application: the queue, a worker, a ticker, and what the features do for them. Only `escrow serve` loads it.
import { Inject, Module, type BeforeApplicationShutdown, type DynamicModule, type OnApplicationBootstrap } from '@nestjs/common'
import { ScheduleModule } from '@nestjs/schedule'
import type { DestinationStream } from 'pino'
import type { Registry } from 'prom-client'
import type { Config } from '../config/schema.js'
import type { Adapters } from './adapters.module.js'
import { DueChores } from './escrow/due-chores.js'
import { DueSources } from './escrow/source/due-sources.js'
import { Deadlines, EscrowJobs } from './escrow/escrow-jobs.js'
import { EscrowModule } from './escrow/escrow.module.js'
import { JobObserver } from './jobs/job-observer.js'
import type { JobHandlers } from './jobs/job-handler.js'
import { JobQueue } from './jobs/queue.js'
import { DueWorks, Ticker, type DueWork } from './jobs/ticker.js'
import { JobWorker, type WorkerRules } from './jobs/worker.js'
import { NoticeJobs } from './notice/notice-jobs.js'
import { NoticeModule } from './notice/notice.module.js'
import { ReleaseJobs } from './release/release-jobs.js'
import { ReleaseModule } from './release/release.module.js'
import { VerifyJobs } from './verify/verify-jobs.js'
import { VerifyModule } from './verify/verify.module.js'

/** Short jobs at once: each waits for the database or a store most of its time. */
const clocksAtOnce = 4

/** How the jobs of a process are done. */
export interface JobsWish {
  readonly registry: Registry
  /** Where the log goes; standard error when left out. */
  readonly logTo?: DestinationStream
  /** False for tests that tick themselves. */
  readonly ticking?: boolean
  readonly rules?: Partial<WorkerRules>
}

const features = [EscrowJobs, VerifyJobs, NoticeJobs, ReleaseJobs] as const
const dueWorks = [DueSources, DueChores] as const

/** Starts to work when the application is up, and gives back what is under way before it ends. */
@Module({})
export class JobsModule implements OnApplicationBootstrap, BeforeApplicationShutdown {
  constructor(
    @Inject(JobWorker) private readonly worker: JobWorker,
    @Inject(JobQueue) private readonly queue: JobQueue,
  ) {}

  /**
   * @param adapters - opened.
   * @throws EscrowError `QUEUE_UNAVAILABLE`
   */
  static async of(adapters: Adapters, { registry, logTo, ticking = true, rules = {} }: JobsWish): Promise<DynamicModule> {
    const connection = await adapters.openQueue()
    const workerRules: WorkerRules = { atOnce: atOnce(adapters.config), ...rules }
    return {
      module: JobsModule,
      imports: [...(ticking ? [ScheduleModule.forRoot()] : []), EscrowModule, VerifyModule, NoticeModule, ReleaseModule],
      providers: [
        ...features,
        ...dueWorks,
        Deadlines,
        Ticker,
        { provide: JobObserver, useFactory: () => new JobObserver(logTo, registry) },
        { provide: JobQueue, useFactory: () => new JobQueue(connection) },
        { provide: DueWorks, inject: [...dueWorks], useFactory: (...all: DueWork[]): DueWorks => ({ all }) },
        {
          provide: JobWorker,
          inject: [JobObserver, ...features],
          useFactory: (observer: JobObserver, ...jobs: JobHandlers[]) =>
            new JobWorker(
              connection,
              jobs.flatMap((one) => one.handlers()),
              observer,
              workerRules,
            ),
        },
      ],
      exports: [JobQueue, JobWorker, Ticker],
    }
  }

  onApplicationBootstrap(): void {
    this.worker.start()
  }

  /** Before the adapters close, in `onApplicationShutdown`: jobs under way still need them. */
  async beforeApplicationShutdown(): Promise<void> {
    await this.worker.stop()
    await this.queue.close()
  }
}

function atOnce({ jobs }: Config): WorkerRules['atOnce'] {
  return { deposits: jobs.depositsAtOnce, checks: jobs.checksAtOnce, clocks: clocksAtOnce }
}
