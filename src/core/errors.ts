/**
 * Every code that a refusal or fault can carry, with what a person should do next. Codes are stable: scripts, tests and parties
 * rely on them. `test/architecture.test.ts` keeps the list sorted within its groups and free of codes that nothing throws.
 */
export const ERROR_ADVICE = {
  // what a person typed, and the place it runs in
  ARGUMENT_INVALID: 'read the message, then --help of the command',
  CONFIG_INVALID: 'correct the key that the message names in the configuration file',
  FOLDER_NOT_EMPTY: 'name a folder that does not exist yet, or an empty one',
  HOME_LOCKED: 'wait for the other process to end, or stop it; one process at a time may open a home folder, or the --state of a depositor',
  HOME_MISSING: 'run `escrow init` first, or name the home folder with --home',
  NOT_FOUND: 'check the name; `escrow agreement show` lists agreements and their sources',
  FILE_EXISTS: 'nothing is ever written over it: name another path, or move away what lies there',
  FILE_UNEXPECTED: 'this file is not part of what was handed over; ask where it comes from, or take it out of the folder',
  FILE_UNREADABLE: 'check that the path is right, that you may read or write there, and that the disk has room',
  FORMAT_INVALID: 'the file or message is damaged, truncated or not of this format; obtain it again from its author',
  KEY_INVALID: 'check that you named the right key file',
  KEY_MISSING: 'name the folder that holds the key files, or run `escrow keygen`',
  // remotes
  REMOTE_ADDRESS_REFUSED: 'only public hosts are allowed unless the configuration permits private addresses or local paths',
  REMOTE_AUTH: 'renew the credential file of this source; nothing was stored',
  REMOTE_BROKEN: 'the remote ended the transfer; its own words are in the message. Nothing was stored; try again or tell the depositor',
  REMOTE_HOST_KEY: 'the host did not prove itself by a key in known-hosts; compare its key with the depositor before you enter it there',
  REMOTE_NOT_FOUND: 'check the URL of the source with the depositor',
  REMOTE_PROTOCOL: 'the remote does not answer as a git server should; check the URL',
  REMOTE_REDIRECT: 'put the final URL into the agreement, if it is the right one',
  REMOTE_REFUSED: 'its own words are in the message; nothing new was received',
  REMOTE_SHALLOW: 'deposit from a complete repository: run `git fetch --unshallow` at the remote',
  REMOTE_TIMEOUT: 'the remote stopped answering; nothing was stored, the next run starts again',
  REMOTE_UNREACHABLE: 'check the host name, the network and the remote service; nothing was stored',
  REMOTE_URL: 'use an https or ssh URL, or a path that the configuration allows',
  REMOTE_VERSION: 'the remote lacks what the message names; ask the depositor to upgrade it',
  // deposits
  DEPOSIT_TOO_LARGE: 'raise `deposit.packBytesMax` if this size is right; nothing was stored',
  DEPOSIT_STATE: 'reload the deposit and try again',
  FULL_NEEDED: 'push again with `git push --mirror`: the service now asks for everything. Nothing was stored',
  LEASE_HELD: 'another worker has this source; wait for it to finish',
  LEASE_LOST: 'another worker has taken over this source; nothing was published by this one',
  PACK_CORRUPT: 'the pack is damaged; nothing was stored. Run `git fsck` at the remote',
  PACK_INCOMPLETE: 'objects are missing at the remote; nothing was stored. Run `git fsck` at the remote',
  OFFERS_TOO_MANY: 'finish one of the offers that have begun, or wait until they are forgotten',
  OFFER_OFFSET: 'ask what has arrived, and go on from there',
  QUOTA_EXCEEDED: 'wait until older deposits are a day old, or ask the operator to raise `deposit.bytesPerDayMax`; nothing was stored',
  PUSH_REFUSED: 'the message says why, and what to push instead; nothing was stored',
  PUSH_STALE: 'push again: another deposit of this source was made since this push began',
  REF_NAME_INVALID: 'a deposit carries ref names in UTF-8 that git allows, each once; rename or delete it where it comes from',
  REF_TARGET_INVALID: 'a branch must lead to a commit; correct the ref and push again',
  REFS_TOO_MANY: 'raise `refsMax` or set a ref filter for the source',
  SCRATCH_FULL: 'free or add space at the scratch folder; nothing was stored',
  SECOND_OPINION_DIFFERS: 'git and isomorphic-git read this pack differently; nothing was stored. Report this with the message',
  SEAL_BROKEN: 'the sealed file does not open to what was deposited; nothing was published. Report this as a fault',
  GIT_MISSING: 'install git 2.39 or newer',
  SSH_MISSING: 'install the OpenSSH client, or use an https URL',
  GIT_FAILED: 'the message carries the words of git',
  // store
  OBJECT_CORRUPT: 'run `escrow repair`; another replica may hold a good copy',
  OBJECT_EXISTS: 'objects are written once; use a fresh attempt',
  OBJECT_KEY_INVALID: 'report this as a fault',
  OBJECT_MISSING: 'the operator runs `escrow check` and `escrow repair`; whoever was given a folder obtains it again, whole',
  REPLICA_POLICY: 'choose a store that the jurisdiction policy allows, or amend the policy',
  REPLICA_UNSUITABLE: 'enable versioning and object lock on the bucket, then start again',
  RETENTION_REFUSED: 'check that object lock is enabled on the bucket and that the key may set retention',
  STORE_REFUSED: 'check the credential and its permissions at the store',
  STORE_SHORT_WRITE: 'the store kept less than was sent; the attempt was given up. Try again or replace the store',
  STORE_UNREACHABLE: 'check the network and the store; the attempt can be repeated',
  // custody and signatures
  AGREEMENT_DIGEST: 'the digest is not that of the agreement; compare fingerprints with the other parties',
  AGREEMENT_INVALID: 'correct the agreement file as the message says',
  AGREEMENT_STATE: 'see `escrow agreement show` for what is missing',
  ENVELOPE_HEADER: 'the age header is malformed or too long; the file is damaged or not an envelope',
  ENVELOPE_PAYLOAD: 'the envelope is damaged or truncated; run `escrow repair`',
  ENVELOPE_RECIPIENT: 'this key is not a recipient of the envelope',
  RECIPIENT_INVALID: 'use a native X25519 recipient (age1... with 62 characters); plugins are refused',
  SHARE_INVALID: 'the share is not valid for this vault; ask its holder for it again, and tell the other custodians',
  SHARES_TOO_FEW: 'obtain more valid shares',
  SIGNATURE_INVALID: 'a signature is missing, or does not verify with the pinned key; do not rely on this document until it does',
  SIGNING_FAILED: 'see the words of ssh-keygen above; plug in and touch the security key, or load the key into ssh-agent',
  STATEMENT_DIFFERS: 'what arrived is not what the depositor says it sent; compare both repositories, and send or push again',
  STATEMENT_EXPIRED: 'ask the signer for a fresh statement',
  STATEMENT_HIDDEN: 'the log does not show what a party sent you: ask the operator to record it, and tell the other parties',
  STATEMENT_INVALID: 'the statement does not fit its agreement or epoch; ask the signer for a correct one',
  VAULT_INVALID: 'the vault was dealt wrongly; refuse it and tell the depositor',
  VAULT_NOT_ARMED: 'every custodian must first run `escrow vault accept`',
  // release
  APPROVER_POLICY: 'a party that approved stands elsewhere now; ask again, and let others approve',
  EVIDENCE_MISSING: 'ask who signed the statement for the documents, or say with --unseen-evidence that you judge without them',
  GRANT_EXPIRED: 'the time to fetch is over; ask for a new release',
  GRANT_REFUSED: 'only the beneficiaries of a release may fetch, and only what was granted; see `escrow show` of the case',
  GRANT_REVOKED: 'the grant was revoked; the case shows by whom and why',
  NETWORK_REFUSED: 'fetch from a network that the agreement allows, or from your own that it names',
  ORDER_STATE: 'see the history of the order; the message says in which states this is possible',
  RANGE_INVALID: 'ask for bytes inside the object',
  REQUEST_STATE: 'see the history of the request; the message says in which states this is possible',
  SIGNER_REFUSED: 'this statement needs another signer; the message says who may sign it',
  // verification
  CHAIN_BROKEN: 'deposits are missing or altered; obtain the folder again or report this to the agent',
  DIGEST_MISMATCH: 'the bytes are not those that were signed; obtain them again or run `escrow repair`',
  RESTORE_MISMATCH: 'the restored repository differs from the manifest; report this to the agent',
  REPAIR_IMPOSSIBLE: 'no replica holds a good copy; tell the parties and take a full deposit now',
  // log
  CHECKPOINT_INVALID: 'the checkpoint is malformed or not signed as the policy demands; do not trust it',
  LOG_FORKED: 'two checkpoints contradict each other: keep both as evidence and tell every party',
  LOG_INCONSISTENT: 'stop; the log does not match its tiles. See docs/OPERATING.md, "the log"',
  LOG_ROLLED_BACK:
    'the index is older than the published log: run `escrow rebuild --replace` (on PostgreSQL `escrow rebuild` with an empty database). If it says so again, the replicas are old too: bring back newer ones first',
  PROOF_INVALID: 'the proof does not verify; do not trust this document',
  TILE_INVALID: 'the tile is malformed or does not match the log; obtain it from another replica',
  WITNESS_POLICY: 'too few witnesses cosigned; the receipt is degraded until they do',
  WITNESS_REFUSED: 'the witness does not accept this checkpoint; see its answer',
  WITNESS_UNREACHABLE: 'check the address of the witness and the network; receipts are degraded until enough witnesses answer',
  // the service over HTTP
  BODY_INVALID: 'read the message; /docs of the service describes what each route takes',
  BODY_TOO_LARGE: 'send less at once; the message names the limit of this route',
  IDEMPOTENCY_BUSY: 'the first request with this key is still at work: ask again later, with the same key',
  IDEMPOTENCY_KEY: 'send the header Idempotency-Key with 16 to 128 letters, digits, - or _, fresh for each thing that you want done',
  IDEMPOTENCY_REUSED: 'this key was used for something else: take a fresh one',
  MEDIA_TYPE_INVALID: 'read the message; /docs of the service names the media type of each route',
  RATE_EXCEEDED: 'wait as long as the header Retry-After says',
  REQUEST_TIMEOUT: 'send the request without pausing; nothing was recorded',
  ROLE_REFUSED: 'this route is for another role; the message says which',
  SERVICE_ANSWER: 'check the address; if it is right, tell its operator what the message says',
  SERVICE_UNREACHABLE: 'check the address and the network, then run the command again: nothing is done twice',
  TOKEN_INVALID: 'ask the operator for a token of your party: `escrow token create`; it may be unknown, expired or revoked',
  // notices
  CONTACT_INVALID: 'give an https URL or an e-mail address that this service can reach; the message says what was wrong',
  NOTICE_REFUSED: 'the receiver answered, but did not take the notice: it must answer with a status of 2xx. The notice is sent again',
  NOTICE_UNDELIVERED: 'check the receiver and the network; the notice is sent again, and can be read at the service',
  // jobs
  JOB_TIMEOUT: 'the work took longer than its limit and was stopped; it is tried again. If it goes on, look at what it works on',
  QUEUE_UNAVAILABLE: 'check the queue (Redis, or the database); nothing is lost, what is due is found again in the database',
  // database
  DATABASE_CONFLICT: 'someone else changed the same thing; reload and try again',
  DATABASE_NOT_EMPTY: 'run `escrow rebuild --replace`, which keeps the old folder aside, or give an empty PostgreSQL database',
  DATABASE_UNAVAILABLE: 'check the database; nothing is lost, the index can be rebuilt from the store',
} as const

/** A stable code of a refusal or fault. */
export type ErrorCode = keyof typeof ERROR_ADVICE

/** What a fault may say about itself: public facts only, never material, key bytes or secrets. */
export type ErrorDetails = Readonly<Record<string, string | number | boolean | null>>

/** A refusal or a fault with a stable code. Bugs are not this: they are failed assertions. */
export class EscrowError extends Error {
  readonly code: ErrorCode
  readonly details: ErrorDetails

  /**
   * @param code - from the closed list; decides exit code and HTTP status.
   * @param message - lower case, expected and got; safe to show to any party concerned.
   */
  constructor(code: ErrorCode, message: string, options: { readonly details?: ErrorDetails; readonly cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = 'EscrowError'
    this.code = code
    this.details = options.details ?? {}
  }

  /** What a person should do next. */
  get advice(): string {
    return ERROR_ADVICE[this.code]
  }
}

/** A broken promise of our own code. The job or command that hits it dies; it is never caught to go on. */
export class BugError extends Error {
  override readonly name = 'BugError'
}

/**
 * State what must hold here whatever anybody sends us.
 *
 * @throws BugError when it does not.
 */
export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new BugError(`assertion failed: ${message}`)
}

/** Close a switch over a union: the compiler refuses a missing case, and a value from outside dies here. */
export function unreachable(value: never): never {
  throw new BugError(`unreachable: ${String(value)}`)
}

/** Whether an unknown thing is our error, with the given code if one is named. */
export function isEscrowError(error: unknown, code?: ErrorCode): error is EscrowError {
  return error instanceof EscrowError && (code === undefined || error.code === code)
}
