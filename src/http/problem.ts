/**
 * What a client is told when something is refused or fails: RFC 9457, `application/problem+json`. The `code` is the stable one of
 * `core/errors.ts`; a fault of ours says nothing but its correlation id.
 */
import { z } from 'zod'
import { ERROR_ADVICE, isEscrowError, type ErrorCode } from '../core/errors.js'

/** The one table from codes to HTTP. 4xx: sending the same again is pointless, but for 409, 423 and 429. 5xx: try again later. */
export const PROBLEM_STATUS = {
  ARGUMENT_INVALID: 400,
  CONFIG_INVALID: 500,
  FOLDER_NOT_EMPTY: 500,
  HOME_LOCKED: 503,
  HOME_MISSING: 500,
  NOT_FOUND: 404,
  FILE_EXISTS: 500,
  FILE_UNEXPECTED: 500,
  FILE_UNREADABLE: 500,
  FORMAT_INVALID: 422,
  KEY_INVALID: 422,
  KEY_MISSING: 422,
  REMOTE_ADDRESS_REFUSED: 422,
  REMOTE_AUTH: 502,
  REMOTE_BROKEN: 502,
  REMOTE_HOST_KEY: 502,
  REMOTE_NOT_FOUND: 502,
  REMOTE_PROTOCOL: 502,
  REMOTE_REDIRECT: 502,
  REMOTE_REFUSED: 502,
  REMOTE_SHALLOW: 502,
  REMOTE_TIMEOUT: 504,
  REMOTE_UNREACHABLE: 502,
  REMOTE_URL: 422,
  REMOTE_VERSION: 502,
  DEPOSIT_TOO_LARGE: 413,
  DEPOSIT_STATE: 409,
  FULL_NEEDED: 409,
  LEASE_HELD: 409,
  LEASE_LOST: 409,
  PACK_CORRUPT: 422,
  PACK_INCOMPLETE: 422,
  OFFERS_TOO_MANY: 429,
  OFFER_OFFSET: 409,
  QUOTA_EXCEEDED: 429,
  PUSH_REFUSED: 409,
  PUSH_STALE: 409,
  REF_NAME_INVALID: 422,
  REF_TARGET_INVALID: 422,
  REFS_TOO_MANY: 422,
  SCRATCH_FULL: 507,
  SECOND_OPINION_DIFFERS: 500,
  SEAL_BROKEN: 500,
  GIT_MISSING: 500,
  SSH_MISSING: 500,
  GIT_FAILED: 500,
  OBJECT_CORRUPT: 503,
  OBJECT_EXISTS: 409,
  OBJECT_KEY_INVALID: 422,
  OBJECT_MISSING: 503,
  REPLICA_POLICY: 403,
  REPLICA_UNSUITABLE: 503,
  RETENTION_REFUSED: 503,
  STORE_REFUSED: 503,
  STORE_SHORT_WRITE: 503,
  STORE_UNREACHABLE: 503,
  AGREEMENT_DIGEST: 422,
  AGREEMENT_INVALID: 422,
  AGREEMENT_STATE: 409,
  ENVELOPE_HEADER: 422,
  ENVELOPE_PAYLOAD: 422,
  ENVELOPE_RECIPIENT: 422,
  RECIPIENT_INVALID: 422,
  SHARE_INVALID: 422,
  SHARES_TOO_FEW: 409,
  SIGNATURE_INVALID: 422,
  SIGNING_FAILED: 500,
  STATEMENT_DIFFERS: 409,
  STATEMENT_EXPIRED: 422,
  STATEMENT_HIDDEN: 422,
  STATEMENT_INVALID: 422,
  VAULT_INVALID: 422,
  VAULT_NOT_ARMED: 409,
  EVIDENCE_MISSING: 409,
  GRANT_EXPIRED: 403,
  GRANT_REFUSED: 403,
  GRANT_REVOKED: 403,
  NETWORK_REFUSED: 403,
  ORDER_STATE: 409,
  RANGE_INVALID: 416,
  REQUEST_STATE: 409,
  APPROVER_POLICY: 403,
  SIGNER_REFUSED: 403,
  CHAIN_BROKEN: 500,
  DIGEST_MISMATCH: 422,
  RESTORE_MISMATCH: 500,
  REPAIR_IMPOSSIBLE: 500,
  CHECKPOINT_INVALID: 500,
  LOG_FORKED: 500,
  LOG_INCONSISTENT: 500,
  LOG_ROLLED_BACK: 500,
  PROOF_INVALID: 422,
  TILE_INVALID: 404,
  WITNESS_POLICY: 503,
  WITNESS_REFUSED: 503,
  WITNESS_UNREACHABLE: 503,
  BODY_INVALID: 422,
  BODY_TOO_LARGE: 413,
  IDEMPOTENCY_BUSY: 409,
  IDEMPOTENCY_KEY: 400,
  IDEMPOTENCY_REUSED: 422,
  MEDIA_TYPE_INVALID: 415,
  RATE_EXCEEDED: 429,
  REQUEST_TIMEOUT: 408,
  ROLE_REFUSED: 403,
  SERVICE_ANSWER: 502,
  SERVICE_UNREACHABLE: 502,
  TOKEN_INVALID: 401,
  CONTACT_INVALID: 422,
  NOTICE_REFUSED: 502,
  NOTICE_UNDELIVERED: 502,
  JOB_TIMEOUT: 503,
  QUEUE_UNAVAILABLE: 503,
  DATABASE_CONFLICT: 409,
  DATABASE_NOT_EMPTY: 500,
  DATABASE_UNAVAILABLE: 503,
} as const satisfies Readonly<Record<ErrorCode, number>>

/** A problem as it travels. */
export const Problem = z.object({
  type: z.string(),
  title: z.string(),
  status: z.number().int(),
  code: z.string(),
  detail: z.string(),
  /** Names the request in our logs; the header `X-Request-Id` holds the same. */
  instance: z.string(),
  details: z.record(z.string(), z.union([z.string(), z.number(), z.boolean(), z.null()])).optional(),
})
export type Problem = z.infer<typeof Problem>

/** What travels for a fault that has no words for clients. */
export const bugCode = 'FAULT'

/**
 * The problem that stands for whatever was thrown.
 *
 * @param error - only an `EscrowError` may speak for itself, and of those only a refusal: the words of a fault may name machines and paths.
 * @param requestId - of the request.
 */
export function problemOf(error: unknown, requestId: string): Problem {
  const instance = `urn:request:${requestId}`
  if (isEscrowError(error)) {
    const status: number = PROBLEM_STATUS[error.code]
    const type = `urn:escrow:problem:${error.code}`
    const about = { type, title: ERROR_ADVICE[error.code], status, code: error.code, instance }
    if (status >= 500) return { ...about, detail: 'the service cannot do this now; its operator sees why' }
    return { ...about, detail: error.message, ...(Object.keys(error.details).length === 0 ? {} : { details: error.details }) }
  }
  const status = statusOf(error)
  if (status !== null) return plainProblem(status, instance)
  const title = 'tell the operator the instance below'
  return { type: `urn:escrow:problem:${bugCode}`, title, status: 500, code: bugCode, detail: 'a fault of the service', instance }
}

/** Nest and Express refuse a few things themselves: paths that no route has, broken percent signs. Their words quote the client; ours do not. */
function plainProblem(status: number, instance: string): Problem {
  const code: ErrorCode = status === 404 ? 'NOT_FOUND' : status === 413 ? 'BODY_TOO_LARGE' : 'ARGUMENT_INVALID'
  const detail = status === 404 ? 'no route has this path and method' : 'the request is malformed'
  return { type: `urn:escrow:problem:${code}`, title: 'see /docs of the service', status, code, detail, instance }
}

function statusOf(error: unknown): number | null {
  if (typeof error !== 'object' || error === null) return null
  const status = 'getStatus' in error && typeof error.getStatus === 'function' ? (error.getStatus() as unknown) : undefined
  const said = status ?? ('status' in error ? error.status : undefined)
  return typeof said === 'number' && said >= 400 && said < 500 ? said : null
}
