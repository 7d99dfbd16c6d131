// The agent's signed account of a period: each due time of a source, what happened to it, and every leaf of the source from before the period
// to the newest, so that an omission shows. docs/formats/attestation.md says how to verify one.
import { z } from 'zod'
import { attestedEventsMax, attestedPeriodsMax, noteBytesMax } from '../core/limits.js'
import { Event } from './event.js'
import { AgreementId, Instant, SafeCount, Sha256Hex, Slug } from './ids.js'

/** What happened to a due time: only `deposit` and `unchanged` meet it. `nothing` is no event at all; a deadline that is yet to come is `open`. */
export const PeriodOutcome = z.enum(['deposit', 'unchanged', 'missed', 'refused', 'failed', 'nothing', 'open'])
export type PeriodOutcome = z.infer<typeof PeriodOutcome>

const Sequence = z.number().int().min(1).max(Number.MAX_SAFE_INTEGER)

/** One due time of the schedule. */
export const AttestedPeriod = z.strictObject({
  dueAt: Instant,
  deadlineAt: Instant,
  outcome: PeriodOutcome,
  /** What met it came after its deadline, or it was missed and something came later. */
  late: z.boolean(),
  /** Numbers in the source's chain of the events that speak of it. */
  events: z.array(Sequence).max(attestedEventsMax),
})
export type AttestedPeriod = z.infer<typeof AttestedPeriod>

/** A leaf with the event behind it. */
export const AttestedLeaf = z.strictObject({ index: SafeCount, salt: Sha256Hex, event: Event })
export type AttestedLeaf = z.infer<typeof AttestedLeaf>

/** What the agent signs. */
export const Attestation = z.strictObject({
  type: z.literal('escrow/attestation/v1'),
  origin: z.string().min(1).max(200),
  agreementId: AgreementId,
  /** Digest of the agreement whose schedule it is. */
  agreement: Sha256Hex,
  source: Slug,
  /** The due times from here, */
  from: Instant,
  /** up to, but without, this moment. */
  to: Instant,
  issuedAt: Instant,
  periods: z.array(AttestedPeriod).max(attestedPeriodsMax),
  log: z.strictObject({
    origin: z.string().min(1).max(200),
    /** A signed note with its cosignatures. */
    checkpoint: z.string().min(1).max(noteBytesMax),
    /** HMAC tag of the source, in hex. */
    tag: Sha256Hex,
    /** Events of the source without a gap: from the first or from before the period, to the newest or to one after the last deadline. */
    leaves: z.array(AttestedLeaf).max(attestedEventsMax),
    /** One proof for all of them (`multi-proof.ts`), hashes in base64. */
    proof: z.array(z.string().length(44)).max(64 * attestedEventsMax),
  }),
})
export type Attestation = z.infer<typeof Attestation>
