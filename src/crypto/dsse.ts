import { documentBytesMax, documentSignatureChecksMax, documentSignaturesMax, signedDocumentBytesMax } from '../core/limits.js'
import { EscrowError, unreachable } from '../core/errors.js'
import { decodeBase64, encodeBase64 } from './base64.js'
import { ed25519Verifier, fingerprintOf, type SignatureClaim, type SigningKey, type Verifier } from './signature.js'
import { fingerprintOfSshKey, sshVerifier, statementNamespace } from './sshsig.js'

/**
 * Signed documents: DSSE 1.0.2 (github.com/secure-systems-lab/dsse). The signature covers the payload type and the payload bytes
 * as received, so nothing is parsed before it is verified. This file knows no statement: what the payload says, and that it is
 * canonical, is checked by src/format after verification.
 */

/** The payload type of everything parties sign (docs/formats/dsse.md). */
export const statementPayloadType = 'application/vnd.escrow.statement+json'

/** A pinned key that may have signed. Both kinds are those of an agreement's parties. */
export type VerifyingKey =
  | { readonly kind: 'ed25519'; readonly publicKey: string }
  | { readonly kind: 'sshsig'; readonly publicKey: string }

/** One signature; `keyid` says where to look first and proves nothing. */
export interface DocumentSignature {
  readonly keyid: string
  readonly signature: Uint8Array
}

/** A payload with one or more signatures, verified or not. */
export interface SignedDocument {
  readonly payloadType: string
  /** The bytes that were signed. Not to be believed before `verifySignatures`. */
  readonly payload: Uint8Array
  readonly signatures: readonly DocumentSignature[]
}

/** DSSE's pre-authentication encoding: `DSSEv1 <len> <type> <len> <payload>`, lengths in bytes. What is really signed. */
export function preAuthEncoding(payloadType: string, payload: Uint8Array): Uint8Array {
  const type = Buffer.from(payloadType, 'utf8')
  return Buffer.concat([Buffer.from(`DSSEv1 ${type.byteLength} `), type, Buffer.from(` ${payload.byteLength} `), payload])
}

/**
 * A document signed by one key.
 *
 * @param options.payload - at most `documentBytesMax`; kept, not copied.
 * @throws EscrowError `FORMAT_INVALID` when the payload is too large.
 */
export function signDocument(options: {
  readonly payload: Uint8Array
  readonly key: SigningKey
  readonly payloadType?: string
}): SignedDocument {
  const { payload, key, payloadType = statementPayloadType } = options
  if (payload.byteLength > documentBytesMax) throw tooLarge('payload', documentBytesMax, payload.byteLength)
  return addSignature({ payloadType, payload, signatures: [] }, key)
}

/** The same document with one more signature; the key's earlier signature, if any, is replaced. */
export function addSignature(document: SignedDocument, key: SigningKey): SignedDocument {
  const signature = key.sign(preAuthEncoding(document.payloadType, document.payload))
  return withSignature(document, { keyid: key.fingerprint, signature })
}

/**
 * The same document with a signature that was made elsewhere, for example by `ssh-keygen -Y sign` over `preAuthEncoding`.
 *
 * @throws EscrowError `FORMAT_INVALID` when the document has as many signatures as it may have.
 */
export function withSignature(document: SignedDocument, added: DocumentSignature): SignedDocument {
  const signatures = [...document.signatures.filter((other) => other.keyid !== added.keyid), added]
  if (signatures.length > documentSignaturesMax) {
    throw new EscrowError('FORMAT_INVALID', `expected at most ${documentSignaturesMax} signatures, got ${signatures.length}`)
  }
  return { ...document, signatures }
}

/**
 * Which of the given keys have signed the document.
 *
 * @param keys - pinned keys; never taken from the document itself.
 * @returns the verified keys, each once, in the order given; empty when none did.
 * @throws EscrowError `SIGNATURE_INVALID` when signatures times keys exceed what one document may cost; `KEY_INVALID` when a
 * pinned key is malformed.
 */
export function verifySignatures(document: SignedDocument, keys: readonly VerifyingKey[]): readonly VerifyingKey[] {
  const message = preAuthEncoding(document.payloadType, document.payload)
  const candidates = keys.map((key) => ({ key, keyid: keyidOf(key), verify: verifierOf(key) }))
  const verified = new Set<VerifyingKey>()
  let checks = 0
  for (const { keyid, signature } of document.signatures) {
    const open = candidates.filter(({ key }) => !verified.has(key))
    // The hint only decides the order: a wrong keyid costs time, never a verdict.
    const ordered = [...open.filter((one) => one.keyid === keyid), ...open.filter((one) => one.keyid !== keyid)]
    const found = ordered.findIndex(({ verify }) => verify(message, signature))
    checks += found < 0 ? ordered.length : found + 1
    if (checks > documentSignatureChecksMax) {
      throw new EscrowError('SIGNATURE_INVALID', `expected to find the signers within ${documentSignatureChecksMax} checks`)
    }
    const match = ordered[found]
    if (match !== undefined) verified.add(match.key)
  }
  return keys.filter((key) => verified.has(key))
}

/**
 * The payload bytes of a document that at least one of the keys has signed.
 *
 * @throws EscrowError `SIGNATURE_INVALID` when none has; `KEY_INVALID`
 */
export function payloadSignedBy(document: SignedDocument, keys: readonly VerifyingKey[]): Uint8Array {
  if (verifySignatures(document, keys).length === 0) {
    const expected = keys.map(keyidOf).join(' or ')
    throw new EscrowError('SIGNATURE_INVALID', `expected a valid signature by ${expected || 'a pinned key'}, got none`)
  }
  return document.payload
}

/**
 * What to give `verifyAhead` for a document.
 *
 * @returns signatures whose keyid is that of one of the keys; those of SSH keys are left out, they are verified when asked for.
 */
export function claimsOf(document: SignedDocument, keys: readonly VerifyingKey[]): readonly SignatureClaim[] {
  const message = preAuthEncoding(document.payloadType, document.payload)
  return document.signatures.flatMap(({ keyid, signature }) => {
    const key = keys.find((one) => one.kind === 'ed25519' && keyidOf(one) === keyid)
    return key === undefined ? [] : [{ publicKey: key.publicKey, message, signature }]
  })
}

function verifierOf(key: VerifyingKey): Verifier {
  switch (key.kind) {
    case 'ed25519':
      return ed25519Verifier(key.publicKey)
    case 'sshsig':
      return sshVerifier(key.publicKey, statementNamespace)
    default:
      return unreachable(key)
  }
}

/**
 * The keyid of a key: its fingerprint, the same that people compare.
 *
 * @throws EscrowError `KEY_INVALID`
 */
export function keyidOf(key: VerifyingKey): string {
  return key.kind === 'ed25519' ? fingerprintOf(key.publicKey) : fingerprintOfSshKey(key.publicKey)
}

/** The bytes of a signed document as they are stored and sent: compact JSON with sorted keys. */
export function encodeSignedDocument(document: SignedDocument): Uint8Array {
  const signatures = document.signatures.map(({ keyid, signature }) => ({ keyid, sig: encodeBase64(signature) }))
  return Buffer.from(JSON.stringify({ payload: encodeBase64(document.payload), payloadType: document.payloadType, signatures }))
}

/**
 * A signed document from bytes that anybody may have made. Nothing is verified yet. Unknown fields are ignored, as DSSE demands;
 * no signature covers them.
 *
 * @param payloadType - the only type that is accepted.
 * @throws EscrowError `FORMAT_INVALID`
 */
export function parseSignedDocument(bytes: Uint8Array, payloadType: string = statementPayloadType): SignedDocument {
  if (bytes.byteLength > signedDocumentBytesMax) throw tooLarge('signed document', signedDocumentBytesMax, bytes.byteLength)
  const body = parseJsonObject(bytes)
  if (body['payloadType'] !== payloadType) throw new EscrowError('FORMAT_INVALID', `expected payload type ${payloadType}`)
  const payload = parseBytes(body['payload'], 'payload')
  if (payload.byteLength > documentBytesMax) throw tooLarge('payload', documentBytesMax, payload.byteLength)
  const list = body['signatures']
  if (!Array.isArray(list) || list.length < 1 || list.length > documentSignaturesMax) {
    throw new EscrowError('FORMAT_INVALID', `expected 1 to ${documentSignaturesMax} signatures`)
  }
  return { payloadType, payload, signatures: list.map(parseSignature) }
}

function parseJsonObject(bytes: Uint8Array): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes))
    if (isObject(value)) return value
  } catch (error) {
    throw new EscrowError('FORMAT_INVALID', 'expected a signed document in JSON', { cause: error })
  }
  throw new EscrowError('FORMAT_INVALID', 'expected a signed document in JSON, got no object')
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function parseSignature(value: unknown): DocumentSignature {
  if (!isObject(value)) throw new EscrowError('FORMAT_INVALID', 'expected a signature object')
  const { keyid = '' } = value
  if (typeof keyid !== 'string' || keyid.length > 200) throw new EscrowError('FORMAT_INVALID', 'expected a keyid of at most 200 characters')
  const signature = parseBytes(value['sig'], 'sig')
  if (signature.byteLength === 0) throw new EscrowError('FORMAT_INVALID', 'expected a signature, got no bytes')
  return { keyid, signature }
}

/** DSSE lets signers choose standard or URL-safe base64 and asks verifiers to take both. */
function parseBytes(value: unknown, field: string): Uint8Array {
  const text = typeof value === 'string' ? value : '!'
  const bytes = /[-_]/.test(text) && !/[+/]/.test(text) ? decodeBase64(text.replaceAll('-', '+').replaceAll('_', '/')) : decodeBase64(text)
  if (bytes === null) throw new EscrowError('FORMAT_INVALID', `expected base64 in ${field}`)
  return bytes
}

function tooLarge(what: string, expected: number, got: number): EscrowError {
  return new EscrowError('FORMAT_INVALID', `expected a ${what} of at most ${expected} bytes, got ${got}`)
}
