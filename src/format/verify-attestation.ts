// An attestation, verified with nothing but the agreement; with the tag secret and the list of leaves nothing can have been left out.
import { EscrowError } from '../core/errors.js'
import { attestedPeriodsMax, statementClockSkewMs } from '../core/limits.js'
import { decodeBase64 } from '../crypto/base64.js'
import type { Source } from './agreement.js'
import { Attestation, type AttestedLeaf, type AttestedPeriod } from './attestation.js'
import { attestPeriods } from './attested-periods.js'
import { canonicalize } from './canonical-json.js'
import { checkpointPolicy, openCheckpoint, type Checkpoint, type OpenedCheckpoint } from './checkpoint.js'
import { eventDigest, formatLogEntry, logTag } from './log-entry.js'
import { scanLeafList, type LeafIndex, type ScannedLeaves } from './leaf-list.js'
import { emptyRoot, leafHash, sameHash } from './merkle.js'
import { verifyMultiProof, type ProvenPlace } from './multi-proof.js'
import { keysOf, type SignedAgreement } from './signed-agreement.js'
import { openDocument } from './signed-document.js'

/** What a verifier brings along beside the agreement. */
export interface AttestationEvidence {
  /** Of the agreement's annex: then the tag is known to be this source's. Null: taken at the agent's word. */
  readonly tagSecret: Uint8Array | null
  /** Every leaf of the log (`leaf-list.ts`), or what was found in that list: then no leaf of the tag can be missing. Null: only the chain speaks. */
  readonly leaves: Leaves | null
  /** Verified checkpoints of this log that the verifier has from elsewhere and earlier: the log must have grown from each. */
  readonly seen?: readonly Checkpoint[]
}

type Leaves = AsyncIterable<Uint8Array> | Iterable<Uint8Array> | LeafIndex

/** An attestation that holds. What it says may still be bad: look at the outcomes. */
export interface VerifiedAttestation {
  readonly attestation: Attestation
  readonly digest: string
  readonly checkpoint: OpenedCheckpoint
  /** Fewer witnesses than the agreement demands have cosigned. */
  readonly degraded: boolean
  /**
   * `scanned`: every leaf of the log was looked at, and none of this source is missing. `closed`: the chain has no gap and goes on past the
   * period; only a log that keeps two chains for one source could hide something. `open-ended`: newer events may have been left out.
   */
  readonly completeness: 'scanned' | 'closed' | 'open-ended'
  readonly tagChecked: boolean
  readonly periods: readonly AttestedPeriod[]
}

/**
 * Verify an attestation.
 *
 * @param bytes - attacker-controlled.
 * @param agreement - trusted; its schedule is what counts.
 * @throws EscrowError `FORMAT_INVALID`, `SIGNATURE_INVALID`; `AGREEMENT_DIGEST` when it is for another agreement; `CHECKPOINT_INVALID`,
 *   `PROOF_INVALID`; `CHAIN_BROKEN` when an event was left out, or the account is not what the events say; `LOG_FORKED` when the log has not
 *   grown from a checkpoint that was seen; `ARGUMENT_INVALID` when one was seen that needs the list of leaves to be compared
 */
export async function verifyAttestation(
  bytes: Uint8Array,
  agreement: SignedAgreement,
  evidence: AttestationEvidence,
): Promise<VerifiedAttestation> {
  const { body: attestation, digest } = openDocument(bytes, {
    schema: Attestation,
    keys: keysOf(agreement.body, 'agent'),
    what: 'attestation',
  })
  const source = requireFits(attestation, agreement)
  const policy = checkpointPolicy(agreement.body.log)
  const checkpoint = openCheckpoint(Buffer.from(attestation.log.checkpoint, 'utf8'), policy)
  const tag = requireTag(attestation, evidence.tagSecret)
  const hashes = attestation.log.leaves.map((leaf) => placeOf(leaf, tag))
  requireProof(attestation, hashes, checkpoint)
  requireChain(attestation, hashes)
  const seen = evidence.seen ?? []
  requireComparable(seen, checkpoint, evidence.leaves !== null)
  if (evidence.leaves !== null) await requireNoOther(attestation, { hashes, tag, leaves: evidence.leaves, seen }, checkpoint)
  const periods = requireAccount(attestation, source)
  const degraded = checkpoint.cosignatures.length < policy.witnessQuorum
  const completeness = evidence.leaves !== null ? 'scanned' : closesPeriod(attestation) ? 'closed' : 'open-ended'
  return { attestation, digest, checkpoint, degraded, completeness, tagChecked: evidence.tagSecret !== null, periods }
}

function requireFits(attestation: Attestation, { body, digest }: SignedAgreement): Source {
  if (attestation.agreement !== digest || attestation.agreementId !== body.agreement || attestation.origin !== body.origin) {
    throw new EscrowError('AGREEMENT_DIGEST', `attestation: expected one for agreement ${digest}, got one for ${attestation.agreement}`)
  }
  if (attestation.log.origin !== body.log.origin)
    throw new EscrowError('AGREEMENT_DIGEST', `attestation: expected the log ${body.log.origin}`)
  const source = body.sources.find((one) => one.source === attestation.source)
  if (source === undefined) throw new EscrowError('AGREEMENT_DIGEST', `attestation: the agreement has no source ${attestation.source}`)
  return source
}

function requireTag({ source, log }: Attestation, secret: Uint8Array | null): Uint8Array {
  const tag = Buffer.from(log.tag, 'hex')
  if (secret === null || sameHash(logTag(secret, source), tag)) return tag
  throw new EscrowError('PROOF_INVALID', `attestation: the tag is not that of source ${source}`)
}

function placeOf({ index, salt, event }: AttestedLeaf, tag: Uint8Array): ProvenPlace {
  const digest = eventDigest(Buffer.from(salt, 'hex'), canonicalize(event))
  return { index, hash: leafHash(formatLogEntry({ tag, digest })) }
}

function requireProof({ log }: Attestation, places: readonly ProvenPlace[], checkpoint: OpenedCheckpoint): void {
  if (places.length === 0 && log.proof.length === 0) return
  const proof = log.proof.map((hash) => decodeBase64(hash) ?? new Uint8Array(0))
  verifyMultiProof(checkpoint, places, proof)
}

/** Numbered and linked without a gap, of this source, in order of time, and from before the period. */
function requireChain({ agreementId, source, from, log }: Attestation, places: readonly ProvenPlace[]): void {
  const [first] = log.leaves
  if (first !== undefined && first.event.chain.number > 1 && Date.parse(first.event.at) >= Date.parse(from)) {
    throw broken(`expected the events from before ${from} on, got them from event ${first.event.chain.number} on`)
  }
  for (const [at, { event }] of log.leaves.entries()) {
    const [before, hash] = [log.leaves[at - 1], places[at - 1]?.hash]
    if (event.subject !== source || event.agreement !== agreementId)
      throw broken(`expected events of ${source}, got one of ${event.subject}`)
    if (before === undefined) continue
    const linked = event.chain.number === before.event.chain.number + 1 && event.chain.previous === hex(hash ?? new Uint8Array(0))
    if (!linked) throw broken(`expected event ${before.event.chain.number + 1} to follow, got event ${event.chain.number}`)
    if (Date.parse(event.at) < Date.parse(before.event.at) - statementClockSkewMs) throw broken('expected events in order of time')
  }
  if (first !== undefined && (first.event.chain.number === 1) !== (first.event.chain.previous === null))
    throw broken('expected the first event to follow none')
}

/** With every leaf of the log at hand, those of the tag must be the ones shown, as many before them as the numbers say, and later ones only after the period. */
async function requireNoOther(
  attestation: Attestation,
  given: {
    readonly hashes: readonly ProvenPlace[]
    readonly tag: Uint8Array
    readonly seen: readonly Checkpoint[]
    readonly leaves: Leaves
  },
  checkpoint: OpenedCheckpoint,
): Promise<void> {
  const scanned = await scan(given, checkpoint)
  if (scanned.size !== checkpoint.size || !sameHash(scanned.root, checkpoint.root)) {
    throw new EscrowError('PROOF_INVALID', `the list of leaves is not that of the checkpoint of ${checkpoint.size} leaves`)
  }
  for (const { size, root } of given.seen)
    if (size > 0 && !sameHash(scanned.rootsAt.get(size) ?? emptyRoot(), root)) throw forked(size, checkpoint)
  const hidden = (attestation.log.leaves[0]?.event.chain.number ?? 1) - 1
  const expected = scanned.places.slice(hidden, closesPeriod(attestation) ? hidden + given.hashes.length : undefined)
  const shown = given.hashes.map((place) => place.index)
  if (expected.length === shown.length && expected.every((index, at) => index === shown[at])) return
  throw broken(`the log has ${scanned.places.length} leaves of this source, the attestation accounts for ${hidden + shown.length}`)
}

function scan(
  { leaves, tag, seen }: { readonly leaves: Leaves; readonly tag: Uint8Array; readonly seen: readonly Checkpoint[] },
  { size }: Checkpoint,
): ScannedLeaves | Promise<ScannedLeaves> {
  if ('placesOf' in leaves) return { ...leaves, places: leaves.placesOf.get(hex(tag)) ?? [] }
  return scanLeafList(leaves, { tag, sizeMax: size, sizes: seen.map((one) => one.size) })
}

/** Trees of one size can be compared at once, smaller ones with the list of leaves, and a larger one that was seen is proof by itself. */
function requireComparable(seen: readonly Checkpoint[], checkpoint: OpenedCheckpoint, withLeaves: boolean): void {
  for (const { size, root } of seen) {
    if (size === checkpoint.size && !sameHash(root, checkpoint.root)) throw forked(size, checkpoint)
    if (size > checkpoint.size)
      throw new EscrowError('LOG_ROLLED_BACK', `attestation: a checkpoint of ${size} leaves was seen, this one has ${checkpoint.size}`)
    if (size < checkpoint.size && !withLeaves)
      throw new EscrowError('ARGUMENT_INVALID', 'expected the list of leaves, to compare earlier checkpoints with')
  }
}

function forked(size: number, checkpoint: Checkpoint): EscrowError {
  return new EscrowError(
    'LOG_FORKED',
    `attestation: the log of ${checkpoint.size} leaves has not grown from the ${size} leaves that were seen`,
  )
}

/** Whether the last event shown is later than every deadline, so that none after it can speak of the period. */
function closesPeriod({ to, periods, log }: Attestation): boolean {
  const ends = [Date.parse(to), ...periods.map((period) => Date.parse(period.deadlineAt))]
  return Date.parse(log.leaves.at(-1)?.event.at ?? '') > Math.max(...ends)
}

/** The account must be what the events and the agreed schedule say, and nothing else. */
function requireAccount(attestation: Attestation, source: Source): readonly AttestedPeriod[] {
  const span = { from: new Date(attestation.from), to: new Date(attestation.to), now: new Date(attestation.issuedAt) }
  const events = attestation.log.leaves.map((leaf) => leaf.event)
  const periods = attestPeriods(source.schedule, span, events, attestedPeriodsMax)
  if (Buffer.compare(canonicalize([...periods]), canonicalize(attestation.periods)) === 0) return periods
  throw broken('the account of due times is not what the events and the schedule of the agreement say')
}

function broken(words: string): EscrowError {
  return new EscrowError('CHAIN_BROKEN', `attestation: ${words}`)
}

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')
