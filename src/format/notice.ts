import { z } from 'zod'
import { sha256Hex } from '../crypto/digest.js'
import { encodeBase64 } from '../crypto/base64.js'
import { ed25519Verifier, type SigningKey } from '../crypto/signature.js'
import { EscrowError } from '../core/errors.js'
import { AgreementId, Instant, NoticeId, noticeIdOf, RequestId, Sha256Hex, Slug } from './ids.js'

/** Whether a deposit came as it should: ICANN's three words, and `error` for a fault of the agent, which claims nothing of the deposit. */
export const NoticeReport = z.enum(['passed', 'failed', 'not-received', 'error'])
export type NoticeReport = z.infer<typeof NoticeReport>

/** What one party is told of one event. Nothing that only other parties may see is in it. */
export const Notice = z.strictObject({
  type: z.literal('escrow/notice/v1'),
  notice: NoticeId,
  /** The service, as statements name it. */
  origin: z.string().min(1).max(200),
  agreement: AgreementId,
  party: Slug,
  /** The name of the event in the log, or `deposit-late`, which is no event. */
  event: z.string().regex(/^[a-z][a-z-]{0,59}$/),
  subject: z.union([AgreementId, RequestId, Slug]),
  report: NoticeReport.nullable(),
  at: Instant,
  /** The event's leaf; null where no event stands behind it. */
  leaf: Sha256Hex.nullable(),
  /** What the event says beside that, as far as it is short: codes, numbers, moments, digests. */
  facts: z.record(z.string().regex(/^[a-zA-Z]{1,40}$/), z.union([z.string().max(500), z.number().int(), z.boolean(), z.null()])),
})
export type Notice = z.infer<typeof Notice>

/** The same event gives the same party the same notice, however often it is announced. */
export function noticeIdFor(what: { readonly agreement: string; readonly party: string; readonly cause: string }): NoticeId {
  return noticeIdOf(sha256Hex(Buffer.from(`escrow-notice/v1\n${what.agreement}\n${what.party}\n${what.cause}`)))
}

/** What travels beside a notice: Standard Webhooks, with the asymmetric signature `v1a`. */
export interface NoticeSignature {
  readonly id: string
  /** Seconds since 1970. */
  readonly timestamp: string
  /** `v1a,` and the Ed25519 signature in base64. */
  readonly signature: string
}

const signedText = (id: string, timestamp: string, body: string): Uint8Array => Buffer.from(`${id}.${timestamp}.${body}`)

/** Sign a notice for one delivery. @param key - the agent's, which the agreement pins. */
export function signNotice(body: string, id: NoticeId, sent: { readonly at: Date; readonly key: SigningKey }): NoticeSignature {
  const timestamp = String(Math.floor(sent.at.getTime() / 1000))
  return { id, timestamp, signature: `v1a,${encodeBase64(sent.key.sign(signedText(id, timestamp, body)))}` }
}

/** How far a delivery's timestamp may be from the receiver's clock. */
export const noticeToleranceSeconds = 300

/**
 * What a receiver checks before it believes a notice. It also remembers `id`: one that came before is the same notice again.
 *
 * @param agentKey - as the agreement pins it, 32 bytes in base64.
 * @throws EscrowError `SIGNATURE_INVALID` for a wrong signature, or a delivery that is older or newer than the tolerance: a replay.
 */
export function verifyNotice(body: string, sent: NoticeSignature, checked: { readonly agentKey: string; readonly now: Date }): void {
  const ageSeconds = Math.abs(checked.now.getTime() / 1000 - Number(sent.timestamp))
  if (!/^\d{1,12}$/.test(sent.timestamp) || ageSeconds > noticeToleranceSeconds) {
    throw new EscrowError('SIGNATURE_INVALID', `expected a notice sent within ${noticeToleranceSeconds} s of now`)
  }
  const verify = ed25519Verifier(checked.agentKey)
  const valid = sent.signature
    .split(' ')
    .filter((one) => /^v1a,[A-Za-z0-9+/]{86}==$/.test(one))
    .some((one) => verify(signedText(sent.id, sent.timestamp, body), Buffer.from(one.slice(4), 'base64')))
  if (!valid) throw new EscrowError('SIGNATURE_INVALID', 'the notice is not signed by the agent of this agreement')
}
