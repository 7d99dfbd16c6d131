// What the service says of its log over HTTP.
import { z } from 'zod'
import { Instant } from '../format/ids.js'

const count = z.number().int()
const WitnessView = z.object({
  name: z.string(),
  size: count,
  cosignedAt: Instant.nullable(),
  /** That it did not the last time, and why. Its own words stay with the operator: this route is open to everybody. */
  failure: z.object({ code: z.string().nullable(), at: Instant.nullable(), times: count }).nullable(),
})

export const LogView = z
  .object({
    origin: z.string(),
    size: count,
    witnessedSize: count,
    pending: count,
    degraded: z.boolean(),
    checkpointAt: Instant.nullable(),
    witnessQuorum: count,
    witnesses: z.array(WitnessView),
  })
  .meta({ id: 'LogState' })

export const GrowthView = z
  .object({ oldSize: count, newSize: count, hashes: z.array(z.string()), checkpoint: z.string() })
  .meta({ id: 'LogGrowth' })
