import { EscrowError } from '../core/errors.js'
import type { Database } from '../db/database.js'
import type { Agent } from './agent.js'
import { attachmentBytesSince } from './basis/attachment.table.js'
import { bundleBytesSince } from './archive/deposit.table.js'

const dayMs = 86_400_000

/**
 * Keep a depositor that sends by itself within what the operator lets one agreement store in a day. What we pull ourselves has our own schedule. The
 * deposit that fills the day is still taken: its size is known only at its end.
 *
 * @throws EscrowError `QUOTA_EXCEEDED`, with what was stored, what may be, and since when it counts
 */
export async function requireQuota(on: { readonly database: Database; readonly agent: Agent }, agreementId: string): Promise<void> {
  const { bytesPerDayMax } = on.agent.options
  const since = new Date(on.agent.clock.now().getTime() - dayMs)
  const bundles = await on.database.query((db) => bundleBytesSince(db, agreementId, since))
  const stored = bundles + (await on.database.query((db) => attachmentBytesSince(db, agreementId, since)))
  if (stored < bytesPerDayMax) return
  throw new EscrowError(
    'QUOTA_EXCEEDED',
    `agreement ${agreementId} has deposited ${stored} bytes since ${since.toISOString()}; expected less than ${bytesPerDayMax} in 24 hours`,
  )
}
