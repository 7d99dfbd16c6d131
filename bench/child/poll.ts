// Polls an unchanged remote again and again: row 4.
import diagnostics from 'node:diagnostics_channel'
import { digestRefs } from '../../src/format/refs-digest.js'
import { CapabilityCache } from '../../src/git/http-remote.js'
import { HttpTransport } from '../../src/git/http-transport.js'
import { openRemote } from '../../src/git/open-remote.js'
import { answer, childInput, startUsage, type OwnUsage } from './usage.js'

/** What this child says. */
export interface Polled {
  readonly own: OwnUsage
  readonly refs: number
  readonly processes: number
}

const { url, warmUp, polls } = childInput<{ readonly url: string; readonly warmUp: number; readonly polls: number }>()
let processes = 0
diagnostics.subscribe('child_process', () => (processes += 1))
const rules = { allowHttp: true, allowPrivateAddresses: true, allowLocalPaths: false }
const transport = new HttpTransport({ rules })
const cache = new CapabilityCache()

/** As `prepareDeposit` does: list, digest, compare. A poll finds its remote by URL each time. */
async function poll(): Promise<{ readonly refs: number; readonly digest: string }> {
  const listing = await openRemote(url, { rules, transport, cache }).listRefs()
  return { refs: listing.refs.length, digest: digestRefs(listing) }
}

const before = await poll()
for (let count = 1; count < warmUp; count += 1) await poll()
const usage = startUsage()
for (let count = 0; count < polls; count += 1) {
  if ((await poll()).digest !== before.digest) throw new Error('expected an unchanged remote')
}
answer({ own: usage(), refs: before.refs, processes } satisfies Polled)
transport.close()
