import { Inject, Injectable } from '@nestjs/common'
import { handles, type JobFacts, type JobHandler, type JobHandlers } from '../jobs/job-handler.js'
import { CheckFixity } from './check-fixity.js'
import { CheckLog } from './check-log.js'
import { RepairObject } from './repair-object.js'
import { SpotCheck } from './spot-check.js'

/** What this feature does for the worker. */
@Injectable()
export class VerifyJobs implements JobHandlers {
  constructor(
    @Inject(CheckFixity) private readonly fixity: CheckFixity,
    @Inject(SpotCheck) private readonly spots: SpotCheck,
    @Inject(RepairObject) private readonly repair: RepairObject,
    @Inject(CheckLog) private readonly log: CheckLog,
  ) {}

  handlers(): readonly JobHandler[] {
    return [
      handles('check-fixity', (_, signal) => this.checkFixity(signal)),
      handles('spot-check', async (_, signal) => ({ ...(await this.spots.run(signal)) })),
      handles('repair-objects', (_, signal) => this.repairObjects(signal)),
      handles('check-log', (_, signal) => this.checkLog(signal)),
    ]
  }

  private async checkFixity(signal: AbortSignal): Promise<JobFacts> {
    const { copies, bytes, bad } = await this.fixity.run({ all: false, replica: null, background: true }, signal)
    return { copies, bytes, bad: bad.length }
  }

  private async repairObjects(signal: AbortSignal): Promise<JobFacts> {
    const { repaired, failed } = await this.repair.run(null, signal)
    return { repaired: repaired.length, failed: failed.length, code: failed[0]?.error.code ?? null }
  }

  private async checkLog(signal: AbortSignal): Promise<JobFacts> {
    const { leaves, findings } = await this.log.run({ events: false }, signal)
    return { leaves, findings: findings.length, problem: findings[0]?.problem ?? null }
  }
}
