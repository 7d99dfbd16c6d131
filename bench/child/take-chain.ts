// A full deposit and, when the parent has moved the refs, an incremental one, in one process: row 3.
import { createInterface } from 'node:readline'
import { BenchArchive } from './archive.js'
import { answer, childInput, startUsage, type OwnUsage } from './usage.js'

/** What this child says after each deposit. */
export interface ChainLink {
  readonly own: OwnUsage
  readonly kind: string
  readonly bundleBytes: number
  readonly envelopeBytes: number
  readonly documentBytes: number
}

const { folder, url } = childInput<{ readonly folder: string; readonly url: string }>()
const archive = await BenchArchive.make(folder, url)

async function take(): Promise<void> {
  const usage = startUsage()
  const deposit = await archive.deposit()
  if (deposit === null) throw new Error('expected a deposit')
  const { kind, bundle, envelope } = deposit.manifest
  const documentBytes = deposit.inventory.bytes.length + deposit.knownObjects.bytes.length
  answer({ own: usage(), kind, bundleBytes: bundle.sizeBytes, envelopeBytes: envelope.sizeBytes, documentBytes } satisfies ChainLink)
}

await take()
// A line from the parent: the refs have moved.
for await (const line of createInterface({ input: process.stdin })) {
  if (line === 'again') await take()
  else break
}
archive.close()
