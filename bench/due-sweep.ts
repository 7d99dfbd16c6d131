// Row 8: finding and taking what is due among 100,000 sources.
import { noPostgres, type BenchRow } from './bench-row.js'
import { SystemClock, monotonicMs } from '../src/core/environment.js'
import { dueSweepMax } from '../src/core/job-limits.js'
import { PostgresDatabase } from '../src/db/postgres-database.js'
import { DueSources } from '../src/escrow/source/due-sources.js'
import { measure, median } from './measure.js'
import { postgres } from './tools.js'

const sources = 100_000
/** With a daily schedule and one tick a minute, so many of 100,000 are due at a tick. */
const duePerTick = Math.ceil(sources / (24 * 60))
const ticks = 20
const minuteMs = 60_000

export const row: BenchRow = {
  name: 'due-sweep',
  title: `due sweep over ${sources.toLocaleString('en')} sources`,
  async run(bench) {
    const databaseUrl = await postgres(bench)
    if (databaseUrl === null) return noPostgres
    bench.say('due sweep')
    await measure(['psql', '--quiet', databaseUrl, '-c', 'create database due_sweep'])
    const url = databaseUrl.replace(/\/[^/]*$/, '/due_sweep')
    const database = await PostgresDatabase.open({ url, poolMax: 2 })
    try {
      const now = new SystemClock().now()
      const fill = async (everyMs: number) => void (await measure(['psql', '--quiet', url, '-c', seed(now, everyMs)]))
      await fill(minuteMs / duePerTick)
      const single: number[] = []
      for (let tick = 0; tick < ticks; tick += 1) {
        single.push((await drain(database, new Date(now.getTime() + tick * minuteMs))).wallMs)
      }
      await fill(0)
      const all = await drain(database, now)
      if (all.swept !== sources) throw new Error(`expected ${sources} due sources, got ${all.swept}`)
      return {
        outcome: 'measured',
        ratios: [
          {
            what: `a tick in which ${duePerTick} are due (median)`,
            value: median(single) / 1000,
            unit: 's',
            target: { bound: 'at most', value: 1 },
          },
          {
            what: `a tick in which all are due: it takes ${dueSweepMax.toLocaleString('en')} (longest)`,
            value: Math.max(...all.ticksMs) / 1000,
            unit: 's',
            target: { bound: 'at most', value: 1 },
          },
          { what: `all ${all.ticksMs.length} ticks until every source is taken`, value: all.wallMs / 1000, unit: 's', target: null },
        ],
        measured: [
          { what: `tick, ${duePerTick} due`, wallMs: median(single), cpuMs: Number.NaN },
          { what: `tick, all ${sources} due (median)`, wallMs: median(all.ticksMs), cpuMs: Number.NaN },
        ],
        bound: 'PostgreSQL writes one row version and its index entries for each source that is taken',
      }
    } finally {
      await database.close()
    }
  },
}

/** Ticks until nothing is due any more, as the service ticks. */
async function drain(
  database: PostgresDatabase,
  now: Date,
): Promise<{ readonly wallMs: number; readonly swept: number; readonly ticksMs: readonly number[] }> {
  const due = new DueSources(database, { now: () => now })
  const ticksMs: number[] = []
  for (let swept = 0; ;) {
    const startedMs = monotonicMs()
    const found = await due.due()
    swept += found.length
    ticksMs.push(monotonicMs() - startedMs)
    if (found.length < dueSweepMax) return { wallMs: ticksMs.reduce((sum, ms) => sum + ms, 0), swept, ticksMs }
  }
}

/** @param everyMs - between two sources; 0 makes all of them due at once. */
function seed(now: Date, everyMs: number): string {
  const at = `timestamptz '${now.toISOString()}' + (n * ${everyMs} || ' milliseconds')::interval`
  return `
    truncate source, agreement cascade;
    set session_replication_role = replica;
    insert into source (agreement_id, source, state, mode, url, starts_at, every_hours, grace_hours, full_every_days, chain_length_max,
                        period_at, deadline_at, due_at, look_at)
    select 'agr_aaaaaaaaaaaaaaaaaaaa', 's-' || n, 'active', 'pull', 'https://git.example/' || n, ${at}, 24, 12, 30, 120,
           ${at}, ${at} + interval '12 hours', ${at}, ${at}
    from generate_series(0, ${sources - 1}) n;
    analyze source;`
}
