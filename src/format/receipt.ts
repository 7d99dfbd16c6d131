// The agent's signed word that a deposit is stored and logged, with everything needed to check it offline.
import { z } from 'zod'
import { EscrowError } from '../core/errors.js'
import { noteBytesMax, noteSignaturesMax } from '../core/limits.js'
import { AgreementId, Instant, SafeCount, Sha256Hex, Slug } from './ids.js'
import { DepositStored } from './event.js'
import type { Manifest } from './manifest.js'

/** A tlog-proof: header, index, at most 63 hashes of 45 characters, and the checkpoint. */
const proofCharactersMax = 64 + 63 * 45 + noteBytesMax

/**
 * What the agent signs. The proof is a C2SP tlog-proof file as text; event and salt give the leaf it is for, and the manifest's digest
 * ties both to the deposit. `docs/formats/receipt.md` says how to verify one with nothing but the agreement.
 */
export const Receipt = z.strictObject({
  type: z.literal('escrow/receipt/v1'),
  /** The service, as statements name it. */
  origin: z.string().min(1).max(200),
  agreementId: AgreementId,
  /** Digest of the agreement. */
  agreement: Sha256Hex,
  source: Slug,
  sequence: z.number().int().min(1).max(Number.MAX_SAFE_INTEGER),
  manifest: Sha256Hex,
  /** Digest of the deposit's sealed file, so that the holder of a copy needs no manifest to recognise it. */
  envelope: Sha256Hex,
  issuedAt: Instant,
  log: z.strictObject({
    origin: z.string().min(1).max(200),
    index: SafeCount,
    leafHash: Sha256Hex,
    /** HMAC tag of the source in hex: the first half of what the leaf says. */
    tag: Sha256Hex,
    /** 32 bytes in hex that hide the event in the log. */
    salt: Sha256Hex,
    event: DepositStored,
    proof: z.string().min(1).max(proofCharactersMax),
    /** Cosignatures on the checkpoint when it was issued; fewer than the agreement's quorum means degraded. */
    cosignatures: z.number().int().min(0).max(noteSignaturesMax),
  }),
})
export type Receipt = z.infer<typeof Receipt>

/**
 * Require that a receipt and a manifest speak of one deposit, and the receipt of one throughout. Signatures and the proof are verified
 * elsewhere.
 *
 * @param manifestDigest - SHA-256 of the manifest's payload, as opened.
 * @throws EscrowError `PROOF_INVALID` naming what differs.
 */
export function checkReceipt(receipt: Receipt, manifest: Manifest, manifestDigest: string): void {
  const { event } = receipt.log
  requireEqual('manifest digest', receipt.manifest, manifestDigest)
  requireEqual('manifest digest in the event', event.manifest, manifestDigest)
  requireEqual('agreement', receipt.agreement, manifest.agreement)
  requireEqual('agreement id', event.agreement, receipt.agreementId)
  requireEqual('envelope', receipt.envelope, manifest.envelope.sha256)
  requireEqual('subject', event.subject, manifest.source)
  for (const source of [receipt.source, event.source]) requireEqual('source', source, manifest.source)
  for (const sequence of [receipt.sequence, event.sequence]) requireEqual('sequence', sequence, manifest.sequence)
  requireEqual('kind', event.kind, manifest.kind)
}

function requireEqual(what: string, got: string | number, expected: string | number): void {
  if (got !== expected) throw new EscrowError('PROOF_INVALID', `receipt: expected ${what} ${expected}, got ${got}`)
}
