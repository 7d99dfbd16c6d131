import { Inject, Injectable } from '@nestjs/common'
import { handles, type JobHandler, type JobHandlers } from '../jobs/job-handler.js'
import { AnnounceEvents } from './announce-events.js'
import { DeliverNotices } from './deliver-notices.js'
import { WarnLate } from './warn-late.js'

/** What this feature does for the worker. */
@Injectable()
export class NoticeJobs implements JobHandlers {
  constructor(
    @Inject(AnnounceEvents) private readonly announce: AnnounceEvents,
    @Inject(WarnLate) private readonly late: WarnLate,
    @Inject(DeliverNotices) private readonly deliver: DeliverNotices,
  ) {}

  handlers(): readonly JobHandler[] {
    return [
      handles('announce-events', async (_, signal) => ({ notices: await this.announce.run(signal) })),
      handles('warn-late', async (_, signal) => ({ warned: await this.late.run(signal) })),
      handles('deliver-notices', async (_, signal) => ({ ...(await this.deliver.run(signal)) })),
    ]
  }
}
