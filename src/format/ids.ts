import { z } from 'zod'

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

/** A name chosen by people that becomes part of object keys and command lines: sources, parties, replicas. Visible to the operator: choose neutral ones. */
export const Slug = z.string().regex(/^[a-z0-9][a-z0-9-]{0,62}$/, 'expected 1 to 63 characters of a-z 0-9 and -, not beginning with -')

/** SHA-256 in lower-case hex. */
export const Sha256Hex = z.string().regex(/^[0-9a-f]{64}$/, 'expected 64 lower-case hex digits')
export type Sha256Hex = string
/** A git object id: 40 digits (sha1) or 64 (sha256). */
export const Oid = z.string().regex(/^(?:[0-9a-f]{40}|[0-9a-f]{64})$/, 'expected 40 or 64 lower-case hex digits')
/** A moment as in RFC 3339, UTC, with milliseconds: the one form that `Date.toISOString` gives. */
export const Instant = z.string().regex(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/, 'expected a moment like 2026-11-22T10:00:00.000Z')
/** ISO 3166-1 alpha-2. */
export const Country = z.string().regex(/^[A-Z]{2}$/, 'expected a country code of two capital letters')
/** A native X25519 recipient. Plugin recipients make the age CLI execute a binary, so nothing else passes (DESIGN section 10); the checksum is verified where it is used. */
export const AgeRecipient = z.string().regex(/^age1[02-9ac-hj-np-z]{58}$/, 'expected a native X25519 age recipient')
/** 32 bytes in standard base64: an Ed25519 public key. */
export const Ed25519PublicKey = z.string().regex(/^[A-Za-z0-9+/]{43}=$/, 'expected 32 bytes in base64')
export const SafeCount = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER)
