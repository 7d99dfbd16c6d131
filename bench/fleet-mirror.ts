// Row 11: the first deposits of 200 sources by two workers, each exactly once.
import { monotonicMs } from '../src/core/environment.js'
import type { BenchRow } from './bench-row.js'
import { Fleet } from './fleet.js'

export const row: BenchRow = {
  name: 'fleet-mirror',
  title: 'first deposits of a fleet by two workers',
  async run(bench) {
    const fleet = await Fleet.of(bench)
    if (fleet === null) return { outcome: 'skipped', why: 'PostgreSQL or Redis is not installed' }
    const wanted = bench.fleet.sources
    bench.say('fleet: first deposits')
    const [before, startedMs] = [await fleet.usage(), monotonicMs()]
    await fleet.sql('update source set due_at = now(), look_at = now()')
    const done = await fleet.untilDone(0, wanted)
    const wallMs = monotonicMs() - startedMs
    const cpuMs = (await fleet.usage()).cpuMs - before.cpuMs
    const count = async (statement: string) => Number((await fleet.sql(statement))[0]?.[0])
    const deposits = await count('select count(*) from deposit')
    const sources = await count('select count(distinct source) from deposit where sequence = 1')
    const attempts = await count('select count(*) from attempt')
    const shares = [0, 1].map((worker) => done.filter((job) => job.worker === worker && job.outcome === 'deposited').length)
    return {
      outcome: 'measured',
      ratios: [
        { what: 'deposits', value: deposits, unit: '', target: { bound: 'at most', value: wanted } },
        { what: 'sources with their first deposit', value: sources, unit: '', target: { bound: 'at least', value: wanted } },
        { what: 'attempts', value: attempts, unit: '', target: { bound: 'at most', value: wanted } },
        { what: 'of the worker that took fewer', value: Math.min(...shares), unit: '', target: { bound: 'at least', value: 1 } },
        { what: 'deposits per second of the workers and their git processes', value: (deposits * 1000) / cpuMs, unit: '/s', target: null },
      ],
      measured: [{ what: `${deposits} first deposits of 1 MiB and 300 refs`, wallMs, cpuMs }],
      bound: 'starts of git processes; events and documents forced to disk at two replicas',
    }
  },
}
