// Reads every copy of a home again, as `escrow check --all` does, in a service that has done so before: row 5. A sweep never ends, so
// neither the start of the service nor the compilation of its in-process database is counted.
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

/** The engine goes on compiling the database for about this long. */
const sweepsBefore = 2

const { home } = childInput<{ readonly home: string }>()
const app = await startApplication(await openAdapters(await loadConfig(home)))
const sweep = () => app.get(CheckFixity).run({ all: true, replica: null })
for (let before = 0; before < sweepsBefore; before += 1) await sweep()
const usage = startUsage()
const { copies, bytes, bad } = await sweep()
if (bad.length > 0) throw new Error(`expected whole copies, got ${bad.length} that are not`)
const own = usage()
await app.close()
answer({ own, copies, bytes } satisfies Swept)
