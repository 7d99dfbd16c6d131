import { z } from 'zod'
import { Country, Instant, Sha256Hex, Slug } from '../format/ids.js'
import type { ReplicaRow } from '../escrow/archive/copy.table.js'
import type { CheckOfDeposit } from './visible-fixity.table.js'

export const CheckView = z
  .object({
    key: z.string(),
    replica: Slug,
    checkedAt: Instant,
    outcome: z.enum(['match', 'mismatch', 'missing', 'unreadable']),
    /** What the bytes had instead; null when they matched or could not be read. */
    foundDigest: Sha256Hex.nullable(),
  })
  .meta({ id: 'FixityCheck' })

/** One check of one copy. */
export function showCheck({ key, replica, check }: CheckOfDeposit): z.input<typeof CheckView> {
  const { checkedAt, outcome, foundDigest } = check
  return { key, replica, checkedAt: checkedAt.toISOString(), outcome, foundDigest }
}

export const ReplicaView = z
  .object({ replica: Slug, country: Country, control: Country, state: z.string(), addedAt: Instant })
  .meta({ id: 'Replica' })

/** One place where every object is kept. */
export function showReplica({ addedAt, ...plain }: ReplicaRow): z.input<typeof ReplicaView> {
  return { ...plain, addedAt: addedAt.toISOString() }
}
