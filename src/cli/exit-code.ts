import { isEscrowError, type ErrorCode } from '../core/errors.js'

/** What the exit codes of `escrow` mean; printed by `--help` and relied on by scripts. */
export const EXIT_MEANINGS = {
  0: 'done, and everything that was looked at is as it must be',
  1: 'a fault of our own: report it',
  2: 'the command line, a file or the configuration is wrong',
  3: 'something that was verified or checked is not as it must be',
  4: 'the remote failed or refused; nothing was stored',
  5: 'a store, the scratch folder or the database failed or refused',
  6: 'refused: a rule, a state, a key or a signature forbids it',
  7: 'busy: somebody else is at work on the same thing',
  130: 'interrupted; nothing half-done is visible',
} as const

/** An exit code of `escrow`. */
export type ExitCode = keyof typeof EXIT_MEANINGS

const groups: readonly (readonly [RegExp, ExitCode])[] = [
  [/^(?:HOME_LOCKED|LEASE_HELD|LEASE_LOST|DATABASE_CONFLICT|PUSH_STALE|IDEMPOTENCY_BUSY|RATE_EXCEEDED|REQUEST_TIMEOUT)$/, 7],
  [/^(?:ARGUMENT|BODY|CONFIG|CONTACT|FOLDER|HOME|NOT_FOUND|FILE|FORMAT|IDEMPOTENCY|KEY|MEDIA|RANGE|GIT_MISSING|SSH_MISSING)/, 2],
  [/^(?:CHAIN|DIGEST|RESTORE|REPAIR|PROOF|CHECKPOINT|LOG|TILE|OBJECT_CORRUPT|OBJECT_MISSING|ENVELOPE|SEAL)/, 3],
  [/^(?:REMOTE|PACK|REF_|REFS_|DEPOSIT_TOO_LARGE|SECOND_OPINION)/, 4],
  [/^(?:SERVICE|STORE|SCRATCH|DATABASE|JOB|NOTICE|QUEUE_|OBJECT|REPLICA_UNSUITABLE|RETENTION)/, 5],
  [
    /^(?:AGREEMENT|RECIPIENT|SHARE|SIGNATURE|STATEMENT|VAULT|WITNESS|REPLICA_POLICY|DEPOSIT_STATE|REQUEST|APPROVAL|APPROVER|QUORUM|EVIDENCE|GRANT|NETWORK|ORDER|OFFER|POLICY|PUSH|QUOTA_EXCEEDED|FULL_NEEDED|ROLE|SIGNER|SIGNING|TOKEN)/,
    6,
  ],
]

/**
 * The exit code for something that was thrown.
 *
 * @returns 1 for whatever is not an `EscrowError`, and for faults of no group.
 */
export function exitCodeOf(error: unknown): ExitCode {
  if (error instanceof Error && error.name === 'AbortError') return 130
  return isEscrowError(error) ? exitCodeOfCode(error.code) : 1
}

/** The exit code for a stable code. */
export function exitCodeOfCode(code: ErrorCode): ExitCode {
  return groups.find(([pattern]) => pattern.test(code))?.[1] ?? 1
}
