// Whether a statement is meant for us, now, and by somebody who may say such a thing. Signatures are verified before (signed-document.ts).
import { EscrowError } from '../core/errors.js'
import { statementClockSkewMs, statementLifetimeDaysMax } from '../core/limits.js'
import type { Role } from './agreement.js'
import type { Statement, StatementOf, StatementType } from './statement.js'

const dayMs = 86_400_000

/** What a statement must fit. */
export interface StatementContext {
  /** Digest of the agreement, as pinned. */
  readonly agreement: string
  readonly origin: string
  /** Left out where any epoch of the agreement will do. */
  readonly epoch?: number
  readonly now: Date
}

/**
 * Refuse a statement for another service, agreement, epoch or time.
 *
 * @param statement - parsed and its signature verified.
 * @throws EscrowError `STATEMENT_INVALID` when it does not fit, is dated in the future, or contradicts itself; `STATEMENT_EXPIRED` from the
 *   moment it names as its expiry.
 *
 * Source: docs/formats/statement.md, "Checking".
 */
export function checkStatement(statement: Statement, context: StatementContext): void {
  if (statement.origin !== context.origin) throw invalid(statement, `origin ${context.origin}`, statement.origin)
  if (statement.agreement !== context.agreement) {
    throw invalid(statement, `agreement ${context.agreement.slice(0, 16)}`, statement.agreement.slice(0, 16))
  }
  if (context.epoch !== undefined && statement.epoch !== context.epoch) {
    throw invalid(statement, `epoch ${context.epoch}`, String(statement.epoch))
  }
  checkTimes(statement, context.now.getTime())
  checkMatter(statement)
}

function checkTimes(statement: Statement, nowMs: number): void {
  const issuedMs = Date.parse(statement.issuedAt)
  const expiresMs = Date.parse(statement.expiresAt)
  if (expiresMs <= issuedMs) throw invalid(statement, 'an expiry after the date of issue', statement.expiresAt)
  if (expiresMs - issuedMs > statementLifetimeDaysMax * dayMs) {
    throw invalid(statement, `an expiry within ${statementLifetimeDaysMax} days of issue`, statement.expiresAt)
  }
  if (issuedMs > nowMs + statementClockSkewMs) throw invalid(statement, 'a date of issue that is not in the future', statement.issuedAt)
  if (nowMs >= expiresMs) {
    throw new EscrowError(
      'STATEMENT_EXPIRED',
      `${nameOf(statement)}: expected one that is still valid, got one that expired ${statement.expiresAt}`,
    )
  }
}

/** Rules between the fields of one statement. */
function checkMatter(statement: Statement): void {
  if ('covers' in statement) checkCovers(statement)
  if ('beneficiaries' in statement)
    requireDistinct(
      statement,
      'beneficiary',
      statement.beneficiaries.map((one) => one.party),
    )
  if ('deposits' in statement)
    requireDistinct(
      statement,
      'source',
      statement.deposits.map((one) => one.source),
    )
  if ('sealedShares' in statement)
    requireDistinct(
      statement,
      'recipient',
      statement.sealedShares.map((one) => one.recipient),
    )
  if ('codes' in statement) requireDistinct(statement, 'finding code', statement.codes)
  if ('scope' in statement && statement.scope.kind === 'agreements') requireDistinct(statement, 'agreement', statement.scope.agreements)
  if ('until' in statement && statement.until <= statement.issuedAt) {
    throw invalid(statement, 'a hold that ends after it was issued', statement.until)
  }
  if ('noticeForbiddenUntil' in statement && statement.noticeForbiddenUntil !== null && !statement.noticeForbidden) {
    throw invalid(statement, 'an end of a prohibition only where notice is forbidden', statement.noticeForbiddenUntil)
  }
  if ('passed' in statement && statement.passed !== (statement.reason === null)) {
    throw invalid(statement, 'a written reason exactly where a request is turned down', statement.reason ?? 'none')
  }
}

/** The signer's key is pinned in the agreement of the first fields, so that agreement must be one of those it speaks about. */
function checkCovers(statement: StatementOf<'approval'> | StatementOf<'refusal'>): void {
  requireDistinct(
    statement,
    'request',
    statement.covers.map((cover) => cover.requestDigest),
  )
  if (!statement.covers.some((cover) => cover.agreement === statement.agreement)) {
    throw invalid(statement, 'its own agreement among those it covers', 'none')
  }
}

function requireDistinct(statement: Statement, what: string, values: readonly string[]): void {
  if (new Set(values).size !== values.length) throw invalid(statement, `each ${what} once`, 'one of them twice')
}

const everyone: readonly Role[] = ['depositor', 'beneficiary', 'custodian', 'agent', 'supervisor', 'arbiter', 'approver']
const requesters: readonly Role[] = ['beneficiary', 'supervisor', 'depositor', 'agent']
const voters: readonly Role[] = ['custodian', 'approver', 'supervisor']

/** Who may ever sign a type; the agreement's release conditions narrow it further. */
const signers: Readonly<Record<StatementType, readonly Role[]>> = {
  'escrow/statement/agreement-amendment/v1': everyone,
  'escrow/statement/share-accept/v1': ['custodian'],
  'escrow/statement/share-health/v1': ['custodian'],
  'escrow/statement/deposit-statement/v1': ['depositor'],
  'escrow/statement/finding-explanation/v1': ['depositor'],
  'escrow/statement/heartbeat/v1': ['depositor'],
  'escrow/statement/release-request/v1': requesters,
  'escrow/statement/formal-check/v1': ['agent'],
  // Not only the agent: an order must not wait for an agent that serves nobody.
  'escrow/statement/notice-served/v1': ['agent', 'supervisor', 'arbiter'],
  'escrow/statement/withdrawal/v1': requesters,
  'escrow/statement/contrary-instruction/v1': ['depositor'],
  'escrow/statement/ruling/v1': ['arbiter'],
  'escrow/statement/approval/v1': voters,
  'escrow/statement/refusal/v1': voters,
  'escrow/statement/veto/v1': voters,
  'escrow/statement/share-release/v1': ['custodian'],
  'escrow/statement/grant-revocation/v1': ['beneficiary', 'supervisor', 'arbiter', 'approver', 'custodian'],
  'escrow/statement/return-confirmation/v1': ['beneficiary'],
  'escrow/statement/shutdown-order/v1': ['depositor', 'beneficiary', 'supervisor', 'approver', 'custodian'],
  'escrow/statement/contestation/v1': ['depositor'],
  'escrow/statement/legal-hold/v1': ['supervisor', 'arbiter', 'approver', 'agent'],
  // Neither depositor nor agent: leaving people out of a quorum can make it impossible.
  'escrow/statement/availability/v1': ['beneficiary', 'custodian', 'supervisor', 'arbiter', 'approver'],
  'escrow/statement/drill-result/v1': ['beneficiary'],
  'escrow/statement/legal-order/v1': ['agent'],
  'escrow/statement/legal-order-step/v1': ['agent'],
  'escrow/statement/key-change/v1': everyone,
}

/** Whether a party of this role may ever sign such a statement. */
export function maySign(role: Role, type: StatementType): boolean {
  return signers[type].includes(role)
}

/**
 * The text that a custodian signs with its share to show that it still has it.
 *
 * @returns ASCII bytes; they name the share, the moment and a nonce, so an old proof proves nothing new.
 */
export function shareHealthText(
  statement: Pick<StatementOf<'share-health'>, 'agreement' | 'epoch' | 'index' | 'recipient' | 'nonce' | 'issuedAt'>,
): Uint8Array {
  const { agreement, epoch, index, recipient, nonce, issuedAt } = statement
  return new TextEncoder().encode(
    `escrow-share-health/v1\nagreement ${agreement}\nepoch ${epoch}\nvault ${recipient}\nindex ${index}\nnonce ${nonce}\nat ${issuedAt}\n`,
  )
}

function nameOf(statement: Statement): string {
  return statement.type.split('/')[2] ?? statement.type
}

function invalid(statement: Statement, expected: string, got: string): EscrowError {
  return new EscrowError('STATEMENT_INVALID', `${nameOf(statement)}: expected ${expected}, got ${got}`)
}
