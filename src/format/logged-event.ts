// An event with the proof that it is in the log, as it travels to parties: docs/formats/release-case.md.
import { z } from 'zod'
import { EscrowError } from '../core/errors.js'
import { documentBytesMax } from '../core/limits.js'
import type { Agreement } from './agreement.js'
import { canonicalize, parseCanonical } from './canonical-json.js'
import { checkpointPolicy } from './checkpoint.js'
import { Event, type LoggedEvent } from './event.js'
import { Sha256Hex } from './ids.js'
import { eventDigest, formatLogEntry } from './log-entry.js'
import { leafHash } from './merkle.js'
import { parseBody } from './parse-body.js'
import { parseProof, verifyProof } from './proof.js'

/** One event with all that its leaf is made from, and a proof in the form of c2sp.org/tlog-proof. */
export const ProvenEvent = z.strictObject({
  type: z.literal('escrow/proven-event/v1'),
  tag: Sha256Hex,
  salt: Sha256Hex,
  event: Event,
  proof: z.string().max(300_000),
})
export type ProvenEvent = z.infer<typeof ProvenEvent>

/**
 * Verify that an event is in the log that an agreement pins.
 *
 * @param bytes - attacker-controlled.
 * @returns the event with its leaf, and its place in the log.
 * @throws EscrowError `FORMAT_INVALID`, `PROOF_INVALID`, `CHECKPOINT_INVALID`; `WITNESS_POLICY` when fewer witnesses have cosigned than
 *   the agreement demands
 */
export function verifyProvenEvent(
  bytes: Uint8Array,
  agreement: Pick<Agreement, 'agreement' | 'log'>,
): LoggedEvent & { readonly index: number } {
  const proven = parseBody(parseCanonical(bytes, documentBytesMax), ProvenEvent, 'proven event')
  const digest = eventDigest(Buffer.from(proven.salt, 'hex'), canonicalize(proven.event))
  const entry = formatLogEntry({ tag: Buffer.from(proven.tag, 'hex'), digest })
  const proof = parseProof(proven.proof)
  verifyProof(proof, entry, checkpointPolicy(agreement.log))
  if (proven.event.agreement !== agreement.agreement) {
    throw new EscrowError('PROOF_INVALID', `expected an event of ${agreement.agreement}, got one of ${proven.event.agreement}`)
  }
  return { event: proven.event, leafHash: Buffer.from(leafHash(entry)).toString('hex'), index: proof.index }
}
