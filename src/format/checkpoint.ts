/**
 * Checkpoints (c2sp.org/tlog-checkpoint): a signed note that says how many leaves a log has and their root. A log never signs two
 * that contradict each other; whoever holds two such notes can prove that it did.
 */
import { EscrowError, isEscrowError } from '../core/errors.js'
import { decodeBase64, encodeBase64 } from '../crypto/base64.js'
import type { SignatureClaim, SigningKey } from '../crypto/signature.js'
import type { LogPolicy } from './agreement.js'
import { cosignatureClaims, verifyCosignatures, type Cosignature } from './cosignature.js'
import { hashBytes } from './merkle.js'
import { formatNote, noteClaims, parseNote, parseNoteKey, signNote, signatureType, verifyNote, type Note, type NoteKey } from './note.js'

/** What a log claims about itself. */
export interface Checkpoint {
  /** The log's name. */
  readonly origin: string
  /** Leaves in the tree; a safe integer. */
  readonly size: number
  readonly root: Uint8Array
}

/** Whose checkpoints one believes, made from the `log` part of an agreement. */
export interface CheckpointPolicy {
  readonly origin: string
  readonly logKey: NoteKey
  readonly witnesses: readonly NoteKey[]
  /** Cosignatures demanded; 0 demands none. */
  readonly witnessQuorum: number
}

/** A checkpoint whose log signature and cosignatures were verified. */
export interface OpenedCheckpoint extends Checkpoint {
  readonly note: Note
  readonly cosignatures: readonly Cosignature[]
  /** Whether as many witnesses cosigned as the policy demands. */
  readonly witnessed: boolean
}

const sizePattern = /^(?:0|[1-9]\d{0,15})$/

/**
 * The policy of an agreement.
 *
 * @throws EscrowError `KEY_INVALID` when a key is malformed or of the wrong type, when two share a public key (one witness would
 *   count twice), or when the quorum cannot be reached.
 */
export function checkpointPolicy(policy: LogPolicy): CheckpointPolicy {
  const logKey = parseNoteKey(policy.key)
  const witnesses = policy.witnesses.map((line) => parseNoteKey(line))
  if (logKey.type !== signatureType.ed25519) throw new EscrowError('KEY_INVALID', 'expected a log key of type 1')
  if (witnesses.some((key) => key.type !== signatureType.cosignature)) {
    throw new EscrowError('KEY_INVALID', 'expected witness keys of type 4')
  }
  const keys = [logKey, ...witnesses].map((key) => key.publicKey)
  if (new Set(keys).size < keys.length) throw new EscrowError('KEY_INVALID', 'expected every witness to have a key of its own')
  if (policy.witnessQuorum > witnesses.length) {
    throw new EscrowError('KEY_INVALID', `expected a witness quorum up to ${witnesses.length}, got ${policy.witnessQuorum}`)
  }
  return { origin: policy.origin, logKey, witnesses, witnessQuorum: policy.witnessQuorum }
}

/** The text that a log signs. */
export function formatCheckpointText(checkpoint: Checkpoint): string {
  return `${checkpoint.origin}\n${checkpoint.size}\n${encodeBase64(checkpoint.root)}\n`
}

/**
 * What a checkpoint's text claims; extension lines are allowed and ignored, for nothing audits them.
 *
 * @param text - attacker-controlled.
 * @throws EscrowError `CHECKPOINT_INVALID`
 */
export function parseCheckpointText(text: string): Checkpoint {
  const lines = text.split('\n')
  const [origin = '', size = '', root = ''] = lines
  const rootBytes = decodeBase64(root)
  if (lines.length < 4 || lines.pop() !== '' || lines.includes('')) {
    throw new EscrowError('CHECKPOINT_INVALID', 'expected at least three lines, none of them empty')
  }
  if (!sizePattern.test(size) || !Number.isSafeInteger(Number(size))) {
    throw new EscrowError('CHECKPOINT_INVALID', 'expected a tree size from 0 to 2^53 - 1 in decimal')
  }
  if (rootBytes?.length !== hashBytes) throw new EscrowError('CHECKPOINT_INVALID', `expected a root of ${hashBytes} bytes in base64`)
  return { origin, size: Number(size), root: rootBytes }
}

/**
 * Sign a checkpoint. Only the sequencer may call this, once it knows that the checkpoint extends the last one.
 *
 * @param signer - the log's key; its key name is the origin.
 * @returns the bytes of the note.
 */
export function signCheckpoint(checkpoint: Checkpoint, signer: SigningKey): Uint8Array {
  const text = formatCheckpointText(checkpoint)
  return formatNote({ text, signatures: [signNote(text, checkpoint.origin, signer)] })
}

/**
 * Read and verify a checkpoint.
 *
 * @param bytes - attacker-controlled.
 * @returns also when fewer witnesses cosigned than demanded: look at `witnessed`, or use `demandQuorum`.
 * @throws EscrowError `CHECKPOINT_INVALID` when it is malformed, of another origin, not signed by the log, or bears a forged line.
 */
export function openCheckpoint(bytes: Uint8Array, policy: CheckpointPolicy): OpenedCheckpoint {
  const note = readNote(bytes)
  const checkpoint = parseCheckpointText(note.text)
  if (checkpoint.origin !== policy.origin) {
    throw new EscrowError('CHECKPOINT_INVALID', `expected a checkpoint of ${policy.origin}, got one of another log`)
  }
  try {
    verifyNote(note, policy.logKey)
    const cosignatures = verifyCosignatures(note, policy.witnesses)
    return { ...checkpoint, note, cosignatures, witnessed: cosignatures.length >= policy.witnessQuorum }
  } catch (cause) {
    throw untrusted(cause)
  }
}

/**
 * What to give `verifyAhead` for a checkpoint.
 *
 * @param bytes - attacker-controlled.
 * @returns nothing for what is no note.
 */
export function checkpointClaims(bytes: Uint8Array, policy: CheckpointPolicy): readonly SignatureClaim[] {
  try {
    const note = parseNote(bytes)
    return [...noteClaims(note, policy.logKey), ...cosignatureClaims(note, policy.witnesses)]
  } catch (error) {
    if (isEscrowError(error)) return []
    throw error
  }
}

function readNote(bytes: Uint8Array): Note {
  try {
    return parseNote(bytes)
  } catch (cause) {
    throw untrusted(cause)
  }
}

/** Say which checkpoint rule was broken, and keep what the note said about it. */
function untrusted(cause: unknown): unknown {
  if (!(cause instanceof EscrowError)) return cause
  return new EscrowError('CHECKPOINT_INVALID', `the checkpoint is not to be trusted: ${cause.message}`, { cause })
}

/**
 * Insist on the witness quorum.
 *
 * @throws EscrowError `WITNESS_POLICY` with the numbers expected and got.
 */
export function demandQuorum(checkpoint: OpenedCheckpoint, policy: CheckpointPolicy): void {
  if (checkpoint.witnessed) return
  throw new EscrowError('WITNESS_POLICY', `expected ${policy.witnessQuorum} cosignatures, got ${checkpoint.cosignatures.length}`)
}
