// Whether memory grows with a repository: the same work for one of 20 MiB and for one of 2 GiB. On PostgreSQL, because PGlite is a database in
// our own process.
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Bench } from './bench.js'
import { noPostgres, type Measured, type RowOutcome } from './bench-row.js'
import type { Cost } from './measure.js'
import { makeSyntheticRemote } from './synthetic-remote.js'
import { freshDatabase } from './tools.js'

export const smallMiB = 20
export const largeMiB = 2048
const bytesPerMiB = 1024 * 1024

/** What one size cost. */
export interface SizedRun {
  readonly cost: Pick<Cost, 'wallMs' | 'cpuMs'>
  /** Of Node. */
  readonly peakRssBytes: number
}

/**
 * Do something with a small repository and with a large one.
 *
 * @param what.peakMiBMax - a target for the higher peak; none when left out.
 * @param work - gets a bare repository, and the URL of an empty database.
 */
export async function largeBesideSmall(
  bench: Bench,
  what: { readonly name: string; readonly peakMiBMax?: number },
  work: (repository: string, postgresUrl: string) => Promise<SizedRun>,
): Promise<RowOutcome> {
  const peaks: number[] = []
  const measured: Measured[] = []
  for (const [size, sizeMiB] of [['small', smallMiB] as const, ['large', largeMiB] as const]) {
    bench.say(`${what.name}: a repository of ${sizeMiB} MiB`)
    const postgresUrl = await freshDatabase(bench, `${what.name}_${size}`)
    if (postgresUrl === null) return noPostgres
    const folder = await bench.folder('sized')
    const repository = join(folder, 'repository.git')
    await makeSyntheticRemote(repository, sizeMiB)
    const { cost, peakRssBytes } = await work(repository, postgresUrl)
    await rm(folder, { recursive: true })
    peaks.push(peakRssBytes / bytesPerMiB)
    measured.push({ what: `${what.name}, ${size}`, wallMs: cost.wallMs, cpuMs: cost.cpuMs, bytes: sizeMiB * bytesPerMiB, peakRssBytes })
  }
  const [small = Number.NaN, large = Number.NaN] = peaks
  const peak = { what: 'peak of Node', value: Math.max(small, large), unit: 'MiB' as const }
  const peakTarget = what.peakMiBMax === undefined ? null : { bound: 'at most' as const, value: what.peakMiBMax }
  return {
    outcome: 'measured',
    ratios: [
      { what: 'peak of the large minus the small', value: large - small, unit: 'MiB', target: { bound: 'at most', value: 100 } },
      { ...peak, target: peakTarget },
    ],
    measured,
    bound: 'modules of the service, then parts of 8 MiB that are read back',
  }
}
