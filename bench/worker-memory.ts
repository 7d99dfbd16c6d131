// Row 7: the memory of a worker, and whether it grows with the repository.
import { rm } from 'node:fs/promises'
import type { BenchRow } from './bench-row.js'
import { BenchHome } from './home.js'
import { largeBesideSmall, largeMiB, smallMiB } from './large-beside-small.js'

export const row: BenchRow = {
  name: 'worker-memory',
  title: `memory of a worker: a repository of ${largeMiB} MiB beside one of ${smallMiB} MiB`,
  run: (bench) =>
    largeBesideSmall(bench, { name: 'escrow mirror', peakMiBMax: 250 }, async (url, postgresUrl) => {
      const folder = await bench.folder('memory-home')
      const home = await BenchHome.arm(folder, { url, postgresUrl })
      const { cost, own } = await home.mirror()
      await rm(folder, { recursive: true })
      return { cost, peakRssBytes: own.peakRssBytes }
    }),
}
