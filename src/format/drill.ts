// Summons to a rehearsal, signed by the agent. The types keep their digests apart from those of statements: what is said in a drill covers no
// release request, and the other way round.
import { z } from 'zod'
import { partiesMax } from '../core/limits.js'
import { AgeRecipient, Instant, Nonce, Oid, Sha256Hex, Slug } from './ids.js'

const firstFields = {
  origin: z.string().min(1).max(200),
  /** Digest of the agreement that is rehearsed. */
  agreement: Sha256Hex,
  nonce: Nonce,
  summonedAt: Instant,
  endsAt: Instant,
} as const

/** What an approval drill asks its voters. */
export const DrillSummons = z.strictObject({
  type: z.literal('escrow/approval-drill/v1'),
  ...firstFields,
  epoch: z.number().int().min(1).max(1_000_000),
  condition: Slug,
  recipients: z.array(AgeRecipient).min(1).max(partiesMax),
})
export type DrillSummons = z.infer<typeof DrillSummons>

/** What a restore drill asks a beneficiary: to restore the canary from a vault that holds nothing else. */
export const RestoreSummons = z.strictObject({
  type: z.literal('escrow/restore-drill/v1'),
  ...firstFields,
  /** Digest of the rehearsal's own agreement: a vault of its own, so that its shares open nothing real. */
  rehearsal: Sha256Hex,
  source: Slug,
  /** The commit that must be in what is restored. */
  canary: Oid,
})
export type RestoreSummons = z.infer<typeof RestoreSummons>

/** Either kind. */
export const AnySummons = z.discriminatedUnion('type', [DrillSummons, RestoreSummons])
export type AnySummons = z.infer<typeof AnySummons>
