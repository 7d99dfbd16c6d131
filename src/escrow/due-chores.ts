import { Inject, Injectable } from '@nestjs/common'
import { Clock } from '../core/environment.js'
import { assert } from '../core/errors.js'
import { Database } from '../db/database.js'
import { chores, type JobName, type WantedJob } from '../jobs/catalog.js'
import type { DueWork } from '../jobs/ticker.js'
import { takeDueChores } from './chore.table.js'

/** The chores of the catalog, each as often as its row says, however many processes ask. */
@Injectable()
export class DueChores implements DueWork {
  constructor(
    @Inject(Database) private readonly database: Database,
    @Inject(Clock) private readonly clock: Clock,
  ) {}

  /** @throws EscrowError `DATABASE_*` */
  async due(): Promise<readonly WantedJob[]> {
    const wishes = chores().map(({ job, everyMs }) => ({ chore: job, everyMs }))
    const taken = await this.database.transaction((tx) => takeDueChores(tx, wishes, this.clock.now()))
    return wishes.flatMap(({ chore }) => (taken.includes(chore) ? [wantedChore(chore)] : []))
  }
}

function wantedChore(job: JobName): WantedJob {
  assert(job !== 'mirror-source', 'a chore has no payload')
  return { job, payload: {} }
}
