// A receipt, verified with nothing but an agreement: docs/formats/receipt.md, "Verifying", steps 1, 3 and 4. Step 2, the comparison with a
// manifest, is `checkReceipt`.
import { EscrowError } from '../core/errors.js'
import { checkpointsKeptMax } from '../core/limits.js'
import type { SignedDocument } from '../crypto/dsse.js'
import type { SignatureClaim } from '../crypto/signature.js'
import { canonicalize } from './canonical-json.js'
import { checkpointClaims, checkpointPolicy, openCheckpoint, type CheckpointPolicy, type OpenedCheckpoint } from './checkpoint.js'
import { eventDigest, formatLogEntry } from './log-entry.js'
import { leafHash, verifyInclusion } from './merkle.js'
import { parseProof, type LogProof } from './proof.js'
import { Receipt } from './receipt.js'
import { keysOf, type SignedAgreement } from './signed-agreement.js'
import { openDocument } from './signed-document.js'

/** A receipt that holds. */
export interface VerifiedReceipt {
  readonly receipt: Receipt
  readonly digest: string
  /** The log's word that the proof leads to: signed by the log's key, and by `cosignatures` witnesses of the agreement. */
  readonly checkpoint: OpenedCheckpoint
  /** Fewer witnesses than the agreement demands have cosigned: stored and logged, but a log that shows others another tree would pass. */
  readonly degraded: boolean
}

/**
 * Verify a receipt.
 *
 * @param bytes - attacker-controlled.
 * @param agreement - trusted; the receipt must name it.
 * @throws EscrowError `FORMAT_INVALID`, `SIGNATURE_INVALID`; `AGREEMENT_DIGEST` when it is for another agreement; `PROOF_INVALID`,
 *   `CHECKPOINT_INVALID`
 */
export function verifyReceipt(bytes: Uint8Array, agreement: SignedAgreement): VerifiedReceipt {
  return proveReceipt(openReceipt(bytes, agreement), agreement)
}

/** A receipt that the agent has signed; whether it is in the log, only `proveReceipt` says. */
export interface OpenedReceipt {
  readonly receipt: Receipt
  readonly digest: string
  readonly leaf: Uint8Array
  readonly proof: LogProof
}

/**
 * The first half of `verifyReceipt`: everything but the proof.
 *
 * @param bytes - attacker-controlled; or what `parseSignedDocument` has made of them.
 * @throws EscrowError `FORMAT_INVALID`, `SIGNATURE_INVALID`, `AGREEMENT_DIGEST`; `PROOF_INVALID` when it contradicts itself
 */
export function openReceipt(bytes: Uint8Array | SignedDocument, agreement: SignedAgreement): OpenedReceipt {
  const { body } = agreement
  const { body: receipt, digest } = openDocument(bytes, { schema: Receipt, keys: keysOf(body, 'agent'), what: 'receipt' })
  if (receipt.agreement !== agreement.digest || receipt.agreementId !== body.agreement || receipt.origin !== body.origin) {
    throw new EscrowError('AGREEMENT_DIGEST', `receipt: expected one for agreement ${agreement.digest}, got one for ${receipt.agreement}`)
  }
  const { log } = receipt
  requireEqual('event', log.event.agreement, body.agreement)
  requireEqual('event', `${log.event.source} ${log.event.sequence}`, `${receipt.source} ${receipt.sequence}`)
  requireEqual('manifest digest in the event', log.event.manifest, receipt.manifest)
  const salted = eventDigest(Buffer.from(log.salt, 'hex'), canonicalize(log.event))
  const leaf = leafHash(formatLogEntry({ tag: Buffer.from(log.tag, 'hex'), digest: salted }))
  requireEqual('leaf', log.leafHash, Buffer.from(leaf).toString('hex'))
  const proof = parseProof(log.proof)
  requireEqual('index', String(log.index), String(proof.index))
  requireEqual('log', log.origin, body.log.origin)
  return { receipt, digest, leaf, proof }
}

/**
 * The second half of `verifyReceipt`: the log's checkpoint, and the proof that leads to it.
 *
 * @throws EscrowError `CHECKPOINT_INVALID`, `PROOF_INVALID`
 */
export function proveReceipt({ receipt, digest, leaf, proof }: OpenedReceipt, agreement: SignedAgreement): VerifiedReceipt {
  // The quorum is not demanded but reported: too few witnesses make a receipt degraded, not wrong.
  const checkpoint = checkpointsOf(agreement).open(proof)
  verifyInclusion({ index: proof.index, size: checkpoint.size, leafHash: leaf, root: checkpoint.root }, proof.hashes)
  return { receipt, digest, checkpoint, degraded: !checkpoint.witnessed }
}

/** What to give `verifyAhead` for a receipt's checkpoint; nothing when it was opened lately. */
export function checkpointClaimsOf({ proof }: OpenedReceipt, agreement: SignedAgreement): readonly SignatureClaim[] {
  return checkpointsOf(agreement).claims(proof)
}

/** Opens the checkpoints of one log and remembers the last ones by their bytes: receipts of one day lead to a few. */
class KnownCheckpoints {
  readonly #opened = new Map<string, OpenedCheckpoint>()

  constructor(private readonly policy: CheckpointPolicy) {}

  claims({ checkpoint }: LogProof): readonly SignatureClaim[] {
    return this.#opened.has(nameOf(checkpoint)) ? [] : checkpointClaims(checkpoint, this.policy)
  }

  open({ checkpoint }: LogProof): OpenedCheckpoint {
    const text = nameOf(checkpoint)
    const known = this.#opened.get(text)
    if (known !== undefined) return known
    const opened = openCheckpoint(checkpoint, this.policy)
    const [oldest] = this.#opened.keys()
    if (this.#opened.size >= checkpointsKeptMax && oldest !== undefined) this.#opened.delete(oldest)
    this.#opened.set(text, opened)
    return opened
  }
}

const nameOf = (checkpoint: Uint8Array) => Buffer.from(checkpoint).toString('latin1')
const knownCheckpoints = new WeakMap<SignedAgreement, KnownCheckpoints>()

function checkpointsOf(agreement: SignedAgreement): KnownCheckpoints {
  const known = knownCheckpoints.get(agreement) ?? new KnownCheckpoints(checkpointPolicy(agreement.body.log))
  knownCheckpoints.set(agreement, known)
  return known
}

function requireEqual(what: string, got: string, expected: string): void {
  if (got !== expected) throw new EscrowError('PROOF_INVALID', `receipt: expected ${what} ${expected}, got ${got}`)
}
