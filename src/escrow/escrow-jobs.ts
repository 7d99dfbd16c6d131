import { Inject, Injectable } from '@nestjs/common'
import { handles, type JobFacts, type JobHandler, type JobHandlers } from '../jobs/job-handler.js'
import { JobQueue } from '../jobs/queue.js'
import { CheckCredentials } from './source/check-credentials.js'
import { ExtendRetention } from './archive/extend-retention.js'
import type { SourceKey } from './archive/lease.table.js'
import { MendSchedules } from './source/mend-schedules.js'
import { MirrorDueSource } from './deposit/mirror-due-source.js'
import { PublishLog } from './deposit/publish-log.js'
import { RecordMissed } from './source/record-missed.js'

/** What is done about schedules as time goes by. */
@Injectable()
export class Deadlines {
  constructor(
    @Inject(RecordMissed) readonly missed: RecordMissed,
    @Inject(MendSchedules) readonly mend: MendSchedules,
    @Inject(CheckCredentials) readonly credentials: CheckCredentials,
  ) {}
}

/** What this feature does for the worker. */
@Injectable()
export class EscrowJobs implements JobHandlers {
  constructor(
    @Inject(MirrorDueSource) private readonly mirror: MirrorDueSource,
    @Inject(PublishLog) private readonly publish: PublishLog,
    @Inject(Deadlines) private readonly deadlines: Deadlines,
    @Inject(ExtendRetention) private readonly retention: ExtendRetention,
    @Inject(JobQueue) private readonly queue: JobQueue,
  ) {}

  handlers(): readonly JobHandler[] {
    return [
      handles('mirror-source', (key, signal) => this.mirrorSource(key, signal)),
      handles('publish-log', async (_, signal) => ({ ...(await this.publish.run(signal)) })),
      handles('record-missed', async (_, signal) => ({ missed: (await this.deadlines.missed.run(signal)).length })),
      handles('mend-schedules', async () => ({ mended: await this.deadlines.mend.run() })),
      handles('check-credentials', async (_, signal) => ({ ...(await this.deadlines.credentials.run(signal)) })),
      handles('extend-retention', (_, signal) => this.extendRetention(signal)),
    ]
  }

  private async mirrorSource(key: SourceKey, signal: AbortSignal): Promise<JobFacts> {
    const facts = await this.mirror.run(key, signal)
    // Its receipt need not wait for the next round of the chore; without the queue it does.
    if (facts['outcome'] === 'deposited') await this.queue.enqueue([{ job: 'publish-log', payload: {} }]).catch(() => undefined)
    return facts
  }

  private async extendRetention(signal: AbortSignal): Promise<JobFacts> {
    const { extended, failed } = await this.retention.run(signal)
    const [first] = failed
    return { extended, failedReplicas: failed.length, code: first?.error.code ?? null }
  }
}
