// Row 12: 10,000 due looks at remotes that have not changed, by two workers, with all that belongs to each: the queue, the lease, the host's
// budget, the deposit before, one request, the event that nothing was new.
import { basename, dirname } from 'node:path'
import { monotonicMs } from '../src/core/environment.js'
import { AgreementId } from '../src/format/ids.js'
import { JobQueue } from '../src/jobs/queue.js'
import { redisQueue } from '../src/jobs/queue-connection.js'
import type { BenchRow } from './bench-row.js'
import { Fleet } from './fleet.js'
import { row as fleetMirror } from './fleet-mirror.js'

/** Until then memory grows to what a worker needs. */
const warmUp = 5
const mebibyte = 1024 * 1024

export const row: BenchRow = {
  name: 'fleet-poll',
  title: 'unchanged polls by two workers',
  async run(bench) {
    const fleet = await Fleet.of(bench)
    if (fleet === null) return { outcome: 'skipped', why: 'PostgreSQL or Redis is not installed' }
    const { sources } = bench.fleet
    const rounds = Math.ceil(bench.fleet.polls / sources)
    if (fleet.done.length === 0) await fleetMirror.run(bench)
    const origin = await bench.serve('git-server', { root: dirname(fleet.remote) })
    const replay = await bench.serve('replay-server', { origin })
    await fleet.sql('update source set url = $1, capability = null', [`${replay}/${basename(fleet.remote)}`])
    const connection = await redisQueue(fleet.redisUrl)
    const queue = new JobQueue(connection)
    try {
      for (let round = 0; round < warmUp; round += 1) await pollAll(fleet, queue)
      bench.say('fleet: unchanged polls')
      const [before, startedMs] = [await fleet.usage(), monotonicMs()]
      for (let round = 0; round < rounds; round += 1) await pollAll(fleet, queue)
      const wallMs = monotonicMs() - startedMs
      const after = await fleet.usage()
      const polls = rounds * sources
      const asked = Number(await (await fetch(`${replay}/count`)).text())
      const cpuMs = after.cpuMs - before.cpuMs
      const grown = after.rssBytes.map((bytes, worker) => (bytes - (before.rssBytes[worker] ?? 0)) / mebibyte)
      return {
        outcome: 'measured',
        ratios: [
          { what: `${polls.toLocaleString('en')} polls`, value: wallMs / 1000, unit: 's', target: { bound: 'at most', value: 300 } },
          { what: 'polls per second of the workers', value: (polls * 1000) / cpuMs, unit: '/s', target: null },
          {
            what: 'requests per poll',
            value: (asked - 2) / (polls + warmUp * sources),
            unit: '',
            target: { bound: 'at most', value: 1.01 },
          },
          { what: 'memory of a worker at the end', value: Math.max(...after.rssBytes) / mebibyte, unit: 'MiB', target: null },
          { what: 'more than at the beginning', value: Math.max(...grown), unit: 'MiB', target: { bound: 'at most', value: 50 } },
        ],
        measured: [{ what: `${polls} polls, workers together`, wallMs, cpuMs, peakRssBytes: Math.max(...after.rssBytes) }],
        bound: 'an event for each, signed and forced to disk at two replicas; a dozen statements; the deposit before, read and verified',
      }
    } finally {
      await queue.close()
      await connection.close()
    }
  },
}

/** Make every source due, have it looked at, and wait. */
async function pollAll(fleet: Fleet, queue: JobQueue): Promise<void> {
  const from = fleet.done.length
  await fleet.sql("update source set due_at = now(), look_at = now() + interval '1 day'")
  const rows = await fleet.sql('select agreement_id, source from source')
  await queue.enqueue(
    rows.map(([agreement, source]) => ({
      job: 'mirror-source',
      payload: { agreementId: AgreementId.parse(agreement), source: String(source) },
    })),
  )
  const done = await fleet.untilDone(from, rows.length)
  const other = done.find(({ outcome }) => outcome !== 'unchanged')
  if (other !== undefined) throw new Error(`expected an unchanged remote, got ${other.outcome}`)
}
