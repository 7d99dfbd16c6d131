import { Inject, Injectable, type BeforeApplicationShutdown } from '@nestjs/common'
import { EscrowError } from '../core/errors.js'
import { Database } from '../db/database.js'
import { ping } from '../db/ping.js'

/** Whether requests may come. */
@Injectable()
export class Readiness implements BeforeApplicationShutdown {
  private stopping = false

  constructor(@Inject(Database) private readonly database: Database) {}

  beforeApplicationShutdown(): void {
    this.stopping = true
  }

  /** @throws EscrowError `DATABASE_UNAVAILABLE` when they may not. */
  async require(): Promise<void> {
    if (this.stopping) throw new EscrowError('DATABASE_UNAVAILABLE', 'the process is stopping')
    await this.database.query(ping)
  }
}
