// Documents with signatures: a canonical body in a DSSE envelope. Signatures are over the bytes received; those bytes, and not a
// reading of them, are what a digest names.
import type { z } from 'zod'
import { EscrowError } from '../core/errors.js'
import { documentBytesMax } from '../core/limits.js'
import { sha256Hex } from '../crypto/digest.js'
import {
  addSignature,
  encodeSignedDocument,
  keyidOf,
  parseSignedDocument,
  signDocument as signPayload,
  verifySignatures,
  type SignedDocument,
  type VerifyingKey,
} from '../crypto/dsse.js'
import type { SigningKey } from '../crypto/signature.js'
import { canonicalize, parseCanonical, sameJson } from './canonical-json.js'
import { parseBody } from './parse-body.js'

/** A document that at least one of the expected keys has signed. */
export interface OpenedDocument<Body> {
  readonly body: Body
  /** The signed bytes. */
  readonly payload: Uint8Array
  /** SHA-256 of the payload in hex: how other documents name this one. It is the same whoever signed. */
  readonly digest: string
  /** Those of the expected keys that signed, each once, in the order given. */
  readonly signedBy: readonly VerifyingKey[]
}

/** What a document must be, and whose signature it must carry. */
export interface Expectation<Body> {
  readonly schema: z.ZodType<Body>
  /** Pinned keys, or how to find them from the body; the body is not verified when that is asked. */
  readonly keys: readonly VerifyingKey[] | ((body: Body) => readonly VerifyingKey[])
  /** Names the document in refusals. */
  readonly what: string
}

/**
 * Digest of a body: how other documents name it.
 *
 * @returns SHA-256 over the canonical bytes, in hex.
 * @throws EscrowError `FORMAT_INVALID` when the body has no canonical form.
 */
export function digestOf(body: unknown): string {
  return sha256Hex(canonicalize(body))
}

/**
 * Sign a body.
 *
 * @param options.key - the first signer; others add theirs with `countersign`.
 * @returns the bytes to store and send.
 * @throws EscrowError `FORMAT_INVALID` when the body does not fit the schema, or is larger than any document may be.
 */
export function signDocument<Body>(options: {
  readonly body: Body
  readonly schema: z.ZodType<Body>
  readonly key: SigningKey
}): Uint8Array {
  const payload = canonicalize(options.body)
  readPayload(payload, options.schema, 'document to sign')
  return encodeSignedDocument(signPayload({ payload, key: options.key }))
}

/**
 * Add a signature to a signed document. Look at the document first, with `openDocument`.
 *
 * @returns the bytes with one more signature; the same key's earlier signature is replaced.
 * @throws EscrowError `FORMAT_INVALID`
 */
export function countersign(bytes: Uint8Array, key: SigningKey): Uint8Array {
  return encodeSignedDocument(addSignature(parseSignedDocument(bytes), key))
}

/**
 * Read a document that somebody else made.
 *
 * @param bytes - attacker-controlled; or what `parseSignedDocument` has made of them.
 * @returns the body with who signed it; at least one of the expected keys did.
 * @throws EscrowError `FORMAT_INVALID` when it is not canonical or does not fit the schema; `SIGNATURE_INVALID` when none of the expected
 *   keys signed it; `KEY_INVALID` when an expected key is malformed.
 *
 * Source: DESIGN section 6; docs/formats/signed-document.md.
 */
export function openDocument<Body>(bytes: Uint8Array | SignedDocument, expected: Expectation<Body>): OpenedDocument<Body> {
  const document = bytes instanceof Uint8Array ? parseSignedDocument(bytes) : bytes
  const { payload } = document
  if (typeof expected.keys !== 'function') {
    // Keys that are known beforehand are asked before a single byte of the payload is looked at.
    const signedBy = requireSigner(verifySignatures(document, expected.keys), expected.keys, expected.what)
    return { body: readPayload(payload, expected.schema, expected.what), payload, digest: sha256Hex(payload), signedBy }
  }
  const body = readPayload(payload, expected.schema, expected.what)
  const keys = expected.keys(body)
  const signedBy = requireSigner(verifySignatures(document, keys), keys, expected.what)
  return { body, payload, digest: sha256Hex(payload), signedBy }
}

/**
 * The body of a document that nobody has verified yet: good for finding the keys to verify it with, and for nothing else.
 *
 * @param bytes - attacker-controlled.
 * @throws EscrowError `FORMAT_INVALID`
 */
export function readUnverified<Body>(bytes: Uint8Array, schema: z.ZodType<Body>, what: string): Body {
  return readPayload(parseSignedDocument(bytes).payload, schema, what)
}

function requireSigner(signedBy: readonly VerifyingKey[], keys: readonly VerifyingKey[], what: string): readonly VerifyingKey[] {
  if (signedBy.length > 0) return signedBy
  const names = keys.slice(0, 4).map((key) => keyidOf(key))
  throw new EscrowError('SIGNATURE_INVALID', `${what}: expected a signature by ${names.join(' or ') || 'a pinned key'}, got none`)
}

/** What the schema gives must be all that was signed: a parser that drops a field would show less than the signature covers. */
function readPayload<Body>(payload: Uint8Array, schema: z.ZodType<Body>, what: string): Body {
  const signed = parseCanonical(payload, documentBytesMax)
  const body = parseBody(signed, schema, what)
  if (!sameJson(signed, body)) throw new EscrowError('FORMAT_INVALID', `${what}: expected only fields of its type`)
  return body
}
