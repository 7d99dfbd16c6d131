import type { NestExpressApplication } from '@nestjs/platform-express'
import request from 'supertest'
import { CreateToken } from '../../src/escrow/token/create-token.js'
import { listDeposits } from '../../src/escrow/archive/deposit.table.js'
import { JobQueue } from '../../src/jobs/queue.js'
import { Ticker } from '../../src/jobs/ticker.js'
import { GitFixture } from './git-fixture.js'
import { ServiceFixture, type AgreedUpon } from './service-fixture.js'

/** A line of the log, as far as tests look at it. */
export interface JobLine {
  readonly msg: string
  readonly job?: string
  readonly outcome?: string
  readonly receipts?: number
}

/** A service with a worker and two sources, `one` and `two`, of one repository; it ticks when the test says so. */
export class TickingService {
  /** @param lines - what it has logged; a test may empty it. */
  private constructor(
    readonly repository: GitFixture,
    readonly service: ServiceFixture,
    readonly agreed: AgreedUpon,
    readonly lines: JobLine[],
  ) {}

  static async open(): Promise<TickingService> {
    const lines: JobLine[] = []
    const repository = new GitFixture()
    repository.addCommits('refs/heads/main', 2)
    const log = (line: string) => void lines.push(JSON.parse(line) as JobLine)
    const service = await ServiceFixture.open({ server: { log, jobs: { rules: { graceMs: 100 } } } })
    const agreed = await service.agree(['one', 'two'].map((source) => ({ source, url: repository.path })))
    return new TickingService(repository, service, agreed, lines)
  }

  /** Tick, and wait until nothing waits and nobody works. */
  async tick(): Promise<void> {
    await this.service.get(Ticker).tick()
    await this.settled()
  }

  /** Wait until nothing waits and nobody works. */
  async settled(): Promise<void> {
    const queue = this.service.get(JobQueue)
    for (;;) {
      const counts = await queue.counts()
      if (counts.every(({ waiting, active }) => waiting + active === 0)) return
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
  }

  /** What became of each mirroring that is logged. */
  mirrored(): readonly (string | undefined)[] {
    return this.lines.filter(({ job, msg }) => job === 'mirror-source' && msg === 'job done').map(({ outcome }) => outcome)
  }

  /** What it tells Prometheus. */
  async metrics(): Promise<string> {
    const { token } = await this.service.get(CreateToken).run({ card: this.service.party('agent').card, label: 'prometheus', days: 1 })
    const server = (this.service.app as NestExpressApplication).getHttpServer()
    const { text } = await request(server).get('/metrics').set('authorization', `Bearer ${token}`).expect(200)
    return text
  }

  /** How many deposits a source has. */
  async deposits(source: string): Promise<number> {
    const wish = { agreementId: this.agreed.id, source }
    return (await this.service.database.query((db) => listDeposits(db, wish, Infinity, 100))).length
  }

  async close(): Promise<void> {
    await this.service.close()
    this.repository.remove()
  }
}
