import { Inject, Injectable } from '@nestjs/common'
import { Cron } from '@nestjs/schedule'
import type { WantedJob } from './catalog.js'
import { JobObserver } from './job-observer.js'
import { JobQueue } from './queue.js'

/** Something of a feature that knows from the database what is due. */
export interface DueWork {
  /**
   * What is due now. Whoever is told makes a note of when to look again, so that two tickers at once are not told the same, and so that what
   * a queue loses comes again.
   */
  due(signal?: AbortSignal): Promise<readonly WantedJob[]>
}

/** Everything that is asked at a tick; provided by the application. */
export abstract class DueWorks {
  abstract readonly all: readonly DueWork[]
}

/**
 * Asks what is due, and enqueues it. It decides nothing and remembers nothing: several processes may tick at once, and none for a while.
 */
@Injectable()
export class Ticker {
  constructor(
    @Inject(DueWorks) private readonly works: DueWorks,
    @Inject(JobQueue) private readonly queue: JobQueue,
    @Inject(JobObserver) private readonly observer: JobObserver,
  ) {}

  /** Ask everybody once. One who cannot answer does not stop the others, and is asked again at the next tick. */
  @Cron('*/5 * * * * *', { name: 'tick', waitForCompletion: true, threshold: 5000 })
  async tick(): Promise<void> {
    for (const work of this.works.all) {
      try {
        await this.queue.enqueue(await work.due())
      } catch (error) {
        this.observer.fault('ticker', error)
      }
    }
  }
}
