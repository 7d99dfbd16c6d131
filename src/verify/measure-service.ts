import { Inject, Injectable } from '@nestjs/common'
import { Clock, monotonicMs } from '../core/environment.js'
import { sourcesShownMax } from '../core/job-limits.js'
import { Database } from '../db/database.js'
import {
  countCopyBytes,
  countLog,
  countOverdueChecks,
  countSources,
  listLeastFresh,
  type CopyCounts,
  type LogCounts,
  type SourceCounts,
} from './service-state.table.js'

/** What operators watch, at one moment. */
export interface ServiceState {
  readonly now: Date
  readonly sources: SourceCounts
  /** Those that were fresh longest ago, up to `sourcesShownMax`. */
  readonly ages: readonly { readonly agreement: string; readonly source: string; readonly seconds: number }[]
  readonly log: LogCounts
  readonly copies: readonly CopyCounts[]
  readonly overdue: readonly { readonly replica: string; readonly copies: number; readonly seconds: number }[]
}

/** Two who watch, or two gauges of one answer, ask the database once. */
const keptMs = 5_000
/** What is counted over every copy is asked so often. */
const copiesKeptMs = 60_000

/** Counts what operators watch. Every process gives the same answer: it is that of the database. */
@Injectable()
export class MeasureService {
  private readonly kept = new Map<string, { readonly atMs: number; readonly answer: Promise<unknown> }>()

  constructor(
    @Inject(Database) private readonly database: Database,
    @Inject(Clock) private readonly clock: Clock,
  ) {}

  /** The state now, or a few seconds ago; of copies within the last minute. @throws EscrowError `DATABASE_*` */
  async run(): Promise<ServiceState> {
    const copies = await this.keep('copies', copiesKeptMs, () => this.database.query((db) => countCopyBytes(db)))
    return { ...(await this.keep('state', keptMs, () => this.measure())), copies }
  }

  private async measure(): Promise<Omit<ServiceState, 'copies'>> {
    const now = this.clock.now()
    return this.database.query(async (db) => {
      const sources = await countSources(db, now)
      const least = await listLeastFresh(db, sourcesShownMax)
      const log = await countLog(db)
      const overdue = await countOverdueChecks(db, now)
      return {
        now,
        sources,
        ages: least.map(({ agreementId, source, freshAt, startsAt }) => ({
          agreement: agreementId,
          source,
          seconds: secondsSince(freshAt ?? startsAt, now),
        })),
        log,
        overdue: overdue.map(({ replica, overdue: late, since }) => ({ replica, copies: late, seconds: secondsSince(since, now) })),
      }
    })
  }

  private keep<T>(name: string, forMs: number, ask: () => Promise<T>): Promise<T> {
    const known = this.kept.get(name)
    if (known !== undefined && monotonicMs() - known.atMs < forMs) return known.answer as Promise<T>
    const answer = ask()
    this.kept.set(name, { atMs: monotonicMs(), answer })
    // A fault is not kept.
    answer.catch(() => this.kept.delete(name))
    return answer
  }
}

/** How long ago a moment was. @returns 0 for none, and for one that has not come. */
export function secondsSince(moment: Date | null, now: Date): number {
  return moment === null ? 0 : Math.max(0, Math.round((now.getTime() - moment.getTime()) / 1000))
}
