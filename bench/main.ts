// `npm run bench -- --remote <path-or-url> [--rows a,b] [--rounds n] [--json]`: the speed table of docs/PERFORMANCE.md. For trials `--sources n` and
// `--polls n` make a smaller fleet, and `--profile <folder>` keeps a profile of each of its workers.
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { row as againstRestic } from './against-restic.js'
import { row as attach } from './attach.js'
import { Bench } from './bench.js'
import { meets, type BenchRow, type RowOutcome } from './bench-row.js'
import { row as dueSweep } from './due-sweep.js'
import { row as firstDeposit } from './first-deposit.js'
import { row as fixitySweep } from './fixity-sweep.js'
import { row as fleetMirror } from './fleet-mirror.js'
import { row as fleetPoll } from './fleet-poll.js'
import { row as httpReads } from './http-reads.js'
import { row as massRelease } from './mass-release.js'
import { row as incremental } from './incremental.js'
import { describeMachine } from './machine.js'
import { reportLines } from './present.js'
import { gitPush, pushMemory } from './push.js'
import { row as restoreChain } from './restore-chain.js'
import { row as sealedPush } from './sealed-push.js'
import { row as unchangedPoll } from './unchanged-poll.js'
import { row as workerMemory } from './worker-memory.js'

const rows: readonly BenchRow[] = [
  firstDeposit,
  againstRestic,
  incremental,
  unchangedPoll,
  fixitySweep,
  restoreChain,
  workerMemory,
  dueSweep,
  httpReads,
  fleetMirror,
  fleetPoll,
  massRelease,
  attach,
  gitPush,
  sealedPush,
  pushMemory,
]

const usage = `npm run bench -- --remote <path-or-url> [--rows ${rows.map((row) => row.name).join(',')}] [--rounds n] [--json]`

/** Run the chosen rows. @returns the exit code: 1 when a target was missed, 2 for a wrong argument. */
async function main(argv: readonly string[]): Promise<number> {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      remote: { type: 'string' },
      rows: { type: 'string' },
      rounds: { type: 'string', default: '1' },
      json: { type: 'boolean', default: false },
      sources: { type: 'string', default: '200' },
      polls: { type: 'string', default: '10000' },
      profile: { type: 'string' },
    },
  })
  const names = values.rows?.split(',') ?? rows.map((row) => row.name)
  const chosen = rows.filter((row) => names.includes(row.name))
  const rounds = Number(values.rounds)
  if (values.remote === undefined || chosen.length !== names.length || !Number.isInteger(rounds) || rounds < 1) {
    process.stderr.write(`${usage}\n`)
    return 2
  }
  const fleet = { sources: Number(values.sources), polls: Number(values.polls), profile: values.profile ?? null }
  const machine = await describeMachine()
  const wish = { remote: values.remote, rounds, fleet }
  const bench = new Bench(await mkdtemp(join(tmpdir(), 'reduit-bench-')), wish, (line) => process.stderr.write(`${line}\n`))
  try {
    const found: { row: BenchRow; outcome: RowOutcome }[] = []
    for (const row of chosen) found.push({ row, outcome: await row.run(bench) })
    const json = { machine, rounds, rows: found.map(({ row, outcome }) => ({ name: row.name, title: row.title, ...outcome })) }
    process.stdout.write(values.json ? `${JSON.stringify(json, undefined, 2)}\n` : `${reportLines(machine, found).join('\n')}\n`)
    const missed = found.some(({ outcome }) => outcome.outcome === 'measured' && outcome.ratios.some((ratio) => !meets(ratio)))
    return missed ? 1 : 0
  } finally {
    await bench.close()
  }
}

process.exitCode = await main(process.argv.slice(2))
