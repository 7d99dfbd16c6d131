/**
 * What the log holds: three lines that name nobody. The tag is a secret of the agreement's parties, so they alone can pick out the
 * leaves of their sources; the digest is salted, so that nobody can guess an event and confirm it. DESIGN section 9.
 */
import { createHmac } from 'node:crypto'
import { EscrowError, assert } from '../core/errors.js'
import { decodeBase64, encodeBase64 } from '../crypto/base64.js'
import { sha256 } from '../crypto/digest.js'

/** One entry of the log. */
export interface LogEntry {
  /** 32 bytes: whose event it is, to those who know the secret. */
  readonly tag: Uint8Array
  /** 32 bytes: SHA-256 over salt and event. */
  readonly digest: Uint8Array
}

/** Bytes of the salt that stands before an event when it is hashed. */
export const saltBytes = 32
/** Bytes of the secret behind an agreement's tags. */
export const tagSecretBytes = 32

const header = 'escrow-leaf/v1'
const digestBytes = 32
/** Header and two lines of 44 characters, each with its newline. */
const entryBytes = 105

/**
 * The tag of a subject's leaves.
 *
 * @param secret - 32 bytes, known to the agreement's parties and the agent.
 * @param subject - a source's name, a release request's id, or the agreement's id for what concerns all of it. Names have no
 *   underscore and ids have one, so no two subjects are the same.
 */
export function logTag(secret: Uint8Array, subject: string): Uint8Array {
  assert(secret.length === tagSecretBytes && subject !== '', 'a tag secret of 32 bytes and a subject')
  return new Uint8Array(createHmac('sha256', secret).update(subject).digest())
}

/**
 * The salted digest of an event.
 *
 * @param salt - 32 random bytes, fresh for every event.
 * @param event - the event's canonical bytes.
 */
export function eventDigest(salt: Uint8Array, event: Uint8Array): Uint8Array {
  assert(salt.length === saltBytes, `a salt of ${saltBytes} bytes`)
  return sha256(Buffer.concat([salt, event]))
}

/** The bytes of an entry; the log's leaf hash is over these. */
export function formatLogEntry(entry: LogEntry): Uint8Array {
  assert(entry.tag.length === digestBytes && entry.digest.length === digestBytes, 'a tag and a digest of 32 bytes')
  return new TextEncoder().encode(`${header}\n${encodeBase64(entry.tag)}\n${encodeBase64(entry.digest)}\n`)
}

/**
 * The tag and digest of an entry.
 *
 * @param bytes - attacker-controlled; only the one canonical spelling passes.
 * @throws EscrowError `FORMAT_INVALID`
 */
export function parseLogEntry(bytes: Uint8Array): LogEntry {
  if (bytes.length !== entryBytes) throw malformed(`expected ${entryBytes} bytes, got ${bytes.length}`)
  const [first, tag = '', digest = '', last, ...rest] = Buffer.from(bytes).toString('latin1').split('\n')
  if (first !== header || last !== '' || rest.length > 0) throw malformed(`expected ${header} and two lines`)
  const [tagBytes, eventBytes] = [decodeBase64(tag), decodeBase64(digest)]
  if (tagBytes?.length !== digestBytes || eventBytes?.length !== digestBytes) throw malformed('expected a tag and a digest of 32 bytes')
  return { tag: tagBytes, digest: eventBytes }
}

function malformed(what: string): EscrowError {
  return new EscrowError('FORMAT_INVALID', `malformed log entry: ${what}`)
}
