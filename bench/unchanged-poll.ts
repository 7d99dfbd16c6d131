// Row 4: how many unchanged remotes one processor can poll. The remote is a process of its own.
import type { BenchRow } from './bench-row.js'
import type { Polled } from './child/poll.js'
import { measureChild } from './measure.js'

const refs = 300
const warmUp = 200
const polls = 2000

export const row: BenchRow = {
  name: 'unchanged-poll',
  title: `unchanged poll of a remote with ${refs} refs`,
  async run(bench) {
    bench.say('unchanged polls')
    const origin = await bench.serve('canned-server', { refs })
    const { result } = await measureChild<Polled>('poll', { url: `${origin}/product.git`, warmUp, polls })
    const asked = Number(await (await fetch(`${origin}/count`)).text())
    if (result.refs !== refs) throw new Error(`expected ${refs} refs, got ${result.refs}`)
    const discoveries = 1
    return {
      outcome: 'measured',
      ratios: [
        {
          what: 'polls per second of own processor',
          value: (polls * 1000) / result.own.cpuMs,
          unit: '/s',
          target: { bound: 'at least', value: 150 },
        },
        { what: 'requests per poll', value: (asked - discoveries) / (polls + warmUp), unit: '', target: { bound: 'at most', value: 1 } },
        { what: 'processes started', value: result.processes, unit: '', target: { bound: 'at most', value: 0 } },
      ],
      measured: [{ what: `${polls} polls`, wallMs: result.own.wallMs, cpuMs: result.own.cpuMs, peakRssBytes: result.own.peakRssBytes }],
      bound: "Node's HTTP client, then parsing and digesting the list",
    }
  },
}
