// Row 5: reading an archive again, beside `openssl dgst` over the same files.
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { BenchRow } from './bench-row.js'
import type { Swept } from './child/sweep-fixity.js'
import { BenchHome } from './home.js'
import { measuredOf, medianRatio } from './first-deposit.js'
import { measure, measureChild, type Cost } from './measure.js'
import { installed } from './tools.js'

const roundsMin = 3

export const row: BenchRow = {
  name: 'fixity-sweep',
  title: 'fixity sweep ÷ openssl dgst -sha256 over the same files, in bytes per second of one core',
  async run(bench) {
    if (!(await installed('openssl', 'version'))) return { outcome: 'skipped', why: 'openssl is not installed' }
    const [transport] = await bench.transports()
    const home = await BenchHome.arm(await bench.folder('fixity'), { url: transport?.ownUrl ?? '' })
    await home.mirror()
    const files = await storedFiles(home.home)
    const sweeps: Swept[] = []
    const openssl: Cost[] = []
    for (let round = 1; round <= Math.max(roundsMin, bench.rounds); round += 1) {
      bench.say(`fixity sweep, round ${round}`)
      openssl.push(await measure(['openssl', 'dgst', '-sha256', ...files]))
      sweeps.push((await measureChild<Swept>('sweep-fixity', { home: home.home })).result)
    }
    const own = sweeps.map((sweep) => sweep.own)
    const bytes = sweeps[0]?.bytes ?? 0
    return {
      outcome: 'measured',
      ratios: [
        {
          what: 'speed per core, by processor time',
          value: 1 / medianRatio(own, openssl, (cost) => cost.cpuMs),
          unit: '×',
          target: { bound: 'at least', value: 0.8 },
        },
        { what: 'speed by wall time', value: 1 / medianRatio(own, openssl, (cost) => cost.wallMs), unit: '×', target: null },
      ],
      measured: [measuredOf('fixity sweep', own, { bytes }), measuredOf('openssl dgst -sha256', openssl, { bytes })],
      bound: 'SHA-256; the rest is reading blocks and recording each copy',
    }
  },
}

/** The files of both replicas that are objects: names with a leading dot are the store's own. */
async function storedFiles(home: string): Promise<readonly string[]> {
  const folders = ['a', 'b'].map((name) => join(home, 'replicas', name, 'objects'))
  const listed = await Promise.all(folders.map((folder) => readdir(folder, { recursive: true, withFileTypes: true })))
  return listed
    .flat()
    .filter((entry) => entry.isFile() && !join(entry.parentPath, entry.name).includes('/.'))
    .map((entry) => join(entry.parentPath, entry.name))
}
