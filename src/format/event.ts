// What happened, as the log's leaves stand for it and `events/<leaf>.json` holds it. With the signed objects they name, events are enough
// to build the database again: what cannot be read off a manifest or agreement is in the event. Names are in the past tense.
import { z } from 'zod'
import { EscrowError } from '../core/errors.js'
import { AgreementId, AgeRecipient, Country, DepositId, Instant, RequestId, SafeCount, Sha256Hex, Slug } from './ids.js'
import { DepositKind } from './manifest.js'
import { Statement } from './statement.js'

const Epoch = z.number().int().min(1).max(1_000_000)
const Sequence = z.number().int().min(1).max(Number.MAX_SAFE_INTEGER)
const Version = z.number().int().min(1).max(1_000_000)
const ObjectKeyText = z.string().min(1).max(900)
const StateName = z.string().regex(/^[a-zA-Z][a-zA-Z-]{0,39}$/)
/** A code of src/core/errors.ts; open here, because the list grows and old events must stay readable. */
const Code = z.string().regex(/^[A-Z][A-Z_]{2,60}$/)

/** What every event says first. */
const firstFields = {
  agreement: AgreementId,
  /** Whose chain it is in: a source's name, a release request's id, or the agreement's id. The leaf's tag is made from it. */
  subject: z.union([AgreementId, RequestId, Slug]),
  /** Position in the subject's chain, from 1 without a gap; `previous` is the leaf hash of the event before, null for the first. */
  chain: z.strictObject({ number: Sequence, previous: Sha256Hex.nullable() }),
  at: Instant,
} as const

function event<const Name extends string, Fields extends z.core.$ZodLooseShape>(name: Name, fields: Fields) {
  return z.strictObject({ type: z.literal(`escrow/event/${name}/v1`), ...firstFields, ...fields })
}

/** Which moment of the schedule was met or not; null for a deposit that nobody waited for. */
const due = { dueAt: Instant.nullable() } as const
/** Which stored copy: a version on a replica. */
const copy = { key: ObjectKeyText, replica: Slug, versionId: z.string().min(1).max(1024) } as const

export const AgreementRegistered = event('agreement-registered', { version: Version, digest: Sha256Hex })
export const AgreementAmended = event('agreement-amended', { version: Version, digest: Sha256Hex, previousDigest: Sha256Hex })
export const AgreementEnded = event('agreement-ended', { digest: Sha256Hex })
/** Every custodian has accepted its share of both epochs. `acceptances` are digests of the statements. */
export const VaultArmed = event('vault-armed', {
  version: Version,
  digest: Sha256Hex,
  epoch: Epoch,
  recipient: AgeRecipient,
  reserveEpoch: Epoch,
  acceptances: z.array(Sha256Hex).min(1).max(16_320),
})
/** A share of this epoch was released, so whoever holds enough of them reads it. */
export const EpochExposed = event('epoch-exposed', { epoch: Epoch, request: RequestId })
/** Deposits are sealed to another epoch from now on. */
export const EpochChanged = event('epoch-changed', { from: Epoch, to: Epoch })
/** The deposit's manifest and its objects are on every replica; `manifest` is the digest of the manifest's payload. */
export const DepositStored = event('deposit-stored', {
  ...due,
  source: Slug,
  sequence: Sequence,
  kind: DepositKind,
  deposit: DepositId,
  manifest: Sha256Hex,
  manifestKey: ObjectKeyText,
  retainUntil: Instant,
  replicas: z.array(Slug).min(1).max(32),
})
/** What came could not be accepted: a claim about the remote or the deposit. */
export const DepositRefused = event('deposit-refused', { ...due, source: Slug, code: Code })
/** The remote is as the deposit `sequence` has it. */
export const DepositUnchanged = event('deposit-unchanged', { ...due, source: Slug, sequence: Sequence, refsDigest: Sha256Hex })
/** Nothing came until the deadline. */
export const DepositMissed = event('deposit-missed', { source: Slug, dueAt: Instant, deadlineAt: Instant })
/** We failed; no claim about the deposit. */
export const DepositFailed = event('deposit-failed', { ...due, source: Slug, code: Code })
/** The remote does not take our credential, tried ahead of the due time `neededAt`. It meets and misses nothing. */
export const CredentialRefused = event('credential-refused', { source: Slug, neededAt: Instant, code: Code })
export const FindingsExplained = event('findings-explained', { source: Slug, sequence: Sequence, statement: Sha256Hex })
export const RetentionExtended = event('retention-extended', {
  source: Slug,
  fromSequence: Sequence,
  toSequence: Sequence,
  retainUntil: Instant,
})
export const FixityMismatchFound = event('fixity-mismatch-found', {
  ...copy,
  outcome: z.enum(['mismatch', 'missing', 'unreadable']),
  expectedDigest: Sha256Hex,
  foundDigest: Sha256Hex.nullable(),
})
/** A locked bad copy cannot be overwritten: `versionId` is a new version, which supersedes the bad one (null when it was missing). */
export const ObjectRepaired = event('object-repaired', {
  ...copy,
  digest: Sha256Hex,
  supersedes: z.string().min(1).max(1024).nullable(),
  copiedFrom: Slug,
})
export const ReplicaAdded = event('replica-added', { replica: Slug, country: Country, control: Country })
/** A signed statement was recorded. The statement itself lies in the store under `key`. */
export const StatementRecorded = event('statement-recorded', {
  statementType: z.enum(Statement.options.map((option) => option.shape.type.value)),
  statement: Sha256Hex,
  party: Slug,
  key: ObjectKeyText,
})
/** A statement or an elapsed clock moved a request or a shutdown order to another state. Nothing writes `agent` any more. */
const step = {
  from: StateName.nullable(),
  to: StateName,
  cause: z.enum(['statement', 'clock', 'agent']),
  statement: Sha256Hex.nullable(),
} as const
export const RequestAdvanced = event('request-advanced', { request: RequestId, requestDigest: Sha256Hex, ...step })
export const OrderAdvanced = event('order-advanced', { order: Sha256Hex, ...step })
/** The depositor's silence is watched: it is told, then a request is proposed; `present` again after a sign of life. */
export const SilenceAdvanced = event('silence-advanced', {
  condition: Slug,
  from: z.enum(['present', 'noticed', 'proposed']),
  to: z.enum(['present', 'noticed', 'proposed']),
  reasons: z.array(z.enum(['deposits-missed', 'heartbeats-missed'])).max(2),
  until: Instant.nullable(),
})
/** How an order against the agent stands. Written when parties may know of it; what was sealed until then is named by `record-sealed`. */
export const LegalOrderAdvanced = event('legal-order-advanced', { order: Sha256Hex, ...step })
/** The agent has recorded a statement that it must not show yet: the event fixes when, and by its digest what. */
export const RecordSealed = event('record-sealed', { record: Sha256Hex })
const DrillKind = z.enum(['approval', 'restore'])
/** Parties are summoned to a rehearsal; `drill` is the digest of the summons. */
export const DrillStarted = event('drill-started', { drill: Sha256Hex, kind: DrillKind, endsAt: Instant })
/** What a rehearsal came to. */
export const DrillReported = event('drill-reported', {
  drill: Sha256Hex,
  kind: DrillKind,
  outcome: z.enum(['pass', 'fail', 'error']),
  /** Until the votes sufficed. */
  quorumMinutes: SafeCount.nullable(),
  /** From the start to a verified repository. */
  recoveryTimeMinutes: SafeCount.nullable(),
  /** How old the newest deposit was at the start. */
  recoveryPointMinutes: SafeCount.nullable(),
})
export const AlarmName = z.enum(['quorum-impossible', 'share-health-overdue', 'approval-drill-overdue', 'restore-drill-overdue'])
export type AlarmName = z.infer<typeof AlarmName>
/** Something about the custody of an agreement is wrong, or is right again. `about` is a condition, or the number of an epoch. */
const alarm = { alarm: AlarmName, about: Slug } as const
export const AlarmRaised = event('alarm-raised', alarm)
export const AlarmCleared = event('alarm-cleared', alarm)
export const NoticeServed = event('notice-served', { request: RequestId, party: Slug, notice: Sha256Hex })
export const GrantGiven = event('grant-given', {
  request: RequestId,
  beneficiary: Slug,
  deposits: z
    .array(z.strictObject({ source: Slug, sequence: Sequence }))
    .min(1)
    .max(100_000),
  expiresAt: Instant,
})
export const GrantUsed = event('grant-used', { request: RequestId, beneficiary: Slug, key: ObjectKeyText, sizeBytes: SafeCount })
/** Somebody who had authenticated was refused; `beneficiary` is that party, whether or not it is one. */
export const GrantRefused = event('grant-refused', { request: RequestId, beneficiary: Slug, key: ObjectKeyText, code: Code })
export const GrantRevoked = event('grant-revoked', { request: RequestId, beneficiary: Slug, statement: Sha256Hex.nullable() })
/** The day has come by which copies were to be returned or destroyed, and the beneficiary has not confirmed that they were. */
export const ReturnDue = event('return-due', { request: RequestId, beneficiary: Slug, returnByAt: Instant })

/** Everything that becomes a leaf of the log. */
export const Event = z.discriminatedUnion('type', [
  AgreementRegistered,
  AgreementAmended,
  AgreementEnded,
  VaultArmed,
  EpochExposed,
  EpochChanged,
  DepositStored,
  DepositRefused,
  DepositUnchanged,
  DepositMissed,
  DepositFailed,
  CredentialRefused,
  FindingsExplained,
  RetentionExtended,
  FixityMismatchFound,
  ObjectRepaired,
  ReplicaAdded,
  StatementRecorded,
  RequestAdvanced,
  OrderAdvanced,
  SilenceAdvanced,
  LegalOrderAdvanced,
  RecordSealed,
  AlarmRaised,
  AlarmCleared,
  DrillStarted,
  DrillReported,
  NoticeServed,
  GrantGiven,
  GrantUsed,
  GrantRefused,
  GrantRevoked,
  ReturnDue,
])
export type Event = z.infer<typeof Event>
/** The event of one name: `EventOf<'deposit-stored'>`. */
export type EventOf<Name extends string> = Extract<Event, { readonly type: `escrow/event/${Name}/v1` }>

/** What lies under `events/<leaf>.json`, canonical: the event with the salt that hides it in the log. */
export const EventRecord = z.strictObject({
  type: z.literal('escrow/event-record/v1'),
  /** 32 random bytes in hex. */
  salt: Sha256Hex,
  event: Event,
})
export type EventRecord = z.infer<typeof EventRecord>

/** An event with the hash of its leaf. */
export interface LoggedEvent {
  readonly event: Event
  /** RFC 6962 leaf hash in hex: the name of its object. */
  readonly leafHash: string
}

/**
 * Require that events are one subject's whole chain so far.
 *
 * @param events - in the order of their leaves; each one's leaf was verified to be its own.
 * @throws EscrowError `CHAIN_BROKEN` at the first gap, repetition or change of subject. Whether something is missing at the end, only the log
 *   can say.
 */
export function checkEventChain(events: readonly LoggedEvent[]): void {
  const subject = events[0]?.event.subject
  let previous: string | null = null
  for (const [index, { event: next, leafHash }] of events.entries()) {
    if (next.subject !== subject) throw broken(`expected events of ${subject}, got one of ${next.subject}`)
    if (next.chain.number !== index + 1) throw broken(`expected event ${index + 1} of ${subject}, got ${next.chain.number}`)
    if (next.chain.previous !== previous) throw broken(`expected event ${index + 1} of ${subject} to follow the one before it`)
    previous = leafHash
  }
}

function broken(message: string): EscrowError {
  return new EscrowError('CHAIN_BROKEN', message)
}
