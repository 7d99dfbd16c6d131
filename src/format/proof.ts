/**
 * Proofs that travel (c2sp.org/tlog-proof): a leaf's index, its inclusion proof, and the checkpoint it leads to, in one text file
 * that anybody can verify offline. Everything in it is attacker-controlled; `extra` stays so even after verification.
 */
import { EscrowError } from '../core/errors.js'
import { noteBytesMax } from '../core/limits.js'
import { decodeBase64, encodeBase64 } from '../crypto/base64.js'
import { demandQuorum, openCheckpoint, type CheckpointPolicy, type OpenedCheckpoint } from './checkpoint.js'
import { hashBytes, leafHash, proofHashesMax, verifyInclusion } from './merkle.js'

/** A proof as read: nothing in it is verified. */
export interface LogProof {
  /** Position of the leaf, from 0; a safe integer. */
  readonly index: number
  /** Siblings from the leaf up. */
  readonly hashes: readonly Uint8Array[]
  /** The checkpoint, verbatim. */
  readonly checkpoint: Uint8Array
  /** Opaque to the log and not authenticated by it. */
  readonly extra?: Uint8Array
}

const header = 'c2sp.org/tlog-proof@v1'
const indexPattern = /^index (0|[1-9]\d{0,15})$/
/** More than any event needs: an entry of a log is at most 64 KiB. */
const extraBytesMax = 64 * 1024
const proofBytesMax = 2 * extraBytesMax + (proofHashesMax + 4) * 64 + noteBytesMax

/** The text of a proof. */
export function formatProof(proof: LogProof): string {
  const extra = proof.extra === undefined ? [] : [`extra ${encodeBase64(proof.extra)}`]
  const lines = [header, ...extra, `index ${proof.index}`, ...proof.hashes.map((one) => encodeBase64(one))]
  return `${lines.join('\n')}\n\n${new TextDecoder().decode(proof.checkpoint)}`
}

/**
 * The parts of a proof.
 *
 * @param text - attacker-controlled.
 * @throws EscrowError `FORMAT_INVALID`
 */
export function parseProof(text: string): LogProof {
  if (text.length > proofBytesMax) throw malformed(`expected at most ${proofBytesMax} characters, got ${text.length}`)
  const split = text.indexOf('\n\n')
  if (split < 0) throw malformed('expected an empty line before the checkpoint')
  const lines = text.slice(0, split).split('\n')
  if (lines.shift() !== header) throw malformed(`expected ${header} in the first line`)
  const extra = lines[0]?.startsWith('extra ') ? parseExtra(lines.shift() ?? '') : undefined
  const index = Number(indexPattern.exec(lines.shift() ?? '')?.[1] ?? Number.NaN)
  if (!Number.isSafeInteger(index)) throw malformed('expected a line like: index 7')
  if (lines.length > proofHashesMax) throw malformed(`expected at most ${proofHashesMax} hashes, got ${lines.length}`)
  const hashes = lines.map((line) => parseHash(line))
  const checkpoint = new TextEncoder().encode(text.slice(split + 2))
  return { index, hashes, checkpoint, ...(extra === undefined ? {} : { extra }) }
}

function parseExtra(line: string): Uint8Array {
  const extra = decodeBase64(line.slice('extra '.length))
  if (extra === null || extra.length > extraBytesMax) throw malformed(`expected extra to be up to ${extraBytesMax} bytes in base64`)
  return extra
}

function parseHash(line: string): Uint8Array {
  const bytes = decodeBase64(line)
  if (bytes?.length !== hashBytes) throw malformed(`expected hashes of ${hashBytes} bytes in base64`)
  return bytes
}

/**
 * Verify a proof for an entry: log signature, cosignatures, inclusion.
 *
 * @param entry - the leaf's own bytes, which the verifier knows from elsewhere.
 * @returns the checkpoint that the leaf is included in.
 * @throws EscrowError `CHECKPOINT_INVALID`; `WITNESS_POLICY` when too few witnesses cosigned; `PROOF_INVALID`
 *
 * Source: c2sp.org/tlog-proof, "Verifying a tlog proof".
 */
export function verifyProof(proof: LogProof, entry: Uint8Array, policy: CheckpointPolicy): OpenedCheckpoint {
  const checkpoint = openCheckpoint(proof.checkpoint, policy)
  demandQuorum(checkpoint, policy)
  const claim = { index: proof.index, size: checkpoint.size, leafHash: leafHash(entry), root: checkpoint.root }
  verifyInclusion(claim, proof.hashes)
  return checkpoint
}

function malformed(what: string): EscrowError {
  return new EscrowError('FORMAT_INVALID', `malformed proof: ${what}`)
}
