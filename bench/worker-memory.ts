// Row 7: the memory of a worker, and whether it grows with the repository. On PostgreSQL, because PGlite is a database in our own process.
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Bench } from './bench.js'
import type { BenchRow } from './bench-row.js'
import { BenchHome, type EscrowCost } from './home.js'
import { measure } from './measure.js'
import { makeSyntheticRemote } from './synthetic-remote.js'
import { postgres } from './tools.js'

const smallMiB = 20
const largeMiB = 2048
const bytesPerMiB = 1024 * 1024

async function mirrorOf(bench: Bench, databaseUrl: string, sizeMiB: number): Promise<EscrowCost> {
  bench.say(`worker memory: a repository of ${sizeMiB} MiB`)
  const folder = await bench.folder('memory')
  const database = `memory_${sizeMiB}`
  await measure(['psql', '--quiet', databaseUrl, '-c', `create database ${database}`])
  const remote = join(folder, 'remote.git')
  await makeSyntheticRemote(remote, sizeMiB)
  const postgresUrl = databaseUrl.replace(/\/[^/]*$/, `/${database}`)
  const home = await BenchHome.arm(await bench.folder('memory-home'), { url: remote, postgresUrl })
  const mirrored = await home.mirror()
  await rm(home.home, { recursive: true })
  await rm(folder, { recursive: true })
  return mirrored
}

export const row: BenchRow = {
  name: 'worker-memory',
  title: `memory of a worker: a repository of ${largeMiB} MiB beside one of ${smallMiB} MiB`,
  async run(bench) {
    const databaseUrl = await postgres(bench)
    if (databaseUrl === null) return { outcome: 'skipped', why: 'PostgreSQL is not installed' }
    const small = await mirrorOf(bench, databaseUrl, smallMiB)
    const large = await mirrorOf(bench, databaseUrl, largeMiB)
    const peak = (one: EscrowCost) => one.own.peakRssBytes / bytesPerMiB
    const line = (what: string, { cost, own }: EscrowCost, sizeMiB: number) => ({
      what,
      wallMs: cost.wallMs,
      cpuMs: cost.cpuMs,
      bytes: sizeMiB * bytesPerMiB,
      peakRssBytes: own.peakRssBytes,
    })
    return {
      outcome: 'measured',
      ratios: [
        {
          what: 'peak of the large minus the small',
          value: peak(large) - peak(small),
          unit: 'MiB',
          target: { bound: 'at most', value: 100 },
        },
        { what: 'peak of Node', value: Math.max(peak(large), peak(small)), unit: 'MiB', target: { bound: 'at most', value: 250 } },
      ],
      measured: [line('escrow mirror, small', small, smallMiB), line('escrow mirror, large', large, largeMiB)],
      bound: 'modules of the service, then parts of 8 MiB that are read back',
    }
  },
}
