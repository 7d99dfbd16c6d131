/**
 * Cosignatures (c2sp.org/tlog-cosignature, Ed25519): a witness says that, at a moment, the checkpoint was the largest consistent one
 * it had seen of the log. The moment is inside the signed message and beside the signature.
 */
import { EscrowError, assert } from '../core/errors.js'
import { verifySignature, type SignatureClaim, type SigningKey } from '../crypto/signature.js'
import { noteKey, signaturesBy, signatureType, type Note, type NoteKey, type NoteSignature } from './note.js'

/** A verified cosignature. */
export interface Cosignature {
  /** The witness's key name. */
  readonly witness: string
  /** Seconds since 1970 by the witness's clock; 1 to 2^53 - 1. */
  readonly timestamp: number
}

const timestampBytes = 8
const cosignatureBytes = timestampBytes + 64

/** The message under a cosignature: two lines of its own, then the whole text of the checkpoint. */
function cosignedMessage(text: string, timestamp: number): Uint8Array {
  return new TextEncoder().encode(`cosignature/v1\ntime ${timestamp}\n${text}`)
}

/**
 * Cosign a checkpoint's text.
 *
 * @param text - the note text of a checkpoint that the witness has verified; ends with a newline.
 * @param name - the witness's key name.
 * @param timestamp - seconds since 1970, at least 1.
 */
export function cosign(text: string, name: string, signer: SigningKey, timestamp: number): NoteSignature {
  assert(text.endsWith('\n') && Number.isSafeInteger(timestamp) && timestamp > 0, 'a text of whole lines and a time')
  const signature = Buffer.alloc(cosignatureBytes)
  signature.writeBigUInt64BE(BigInt(timestamp))
  signature.set(signer.sign(cosignedMessage(text, timestamp)), timestampBytes)
  return { name, keyId: noteKey(name, signatureType.cosignature, signer.publicKey).keyId, signature: new Uint8Array(signature) }
}

/**
 * Verify one cosignature.
 *
 * @param signature - a line whose name and key id are those of `key`; attacker-controlled.
 * @returns null when it does not verify, or claims no time that a safe integer can hold: then it is of no use as a time.
 */
export function readCosignature(text: string, signature: NoteSignature, key: NoteKey): Cosignature | null {
  const claim = claimOf(text, signature, key)
  return claim !== null && verifySignature(claim) ? { witness: key.name, timestamp: claim.timestamp } : null
}

/** Null when the line cannot be a cosignature. */
function claimOf(
  text: string,
  { signature }: NoteSignature,
  { type, publicKey }: NoteKey,
): (SignatureClaim & { readonly timestamp: number }) | null {
  assert(type === signatureType.cosignature, 'a key of type 4')
  const bytes = Buffer.from(signature)
  if (bytes.length !== cosignatureBytes) return null
  const timestamp = Number(bytes.readBigUInt64BE())
  if (!Number.isSafeInteger(timestamp) || timestamp < 1) return null
  return { publicKey, message: cosignedMessage(text, timestamp), signature: bytes.subarray(timestampBytes), timestamp }
}

/** What to give `verifyAhead` for the cosignatures of the witnesses one knows. */
export function cosignatureClaims(note: Note, witnesses: readonly NoteKey[]): readonly SignatureClaim[] {
  return witnesses.flatMap((key) => signaturesBy(note, key).flatMap((line) => claimOf(note.text, line, key) ?? []))
}

/**
 * The cosignatures on a note by the witnesses one knows; lines of others are ignored.
 *
 * @returns at most one for each witness (its latest), in the order of `witnesses`; empty if none has cosigned.
 * @throws EscrowError `SIGNATURE_INVALID` when a line claims to be by a known witness and does not verify: somebody forged it.
 */
export function verifyCosignatures(note: Note, witnesses: readonly NoteKey[]): Cosignature[] {
  return witnesses.flatMap((key) => {
    const found = signaturesBy(note, key).map((one) => readCosignature(note.text, one, key))
    const latest = found.reduce((best, one) => {
      if (one === null)
        throw new EscrowError('SIGNATURE_INVALID', `a cosignature that claims to be by ${key.name}+${key.keyId} does not verify`)
      return best === null || one.timestamp > best.timestamp ? one : best
    }, null)
    return latest === null ? [] : [latest]
  })
}
