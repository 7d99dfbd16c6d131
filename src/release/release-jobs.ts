import { Inject, Injectable } from '@nestjs/common'
import { handles, type JobHandler, type JobHandlers } from '../jobs/job-handler.js'
import { SweepReleases } from './sweep/sweep-releases.js'

/** What this feature does for the worker. */
@Injectable()
export class ReleaseJobs implements JobHandlers {
  constructor(@Inject(SweepReleases) private readonly sweep: SweepReleases) {}

  handlers(): readonly JobHandler[] {
    return [
      handles('sweep-releases', async (_, signal) => {
        const outcomes = await this.sweep.run(signal)
        const failed = outcomes.filter(({ error }) => error !== null)
        return { moved: outcomes.length - failed.length, failed: failed.length, code: failed[0]?.error?.code ?? null }
      }),
    ]
  }
}
