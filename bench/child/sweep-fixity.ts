// Reads every copy of a home again, as `escrow check --all` does, without counting the start of the service: row 5.
import { loadConfig } from '../../config/load.js'
import { openAdapters } from '../../src/adapters.module.js'
import { startApplication } from '../../src/app.module.js'
import { CheckFixity } from '../../src/verify/check-fixity.js'
import { answer, childInput, startUsage, type OwnUsage } from './usage.js'

/** What this child says. */
export interface Swept {
  readonly own: OwnUsage
  readonly copies: number
  readonly bytes: number
}

const { home } = childInput<{ readonly home: string }>()
const app = await startApplication(await openAdapters(await loadConfig(home)))
const usage = startUsage()
const { copies, bytes, bad } = await app.get(CheckFixity).run({ all: true, replica: null })
if (bad.length > 0) throw new Error(`expected whole copies, got ${bad.length} that are not`)
const own = usage()
await app.close()
answer({ own, copies, bytes } satisfies Swept)
