// What the service says of agreements, sources and deposits over HTTP and, with `--json`, on the command line.
import { z } from 'zod'
import { Role, Standing, type Party } from '../../format/agreement.js'
import { AgreementId, DepositId, Instant, Sha256Hex, Slug } from '../../format/ids.js'
import { sha256Hex } from '../../crypto/digest.js'
import { keyidOf } from '../../crypto/dsse.js'
import type { LogEntryRow } from '../../log/log.table.js'
import type { AgreementRow, AgreementVersionRow } from '../archive/agreement.table.js'
import type { DepositRow } from '../archive/deposit.table.js'
import type { VisibleFinding } from './visible-deposits.js'
import type { LatestDeposit, SourceWithLatest, WholeAgreement } from './visible-prepared.table.js'
import type { CopyOfDeposit } from './visible.table.js'

const count = z.number().int()
const moment = (at: Date | null) => at?.toISOString() ?? null

export const AgreementSummary = z
  .object({
    agreement: AgreementId,
    version: count,
    digest: Sha256Hex,
    state: z.string(),
    title: z.string(),
    threshold: count,
    custodians: count,
    retentionDays: count,
    createdAt: Instant,
    endsAt: Instant,
    armedAt: Instant.nullable(),
    endedAt: Instant.nullable(),
  })
  .meta({ id: 'AgreementSummary' })

/** An agreement in a list. */
export function showAgreement(row: AgreementRow): z.input<typeof AgreementSummary> {
  const { agreementId: agreement, version, digest, state, title, threshold, custodianCount: custodians, retentionDays } = row
  const moments = { createdAt: row.createdAt.toISOString(), endsAt: row.endsAt.toISOString() }
  return {
    agreement,
    version,
    digest,
    state,
    title,
    threshold,
    custodians,
    retentionDays,
    ...moments,
    armedAt: moment(row.armedAt),
    endedAt: moment(row.endedAt),
  }
}

export const AgreementView = AgreementSummary.extend({
  epochs: z.array(z.object({ epoch: count, state: z.string() })),
  /** Custodians that have accepted their shares, by index. */
  accepted: z.array(count),
}).meta({ id: 'Agreement' })

/** One agreement. */
export function showWholeAgreement({ row, epochs, accepted }: WholeAgreement): z.input<typeof AgreementView> {
  return { ...showAgreement(row), epochs: epochs.map(({ epoch, state }) => ({ epoch, state })), accepted: [...accepted] }
}

export const VersionView = z.object({ version: count, digest: Sha256Hex, createdAt: Instant }).meta({ id: 'AgreementVersion' })

/** One version of an agreement. */
export function showVersion({ version, digest, createdAt }: AgreementVersionRow): z.input<typeof VersionView> {
  return { version, digest, createdAt: createdAt.toISOString() }
}

export const PartyView = z
  .object({
    party: Slug,
    role: Role,
    name: z.string(),
    organisation: z.string(),
    standing: Standing,
    keys: z.array(z.object({ kind: z.string(), keyid: z.string(), fingerprint: Sha256Hex })),
    recipient: z.string().nullable(),
  })
  .meta({ id: 'Party' })

/** One party of an agreement. */
export function showParty({ party, role, name, organisation, standing, keys, recipient }: Party): z.input<typeof PartyView> {
  const shown = keys.map((key) => ({ kind: key.kind, keyid: keyidOf(key), fingerprint: sha256Hex(Buffer.from(keyidOf(key))) }))
  return { party, role, name, organisation, standing, keys: shown, recipient }
}

const Latest = z.object({
  deposit: DepositId,
  sequence: count,
  kind: z.string(),
  takenAt: Instant,
  manifestDigest: Sha256Hex,
  blocking: z.boolean(),
})

export const SourceView = z
  .object({
    source: Slug,
    mode: z.string(),
    state: z.string(),
    /** Either this, or a cron line with its time zone. */
    everyHours: count.nullable(),
    cron: z.string().nullable(),
    timeZone: z.string().nullable(),
    graceHours: count,
    periodAt: Instant,
    deadlineAt: Instant,
    freshAt: Instant.nullable(),
    failures: count,
    failureCode: z.string().nullable(),
    failedAt: Instant.nullable(),
    /** Why the remote refused our credential when it was last tried ahead of a due time. */
    credentialCode: z.string().nullable(),
    latest: Latest.nullable(),
  })
  .meta({ id: 'Source' })

export type SourceView = z.output<typeof SourceView>

/** A source with its newest deposit. Where it is pulled from is sealed to the parties, so it is not said. */
export function showSource({ row, latest }: SourceWithLatest): z.input<typeof SourceView> {
  const { source, mode, state, everyHours, cron, timeZone, graceHours, failures, failureCode, credentialCode } = row
  return {
    source,
    mode,
    state,
    everyHours,
    cron,
    timeZone,
    graceHours,
    failures,
    failureCode,
    credentialCode,
    periodAt: row.periodAt.toISOString(),
    deadlineAt: row.deadlineAt.toISOString(),
    freshAt: moment(row.freshAt),
    failedAt: moment(row.failedAt),
    latest: latest === null ? null : showLatest(latest),
  }
}

function showLatest({ depositId: deposit, sequence, kind, takenAt, manifestDigest, blocking }: LatestDeposit): z.input<typeof Latest> {
  return { deposit, sequence, kind, takenAt: takenAt.toISOString(), manifestDigest, blocking }
}

export const DepositView = z
  .object({
    deposit: DepositId,
    agreement: AgreementId,
    source: Slug,
    sequence: count,
    kind: z.string(),
    baseSequence: count,
    epoch: count,
    agreementDigest: Sha256Hex,
    manifestDigest: Sha256Hex,
    previousDigest: Sha256Hex.nullable(),
    refsDigest: Sha256Hex,
    refCount: count,
    bundleDigest: Sha256Hex,
    bundleBytes: count,
    takenAt: Instant,
    outcome: z.string(),
    blocking: z.boolean(),
    explainedAt: Instant.nullable(),
    leafHash: Sha256Hex,
    receiptDigest: Sha256Hex.nullable(),
  })
  .meta({ id: 'Deposit' })

/** One deposit. */
export function showDeposit(row: DepositRow): z.input<typeof DepositView> {
  const { depositId: deposit, agreementId: agreement, takenAt, explainedAt, ...plain } = row
  return { deposit, agreement, ...plain, takenAt: takenAt.toISOString(), explainedAt: moment(explainedAt) }
}

export const FindingView = z
  .object({
    code: z.string(),
    severity: z.string(),
    count,
    explanation: z.object({ digest: Sha256Hex, party: Slug, words: z.string(), recordedAt: Instant }).nullable(),
  })
  .meta({ id: 'Finding' })

/** A finding, and what the depositor said of it. */
export function showFinding({ row, explanation }: VisibleFinding): z.input<typeof FindingView> {
  const { code, severity, count: times, explanationDigest: digest, explainedAt } = row
  const known = digest !== null && explainedAt !== null && explanation !== null
  return { code, severity, count: times, explanation: known ? { digest, ...explanation, recordedAt: explainedAt.toISOString() } : null }
}

const CopyView = z.object({
  replica: Slug,
  state: z.string(),
  storedAt: Instant,
  verifiedAt: Instant.nullable(),
  nextCheckAt: Instant.nullable(),
  retainUntil: Instant,
})

export const ObjectView = z
  .object({ key: z.string(), purpose: z.string(), sizeBytes: count, digest: Sha256Hex, copies: z.array(CopyView) })
  .meta({ id: 'StoredObject' })

/** The objects of a deposit, each with its copies. @param rows - by key. */
export function showObjects(rows: readonly CopyOfDeposit[]): readonly z.input<typeof ObjectView>[] {
  const objects = new Map(rows.map(({ object }) => [object.key, object]))
  return [...objects.values()].map(({ key, purpose, sizeBytes, digest }) => ({
    key,
    purpose,
    sizeBytes,
    digest,
    copies: rows.filter(({ object }) => object.key === key).map(({ copy }) => showCopy(copy)),
  }))
}

function showCopy({ replica, state, storedAt, verifiedAt, nextCheckAt, retainUntil }: CopyOfDeposit['copy']): z.input<typeof CopyView> {
  const moments = { verifiedAt: moment(verifiedAt), nextCheckAt: moment(nextCheckAt) }
  return { replica, state, storedAt: storedAt.toISOString(), retainUntil: retainUntil.toISOString(), ...moments }
}

export const EventView = z
  .object({
    leafHash: Sha256Hex,
    /** Position in the log; null while it is pending. */
    index: count.nullable(),
    type: z.string(),
    subject: z.string(),
    recordedAt: Instant,
  })
  .meta({ id: 'Event' })

/** One event of an agreement. */
export function showEvent({ leafHash, logIndex: index, eventType: type, subject, recordedAt }: LogEntryRow): z.input<typeof EventView> {
  return { leafHash, index, type, subject, recordedAt: recordedAt.toISOString() }
}
