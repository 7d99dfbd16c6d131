import { z } from 'zod'
import type { Entropy } from '../core/environment.js'
import { refNameBytesMax, wordsCharactersMax } from '../core/limits.js'

/** A random id: a prefix that says what it names, and 20 characters of base32 (100 bits). */
const id = (prefix: string, name: string) =>
  z
    .string()
    .regex(new RegExp(`^${prefix}_[a-z2-7]{20}$`), `expected an id like ${prefix}_ and 20 characters of a-z2-7`)
    .brand(name)

export const AgreementId = id('agr', 'AgreementId')
export type AgreementId = z.infer<typeof AgreementId>
export const DepositId = id('dep', 'DepositId')
export type DepositId = z.infer<typeof DepositId>
export const RequestId = id('req', 'RequestId')
export type RequestId = z.infer<typeof RequestId>

export const TokenId = id('tok', 'TokenId')
export type TokenId = z.infer<typeof TokenId>

export const NoticeId = id('ntc', 'NoticeId')
export type NoticeId = z.infer<typeof NoticeId>
export const ContactId = id('ctc', 'ContactId')
export type ContactId = z.infer<typeof ContactId>

interface IdOf {
  readonly agr: AgreementId
  readonly dep: DepositId
  readonly req: RequestId
  readonly tok: TokenId
  readonly ctc: ContactId
}

const base32 = 'abcdefghijklmnopqrstuvwxyz234567'

/**
 * Make a fresh id.
 *
 * @returns the prefix and 100 random bits: nobody guesses one, and two parties can make ids without asking each other.
 */
export function newId<P extends keyof IdOf>(prefix: P, entropy: Entropy): IdOf[P] {
  const characters = Array.from(entropy.bytes(20), (byte) => base32.charAt(byte & 31))
  return `${prefix}_${characters.join('')}` as IdOf[P]
}

/**
 * The id of the deposit that a manifest describes: an index rebuilt from the store gives every deposit the id it had.
 *
 * @param manifestDigest - 64 lower-case hex digits, of the manifest's payload.
 * @returns `dep_` and the digest's first 100 bits.
 */
export function depositIdOf(manifestDigest: string): DepositId {
  return DepositId.parse(`dep_${first100Bits(manifestDigest)}`)
}

/** The id of a notice, from the digest of what it is about. @param digest - 64 lower-case hex digits. */
export function noticeIdOf(digest: string): NoticeId {
  return NoticeId.parse(`ntc_${first100Bits(digest)}`)
}

function first100Bits(digest: string): string {
  const bits = BigInt(`0x${digest.slice(0, 25)}`)
  return Array.from({ length: 20 }, (_, index) => base32.charAt(Number((bits >> BigInt(5 * (19 - index))) & 31n))).join('')
}

/** A name chosen by people that becomes part of object keys and command lines: sources, parties, replicas. Visible to the operator: choose neutral ones. */
export const Slug = z.string().regex(/^[a-z0-9][a-z0-9-]{0,62}$/, 'expected 1 to 63 characters of a-z 0-9 and -, not beginning with -')

/** SHA-256 in lower-case hex. */
export const Sha256Hex = z.string().regex(/^[0-9a-f]{64}$/, 'expected 64 lower-case hex digits')
export type Sha256Hex = string
/** A git object id: 40 digits (sha1) or 64 (sha256). */
export const Oid = z.string().regex(/^(?:[0-9a-f]{40}|[0-9a-f]{64})$/, 'expected 40 or 64 lower-case hex digits')
/** A moment as in RFC 3339, UTC, with milliseconds: the one form that `Date.toISOString` gives. */
export const Instant = z
  .string()
  .regex(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/, 'expected a moment like 2026-11-22T10:00:00.000Z')
  // Date.parse takes 31 February for 3 March; two spellings of one moment would give two digests.
  .refine((text) => Number.isFinite(Date.parse(text)) && new Date(text).toISOString() === text, 'expected a day and time that exist')
/** ISO 3166-1 alpha-2. */
export const Country = z.string().regex(/^[A-Z]{2}$/, 'expected a country code of two capital letters')
/** A native X25519 recipient. Plugin recipients make the age CLI execute a binary, so nothing else passes (DESIGN section 10); the checksum is verified where it is used. */
export const AgeRecipient = z.string().regex(/^age1[02-9ac-hj-np-z]{58}$/, 'expected a native X25519 age recipient')
/** 32 bytes in standard base64: an Ed25519 public key. */
export const Ed25519PublicKey = z.string().regex(/^[A-Za-z0-9+/]{43}=$/, 'expected 32 bytes in base64')
export const SafeCount = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER)
/** 16 random bytes in hex: makes two statements of the same content differ, and replays recognisable. */
export const Nonce = z.string().regex(/^[0-9a-f]{32}$/, 'expected 32 lower-case hex digits')

/**
 * What a person writes for another to read. It ends up on terminals and in reports, so neither escape sequences nor marks that reorder
 * what is shown ("Trojan Source", CVE-2021-42574) may be in it; line feeds may.
 */
export const Words = z
  .string()
  .min(1)
  .max(wordsCharactersMax)
  .regex(/^(?:[^\p{Cc}\p{Cs}\u200e\u200f\u202a-\u202e\u2066-\u2069]|\n)*$/u, 'expected plain text without control characters')

/**
 * Whether git would take a name for a ref (git-check-ref-format(1)); it must begin with `refs/`, so it can never be read as an option.
 */
export function isRefName(name: string): boolean {
  if (!name.startsWith('refs/') || Buffer.byteLength(name) > refNameBytesMax) return false
  // eslint-disable-next-line no-control-regex
  if (/[\u0000-\u0020\u007f~^:?*[\\\p{Cs}]|\.\.|@\{|\.$/u.test(name)) return false
  return name.split('/').every((part) => part !== '' && !part.startsWith('.') && !part.endsWith('.lock'))
}
