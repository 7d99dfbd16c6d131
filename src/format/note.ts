/**
 * Signed notes (c2sp.org/signed-note): text, an empty line, and signature lines. What a note says means nothing until a known key has
 * signed it; the whole file is attacker-controlled.
 */
import { EscrowError, assert } from '../core/errors.js'
import { noteBytesMax, noteSignaturesMax } from '../core/limits.js'
import { decodeBase64, encodeBase64 } from '../crypto/base64.js'
import { sha256Hex } from '../crypto/digest.js'
import { parsePublicKey, verifySignature, type SignatureClaim, type SigningKey } from '../crypto/signature.js'

/** Signature types that we know: Ed25519 over the text; Ed25519 over a cosignature/v1 message (c2sp.org/tlog-cosignature). */
export const signatureType = { ed25519: 0x01, cosignature: 0x04 } as const
export type SignatureType = (typeof signatureType)[keyof typeof signatureType]

/** A verifier key: `name+key id+base64(type, public key)`. */
export interface NoteKey {
  readonly name: string
  /** Eight lower-case hex digits: tells keys apart, proves nothing. */
  readonly keyId: string
  readonly type: SignatureType
  /** 32 bytes of Ed25519 in base64; checked to be a usable point. */
  readonly publicKey: string
}

/** One signature line. */
export interface NoteSignature {
  readonly name: string
  readonly keyId: string
  /** What follows the key id; its form depends on the key's type. */
  readonly signature: Uint8Array
}

/** A note as read: nothing in it is verified. */
export interface Note {
  /** Ends with a newline. */
  readonly text: string
  readonly signatures: readonly NoteSignature[]
}

const keyIdBytes = 4
const vkeyPattern = /^([^+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/]+={0,2})$/
const vkeyCharactersMax = 1000
const signatureLine = /^— (\S+) (\S+)$/u
/** Unicode's White_Space (`\s` lacks only U+0085), the plus sign, and halves of surrogate pairs, which UTF-8 cannot say. */
const spaceOrPlus = /[\s\u0085\p{Cs}+]/u
// oxlint-disable-next-line no-control-regex -- control characters are what the specification forbids.
const forbiddenControl = /[\u0000-\u0009\u000b-\u001f]/u

/** Whether a key may bear this name: not empty, no spaces, no plus, nothing that could end a line. */
export function isKeyName(name: string): boolean {
  return name !== '' && !spaceOrPlus.test(name) && !forbiddenControl.test(name)
}

/** The key id that c2sp.org/signed-note recommends: SHA-256(name, newline, type, public key), the first four bytes, in hex. */
function keyIdOf(name: string, type: number, publicKey: Uint8Array): string {
  return sha256Hex(Buffer.concat([Buffer.from(name), Uint8Array.of(0x0a, type), publicKey])).slice(0, 2 * keyIdBytes)
}

/**
 * A verifier key from its parts.
 *
 * @param publicKey - 32 bytes of Ed25519 in base64.
 * @throws EscrowError `KEY_INVALID` when the name may not be one or the key is not usable.
 */
export function noteKey(name: string, type: SignatureType, publicKey: string): NoteKey {
  if (!isKeyName(name)) throw new EscrowError('KEY_INVALID', 'expected a key name without spaces and plus signs')
  return { name, keyId: keyIdOf(name, type, parsePublicKey(publicKey)), type, publicKey }
}

/** The one line that configuration files and agreements carry. */
export function formatNoteKey(key: NoteKey): string {
  return `${key.name}+${key.keyId}+${encodeBase64(Buffer.concat([Uint8Array.of(key.type), parsePublicKey(key.publicKey)]))}`
}

/**
 * A verifier key from its line.
 *
 * @throws EscrowError `KEY_INVALID` for anything but a well-formed key of a type that we know, whose id is right.
 */
export function parseNoteKey(line: string): NoteKey {
  const match = line.length <= vkeyCharactersMax ? vkeyPattern.exec(line) : null
  const [, name = '', keyId = '', encoded = ''] = match ?? []
  const bytes = decodeBase64(encoded)
  if (match === null || bytes === null) throw new EscrowError('KEY_INVALID', 'expected a verifier key like name+0123abcd+base64')
  const type = bytes[0]
  if (type !== signatureType.ed25519 && type !== signatureType.cosignature) {
    throw new EscrowError('KEY_INVALID', `expected a key of type 1 or 4, got ${type ?? 'nothing'}`)
  }
  const key = noteKey(name, type, encodeBase64(bytes.subarray(1)))
  if (key.keyId !== keyId) throw new EscrowError('KEY_INVALID', `expected key id ${key.keyId}, got ${keyId}`)
  return key
}

/**
 * A note's text and signature lines, in order, unverified.
 *
 * @param bytes - attacker-controlled; at most `noteBytesMax`.
 * @throws EscrowError `FORMAT_INVALID`
 */
export function parseNote(bytes: Uint8Array): Note {
  const content = decodeText(bytes)
  const split = content.lastIndexOf('\n\n')
  if (split < 0) throw malformed('expected an empty line before the signatures')
  const block = content.slice(split + 2)
  if (!block.endsWith('\n')) throw malformed('expected signature lines that end with a newline')
  const lines = block.slice(0, -1).split('\n')
  if (lines.length > noteSignaturesMax) throw malformed(`expected at most ${noteSignaturesMax} signatures, got ${lines.length}`)
  return { text: content.slice(0, split + 1), signatures: lines.map((line) => parseSignatureLine(line)) }
}

function decodeText(bytes: Uint8Array): string {
  if (bytes.length > noteBytesMax) throw malformed(`expected at most ${noteBytesMax} bytes, got ${bytes.length}`)
  let content: string
  try {
    content = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch (cause) {
    throw new EscrowError('FORMAT_INVALID', 'malformed note: expected UTF-8', { cause })
  }
  if (forbiddenControl.test(content)) throw malformed('expected no control characters but newline')
  return content
}

/**
 * One signature line without its newline: em dash, space, key name, space, base64 of key id and signature.
 *
 * @param line - attacker-controlled.
 * @throws EscrowError `FORMAT_INVALID`
 */
export function parseSignatureLine(line: string): NoteSignature {
  const [, name = '', encoded = ''] = signatureLine.exec(line) ?? []
  if (!isKeyName(name)) throw malformed('expected a signature line: em dash, key name, base64')
  const bytes = decodeBase64(encoded)
  if (bytes === null || bytes.length <= keyIdBytes) throw malformed('expected a key id and a signature in base64')
  return { name, keyId: Buffer.from(bytes.subarray(0, keyIdBytes)).toString('hex'), signature: bytes.subarray(keyIdBytes) }
}

/** One signature line, without its newline. */
export function formatSignatureLine(signature: NoteSignature): string {
  return `— ${signature.name} ${encodeBase64(Buffer.concat([Buffer.from(signature.keyId, 'hex'), signature.signature]))}`
}

/** The bytes of a note. The text must end with a newline, and at least one signature must be there. */
export function formatNote(note: Note): Uint8Array {
  assert(note.text.endsWith('\n') && note.signatures.length > 0, 'a note of whole lines with a signature')
  return new TextEncoder().encode(`${note.text}\n${note.signatures.map((one) => `${formatSignatureLine(one)}\n`).join('')}`)
}

/** The signature line that a key of type 1 makes over a text. The text must end with a newline. */
export function signNote(text: string, name: string, signer: SigningKey): NoteSignature {
  assert(text.endsWith('\n'), 'a text of whole lines')
  const key = noteKey(name, signatureType.ed25519, signer.publicKey)
  return { name, keyId: key.keyId, signature: signer.sign(new TextEncoder().encode(text)) }
}

/** The note's signatures that claim to be by this key: name and id are the same. */
export function signaturesBy(note: Note, key: NoteKey): NoteSignature[] {
  return note.signatures.filter((one) => one.name === key.name && one.keyId === key.keyId)
}

/**
 * Verify that a note is signed by an Ed25519 key of type 1.
 *
 * @throws EscrowError `SIGNATURE_INVALID` when the key has not signed, or when a line that claims to be by it does not verify.
 */
export function verifyNote(note: Note, key: NoteKey): void {
  assert(key.type === signatureType.ed25519, 'an Ed25519 key of type 1')
  const claims = noteClaims(note, key)
  if (claims.length === 0) throw new EscrowError('SIGNATURE_INVALID', `expected a signature by ${key.name}+${key.keyId}, found none`)
  if (!claims.every((claim) => verifySignature(claim))) {
    throw new EscrowError('SIGNATURE_INVALID', `a signature that claims to be by ${key.name}+${key.keyId} does not verify`)
  }
}

/** What to give `verifyAhead` for a note that a key of type 1 may have signed. */
export function noteClaims(note: Note, key: NoteKey): readonly SignatureClaim[] {
  const message = new TextEncoder().encode(note.text)
  return signaturesBy(note, key).map(({ signature }) => ({ publicKey: key.publicKey, message, signature }))
}

function malformed(what: string): EscrowError {
  return new EscrowError('FORMAT_INVALID', `malformed note: ${what}`)
}
