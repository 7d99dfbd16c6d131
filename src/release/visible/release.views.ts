// What the service says of requests, orders and grants over HTTP and, with `--json`, on the command line.
import { z } from 'zod'
import { AgreementId, Instant, RequestId, Sha256Hex, Slug } from '../../format/ids.js'
import type { AlarmRow, SilenceRow } from '../custody/custody.table.js'
import type { DownloadList } from '../grant/list-download.js'
import type { AccessRow, GrantRow } from '../grant/grant.table.js'
import type { Outcome } from '../order/register-order.js'
import type { HeldShareRow, OrderRow, RequestRow, StatementRow } from '../release.table.js'

/** A request with all that was recorded about it. */
export interface WholeRequest {
  readonly row: RequestRow
  readonly statements: readonly StatementRow[]
  readonly shares: readonly HeldShareRow[]
  readonly grants: readonly GrantRow[]
  readonly accesses: readonly AccessRow[]
}

const count = z.number().int()
const moment = (at: Date | null) => at?.toISOString() ?? null

export const RequestSummary = z
  .object({
    request: RequestId,
    agreement: AgreementId,
    digest: Sha256Hex,
    state: z.string(),
    epoch: count,
    /** When the clock moves it next; null when nothing can follow. */
    dueAt: Instant.nullable(),
  })
  .meta({ id: 'RequestSummary' })
export type RequestSummary = z.output<typeof RequestSummary>

/** A request in a list. */
export function showRequest({ requestId, agreementId, requestDigest, state, epoch, dueAt }: RequestRow): z.input<typeof RequestSummary> {
  return { request: requestId, agreement: agreementId, digest: requestDigest, state, epoch, dueAt: moment(dueAt) }
}

const Granted = z.array(z.object({ source: Slug, sequence: count }))

export const GrantView = z
  .object({
    request: RequestId,
    beneficiary: Slug,
    deposits: Granted,
    grantedAt: Instant,
    expiresAt: Instant,
    revokedAt: Instant.nullable(),
    /** When copies must be returned or destroyed; null when they may be kept. */
    returnByAt: Instant.nullable(),
    returnDueAt: Instant.nullable(),
    returnedAt: Instant.nullable(),
  })
  .meta({ id: 'Grant' })

/** What a beneficiary was granted. */
export function showGrant(row: GrantRow): z.input<typeof GrantView> {
  const { requestId: request, beneficiary, deposits, grantedAt, expiresAt } = row
  return {
    request,
    beneficiary,
    deposits: deposits.map(({ source, sequence }) => ({ source, sequence })),
    grantedAt: grantedAt.toISOString(),
    expiresAt: expiresAt.toISOString(),
    revokedAt: moment(row.revokedAt),
    returnByAt: moment(row.returnByAt),
    returnDueAt: moment(row.returnDueAt),
    returnedAt: moment(row.returnedAt),
  }
}

const StatementView = z.object({ digest: Sha256Hex, type: z.string(), party: Slug, recordedAt: Instant })
const ShareView = z.object({ party: Slug, receivedAt: Instant, releasedAt: Instant.nullable() })
const AccessView = z.object({
  party: Slug,
  key: z.string(),
  offsetBytes: count,
  sizeBytes: count,
  networkRule: z.string(),
  refusalCode: z.string().nullable(),
  accessedAt: Instant,
  sentBytes: count.nullable(),
  endedAt: Instant.nullable(),
})

export const RequestView = RequestSummary.extend({
  agreementDigest: Sha256Hex,
  order: Sha256Hex.nullable(),
  submittedAt: Instant,
  statements: z.array(StatementView),
  shares: z.array(ShareView),
  grants: z.array(GrantView),
  /** The first thousand. From which address is personal: it stays with the operator. */
  accesses: z.array(AccessView),
}).meta({ id: 'ReleaseRequest' })
export type RequestView = z.output<typeof RequestView>

/** One request with its history. */
export function showWholeRequest({ row, statements, shares, grants, accesses }: WholeRequest): z.input<typeof RequestView> {
  return {
    ...showRequest(row),
    agreementDigest: row.agreementDigest,
    order: row.orderDigest,
    submittedAt: row.submittedAt.toISOString(),
    statements: statements.map(({ digest, type, party, recordedAt }) => ({ digest, type, party, recordedAt: recordedAt.toISOString() })),
    shares: shares.map(({ party, receivedAt, releasedAt }) => ({
      party,
      receivedAt: receivedAt.toISOString(),
      releasedAt: moment(releasedAt),
    })),
    grants: grants.map((grant) => showGrant(grant)),
    accesses: accesses.map((access) => showAccess(access)),
  }
}

function showAccess(row: AccessRow): z.input<typeof AccessView> {
  const { party, key, offsetBytes, sizeBytes, networkRule, refusalCode, sentBytes } = row
  const moments = { accessedAt: row.accessedAt.toISOString(), endedAt: moment(row.endedAt) }
  return { party, key, offsetBytes, sizeBytes, networkRule, refusalCode, sentBytes, ...moments }
}

export const OrderView = z
  .object({ order: Sha256Hex, agreement: AgreementId, state: z.string(), request: RequestId.nullable(), dueAt: Instant.nullable() })
  .meta({ id: 'ShutdownOrder' })
export type OrderView = z.output<typeof OrderView>

/** A shutdown order in one agreement that it reaches. */
export function showOrder({ orderDigest, agreementId, state, requestId, dueAt }: OrderRow): z.input<typeof OrderView> {
  return { order: orderDigest, agreement: agreementId, state, request: requestId, dueAt: moment(dueAt) }
}

export const SilenceView = z
  .object({ agreement: AgreementId, name: z.string(), until: Instant.nullable(), reasons: z.array(z.string()) })
  .meta({ id: 'Silence' })
export type SilenceView = z.output<typeof SilenceView>

/** A depositor who is silent. */
export function showSilence({ agreementId, watch }: SilenceRow): z.input<typeof SilenceView> {
  const said = watch.name === 'present' ? { until: null, reasons: [] } : { until: watch.until, reasons: [...watch.reasons] }
  return { agreement: agreementId, name: watch.name, ...said }
}

export const AlarmView = z
  .object({ agreement: AgreementId, alarm: z.string(), about: z.string(), since: Instant })
  .meta({ id: 'CustodyAlarm' })
export type AlarmView = z.output<typeof AlarmView>

/** What is wrong with the custody of an agreement. */
export function showAlarm({ agreementId, alarm, about, since }: AlarmRow): z.input<typeof AlarmView> {
  return { agreement: agreementId, alarm, about, since: since.toISOString() }
}

export const OutcomeView = z
  .object({
    agreement: z.string(),
    /** A request's id, the digest of an order, an agreement's id, or the name of a source. */
    subject: z.string(),
    /** The state afterwards; null when it was refused there. */
    state: z.string().nullable(),
    code: z.string().nullable(),
    words: z.string().nullable(),
  })
  .meta({ id: 'Outcome' })
export type OutcomeView = z.output<typeof OutcomeView>

/** What a statement did to one request or order. */
export function showOutcome({ agreementId, subject, state, error }: Outcome): z.input<typeof OutcomeView> {
  return { agreement: agreementId, subject, state, code: error?.code ?? null, words: error?.message ?? null }
}

export const DownloadView = z
  .object({
    request: RequestId,
    agreement: AgreementId,
    deposits: Granted,
    expiresAt: Instant,
    returnByAt: Instant.nullable(),
    objects: z.array(z.object({ key: z.string(), sizeBytes: count, sha256: Sha256Hex })),
  })
  .meta({ id: 'Download' })
export type DownloadView = z.output<typeof DownloadView>

/** What may be fetched under a grant. */
export function showDownload(list: DownloadList): z.input<typeof DownloadView> {
  return {
    request: list.requestId,
    agreement: list.agreementId,
    deposits: list.deposits.map(({ source, sequence }) => ({ source, sequence })),
    expiresAt: list.expiresAt.toISOString(),
    returnByAt: moment(list.returnByAt),
    objects: list.objects.map(({ key, sizeBytes, sha256 }) => ({ key, sizeBytes, sha256 })),
  }
}

const ExplainedView = z.object({ source: z.string(), sequence: count, settled: z.boolean() })

export const SentView = z.object({ outcomes: z.array(OutcomeView), explained: ExplainedView.nullable() }).meta({ id: 'Sent' })
export type SentView = z.output<typeof SentView>

export const CaseView = z.object({ items: z.array(z.object({ path: z.string(), base64: z.base64() })) }).meta({ id: 'CaseFiles' })

export const KeptView = z.object({ sha256: Sha256Hex }).meta({ id: 'KeptEvidence' })
