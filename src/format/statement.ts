// What parties sign (DESIGN section 6): one strict type for each statement, all with the same first fields, so that no signature can be
// carried over to another service, agreement, epoch or purpose. The agreement itself is signed as it is (docs/formats/agreement.md).
import { z } from 'zod'
import { coversMax, custodiansMax, evidenceMax, partiesMax, sealedShareBytesMax, sourcesMax } from '../core/limits.js'
import { PartyKey } from './agreement.js'
import { AgeRecipient, Country, Instant, Nonce, Oid, RequestId, SafeCount, Sha256Hex, Slug, Words } from './ids.js'
import { FindingCode } from './manifest.js'

const Epoch = z.number().int().min(1).max(1_000_000)
const Sequence = z.number().int().min(1).max(Number.MAX_SAFE_INTEGER)
const Version = z.number().int().min(1).max(1_000_000)
const ShareIndex = z.number().int().min(1).max(custodiansMax)
/** A court, office or docket as documents name it. */
const Reference = Words.max(500)

/** A document that a statement rests on; the document itself travels beside it. */
export const Evidence = z.strictObject({
  title: Reference,
  sha256: Sha256Hex,
  sizeBytes: SafeCount,
  mediaType: z
    .string()
    .max(100)
    .regex(/^[a-z0-9][a-z0-9.+-]*\/[a-z0-9][a-z0-9.+-]*$/),
})
export type Evidence = z.infer<typeof Evidence>

const EvidenceList = z.array(Evidence).max(evidenceMax)

/** What must be done about every order against the agent, in this order; `notice` waits while notice is forbidden. */
export const LegalCheck = z.enum(['authenticity', 'jurisdiction', 'counsel', 'scope', 'notice', 'contest'])
export type LegalCheck = z.infer<typeof LegalCheck>
/** What an order can end in. None of them contains plaintext, shares or keys: the agent holds none. */
export const LegalOutcome = z.enum(['annulled', 'withdrawn', 'nothing-held', 'ciphertext-preserved', 'records-disclosed'])
export type LegalOutcome = z.infer<typeof LegalOutcome>

/** What every statement says before its own matter. */
const firstFields = {
  /** The service, as the agreement names it: a statement to one operator says nothing to another. */
  origin: z.string().min(1).max(200),
  /** Digest of the agreement under which the signer's key is pinned. */
  agreement: Sha256Hex,
  epoch: Epoch,
  /** Who signs, as the agreement names it. */
  party: Slug,
  nonce: Nonce,
  issuedAt: Instant,
  expiresAt: Instant,
} as const

function statement<const Name extends string, Fields extends z.core.$ZodLooseShape>(name: Name, fields: Fields) {
  return z.strictObject({ type: z.literal(`escrow/statement/${name}/v1`), ...firstFields, ...fields })
}

/** The signer agrees that another version takes the place of this agreement. */
export const AgreementAmendment = statement('agreement-amendment', { next: Sha256Hex, nextVersion: Version, reason: Words })
/** A custodian's client has checked that its share opens this epoch's recipient. */
export const ShareAccept = statement('share-accept', { index: ShareIndex, recipient: AgeRecipient })
/** A custodian still has its share; `proof` is an Ed25519 signature made with the share over `shareHealthText`. */
export const ShareHealth = statement('share-health', {
  index: ShareIndex,
  recipient: AgeRecipient,
  proof: z.string().regex(/^[A-Za-z0-9+/]{86}==$/, 'expected 64 bytes in base64'),
})
/** What the depositor says it sent, to be compared with what arrived. */
export const DepositStatement = statement('deposit-statement', {
  source: Slug,
  takenAt: Instant,
  objectFormat: z.enum(['sha1', 'sha256']),
  refsDigest: Sha256Hex,
  refCount: SafeCount,
  packChecksum: Oid.nullable(),
})
/** The depositor explains blocking findings of one deposit. */
export const FindingExplanation = statement('finding-explanation', {
  source: Slug,
  sequence: Sequence,
  manifest: Sha256Hex,
  codes: z.array(FindingCode).min(1).max(100),
  explanation: Words,
})
/** The depositor is there. */
export const Heartbeat = statement('heartbeat', {})

/** One source of a request; `sequence` null means the newest deposit without an unexplained blocking finding when access is granted. */
export const RequestedDeposit = z.strictObject({ source: Slug, sequence: Sequence.nullable() })
export type RequestedDeposit = z.infer<typeof RequestedDeposit>
/** A demand for release under one of the agreement's conditions. */
export const ReleaseRequest = statement('release-request', {
  request: RequestId,
  /** Name of the condition in the agreement. */
  condition: Slug,
  beneficiaries: z
    .array(z.strictObject({ party: Slug, recipient: AgeRecipient }))
    .min(1)
    .max(partiesMax),
  deposits: z.array(RequestedDeposit).min(1).max(sourcesMax),
  /** The shutdown order behind it, by digest; null for every other condition. */
  order: Sha256Hex.nullable(),
  grounds: Words,
  evidence: EvidenceList,
})
/** The agent has read a request against the agreement; `reason` is the digest of its written reason for turning it down. */
export const FormalCheck = statement('formal-check', { requestDigest: Sha256Hex, passed: z.boolean(), reason: Sha256Hex.nullable() })
/** The depositor was served with a request or an order (`subject`, its digest); `proof` is the digest of the proof of service. */
export const NoticeServed = statement('notice-served', { subject: Sha256Hex, proof: Sha256Hex })
/** The requester takes a request back. */
export const Withdrawal = statement('withdrawal', { requestDigest: Sha256Hex, reason: Words })
/** The depositor objects to a request. */
export const ContraryInstruction = statement('contrary-instruction', { requestDigest: Sha256Hex, grounds: Words, evidence: EvidenceList })
/** The arbiter's outcome: `proceed` lets a request go to approval or makes an order effective, `reject` ends it, `stay` halts it. */
export const Ruling = statement('ruling', {
  subject: z.strictObject({ kind: z.enum(['request', 'order']), digest: Sha256Hex }),
  outcome: z.enum(['proceed', 'reject', 'stay']),
  grounds: Words,
  evidence: EvidenceList,
})

/** One request that an approval is for, with everything that must not be swapped under it. */
export const Cover = z.strictObject({
  requestDigest: Sha256Hex,
  agreement: Sha256Hex,
  epoch: Epoch,
  recipients: z.array(AgeRecipient).min(1).max(partiesMax),
})
export type Cover = z.infer<typeof Cover>
/** A custodian or approver says yes; one statement may cover many requests. */
export const Approval = statement('approval', { covers: z.array(Cover).min(1).max(coversMax), reason: Words })
/** A custodian or approver says no, or takes an approval back. */
export const Refusal = statement('refusal', {
  covers: z
    .array(z.strictObject({ requestDigest: Sha256Hex, agreement: Sha256Hex }))
    .min(1)
    .max(coversMax),
  reason: Words,
})
/** The guardian sends a request back to approval in the cooling-off. */
export const Veto = statement('veto', { requestDigest: Sha256Hex, reason: Words })
/** A custodian's share, sealed anew to each recipient of the request; signed together, so that a relay can exchange nothing. */
export const ShareRelease = statement('share-release', {
  requestDigest: Sha256Hex,
  index: ShareIndex,
  sealedShares: z
    .array(
      z.strictObject({
        recipient: AgeRecipient,
        /** The age file in base64. */
        file: z.base64().max(Math.ceil(sealedShareBytesMax / 3) * 4),
      }),
    )
    .min(1)
    .max(partiesMax),
})

/** A beneficiary's access to what a request released ends before its time. */
export const GrantRevocation = statement('grant-revocation', { requestDigest: Sha256Hex, beneficiary: Slug, reason: Words })
/** A beneficiary has given back or destroyed every copy of what a request released to it. */
export const ReturnConfirmation = statement('return-confirmation', {
  requestDigest: Sha256Hex,
  outcome: z.enum(['returned', 'destroyed']),
  account: Words,
})

/** A court or government orders the depositor to stop. */
export const ShutdownOrder = statement('shutdown-order', {
  issuer: Reference,
  jurisdiction: Country,
  reference: Reference,
  documents: EvidenceList.min(1),
  scope: z.discriminatedUnion('kind', [
    z.strictObject({ kind: z.literal('agreements'), agreements: z.array(Sha256Hex).min(1).max(coversMax) }),
    /** Every agreement whose depositor is this organisation, by the name the agreements give. */
    z.strictObject({ kind: z.literal('depositor'), organisation: Reference }),
  ]),
  effectiveAt: Instant,
})
/** The depositor contests an order in court. */
export const Contestation = statement('contestation', {
  order: Sha256Hex,
  court: Reference,
  docket: Reference,
  grounds: Words,
  evidence: EvidenceList,
})
/** A request (or, with null, every request of the agreement) stands still until a day, or until lifted. */
export const LegalHold = statement('legal-hold', {
  action: z.enum(['place', 'lift']),
  requestDigest: Sha256Hex.nullable(),
  until: Instant,
  reference: Reference,
  reason: Words,
})
/** A party can no longer vote or hand over its share, or can again. */
export const Availability = statement('availability', {
  subject: Slug,
  available: z.boolean(),
  cause: z.enum(['share-lost', 'key-lost', 'gone', 'other']),
  reason: Words,
})
/** What a beneficiary measured in a restore drill; `fault` is set when its own machinery failed, which says nothing of the deposit. */
export const DrillResult = statement('drill-result', {
  drill: Sha256Hex,
  startedAt: Instant,
  /** When the restored repository had been verified; null when it never was. */
  verifiedAt: Instant.nullable(),
  /** When the newest deposit of the agreement itself that the beneficiary could verify was taken; null when there was none. */
  takenAt: Instant.nullable(),
  canaryFound: z.boolean(),
  fault: Words.nullable(),
})
/** An order against the agent: registered, never an export path. */
export const LegalOrder = statement('legal-order', {
  kind: z.enum(['disclosure', 'seizure', 'preservation', 'other']),
  issuer: Reference,
  jurisdiction: Country,
  reference: Reference,
  documents: EvidenceList,
  receivedAt: Instant,
  contestUntil: Instant.nullable(),
  noticeForbidden: z.boolean(),
  /** When the prohibition ends by itself; null where it names no end, or none is forbidden. */
  noticeForbiddenUntil: Instant.nullable(),
})
/** What the agent did about an order against it; `proof` is the digest of the document behind it, which stays with the agent. */
export const LegalOrderStep = statement('legal-order-step', {
  order: Sha256Hex,
  step: z.discriminatedUnion('kind', [
    z.strictObject({ kind: z.literal('check-done'), check: LegalCheck }),
    z.strictObject({ kind: z.literal('contested'), until: Instant }),
    z.strictObject({ kind: z.literal('notice-allowed') }),
    z.strictObject({ kind: z.literal('answered'), outcome: LegalOutcome }),
  ]),
  proof: Sha256Hex,
})
/** Other keys for a party; `subject` may be the signer or a party that lost its keys. */
export const KeyChange = statement('key-change', {
  subject: Slug,
  keys: z.array(PartyKey).min(1).max(8),
  recipient: AgeRecipient.nullable(),
  recoveryRecipient: AgeRecipient.nullable(),
  reason: Words,
})

/** Every statement; strict, so an unknown field is refused: a signer must not sign what a verifier does not see. */
export const Statement = z.discriminatedUnion('type', [
  AgreementAmendment,
  ShareAccept,
  ShareHealth,
  DepositStatement,
  FindingExplanation,
  Heartbeat,
  ReleaseRequest,
  FormalCheck,
  NoticeServed,
  Withdrawal,
  ContraryInstruction,
  Ruling,
  Approval,
  Refusal,
  Veto,
  ShareRelease,
  GrantRevocation,
  ReturnConfirmation,
  ShutdownOrder,
  Contestation,
  LegalHold,
  Availability,
  DrillResult,
  LegalOrder,
  LegalOrderStep,
  KeyChange,
])
export type Statement = z.infer<typeof Statement>
export type StatementType = Statement['type']
/** The statement of one name: `StatementOf<'approval'>`. */
export type StatementOf<Name extends string> = Extract<Statement, { readonly type: `escrow/statement/${Name}/v1` }>

/** The documents that a statement rests on; empty for a type that names none. */
export function evidenceOf(said: Statement): readonly Evidence[] {
  if ('evidence' in said) return said.evidence
  return 'documents' in said ? said.documents : []
}
