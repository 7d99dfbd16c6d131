// The first deposit of a remote, steps 1 to 6 of DESIGN section 4: what row 1 measures.
import { BenchArchive } from './archive.js'
import { answer, childInput, startUsage } from './usage.js'

/** What this child says. */
export interface TakenDeposit {
  readonly own: { readonly wallMs: number; readonly cpuMs: number; readonly peakRssBytes: number }
  readonly objects: number
  readonly bundleBytes: number
}

const { folder, url } = childInput<{ readonly folder: string; readonly url: string }>()
const usage = startUsage()
const archive = await BenchArchive.make(folder, url)
const deposit = await archive.deposit()
archive.close()
if (deposit === null) throw new Error('expected a deposit')
const { objectCount, sizeBytes } = deposit.manifest.bundle
answer({ own: usage(), objects: objectCount, bundleBytes: sizeBytes } satisfies TakenDeposit)
