import { Inject, Injectable } from '@nestjs/common'
import { EscrowError } from '../core/errors.js'
import { rowsMax } from '../core/limits.js'
import { Database } from '../db/database.js'
import { findAgreement, findVersionByDigest } from '../escrow/archive/agreement.table.js'
import { CompareStatement } from '../escrow/deposit/compare-statement.js'
import type { Statement, StatementType } from '../format/statement.js'
import { AdvanceOrder } from './order/advance-order.js'
import { AdvanceRequest } from './request/advance-request.js'
import { isAboutGrant, RecordGrantStatement } from './grant/record-grant-statement.js'
import { outcomeOf, RegisterOrder, type Outcome } from './order/register-order.js'
import {
  findRequestByDigest,
  listOrders,
  listRequests,
  listRequestsOf,
  listSubjects,
  type OrderRow,
  type RequestRow,
} from './release.table.js'
import { LookAfterAgreement } from './sweep/look-after-agreement.js'
import { RecordDrill } from './drill/record-drill.js'
import { RecordLegalOrder } from './legal/record-legal-order.js'
import { RecordWord } from './custody/record-word.js'
import { RelayShare } from './request/relay-share.js'
import { peekStatement } from './rules/statement-verifier.js'
import { sideBySide } from './side-by-side.js'
import { SubmitRequest } from './request/submit-request.js'

/** The ways a statement can take. */
@Injectable()
export class StatementRoutes {
  constructor(
    @Inject(SubmitRequest) readonly submit: SubmitRequest,
    @Inject(AdvanceRequest) readonly request: AdvanceRequest,
    @Inject(RegisterOrder) readonly register: RegisterOrder,
    @Inject(AdvanceOrder) readonly order: AdvanceOrder,
    @Inject(RelayShare) readonly share: RelayShare,
  ) {}
}

/** Where statements go that are about an agreement as a whole. */
@Injectable()
export class CustodyRoutes {
  constructor(
    @Inject(RecordWord) readonly word: RecordWord,
    @Inject(LookAfterAgreement) readonly agreement: LookAfterAgreement,
    @Inject(RecordLegalOrder) readonly legal: RecordLegalOrder,
    @Inject(RecordDrill) readonly drills: RecordDrill,
    @Inject(CompareStatement) readonly deposits: CompareStatement,
  ) {}
}

/** Records one signed statement wherever it says something: an approval may cover hundreds of requests. */
@Injectable()
export class RecordStatement {
  constructor(
    @Inject(Database) private readonly database: Database,
    @Inject(StatementRoutes) private readonly routes: StatementRoutes,
    @Inject(RecordGrantStatement) private readonly grants: RecordGrantStatement,
    @Inject(CustodyRoutes) private readonly custody: CustodyRoutes,
  ) {}

  /**
   * Record a statement. Idempotent. Each request and order is moved in a transaction of its own, so one that refuses does not stop the others.
   *
   * @param bytes - attacker-controlled; it is verified with the keys of each agreement that it concerns, and again whenever it is counted.
   * @returns what it did, subject by subject; at least one.
   * @throws EscrowError the first refusal when it was refused everywhere; `NOT_FOUND` when it concerns nothing here; `FORMAT_INVALID`;
   *   `STORE_*`, `DATABASE_*`
   */
  async run(bytes: Uint8Array, signal?: AbortSignal): Promise<readonly Outcome[]> {
    const { statement, digest } = peekStatement(bytes)
    const outcomes = await this.route(statement, { digest, bytes }, signal)
    const [first] = outcomes
    if (first === undefined) throw concernsNothing(statement)
    if (first.error !== null && outcomes.every((outcome) => outcome.error !== null)) throw first.error
    return outcomes
  }

  private async route(statement: Statement, document: Document, signal?: AbortSignal): Promise<readonly Outcome[]> {
    const { bytes } = document
    if (statement.type === 'escrow/statement/shutdown-order/v1') return this.routes.register.run(bytes, signal)
    if (statement.type === 'escrow/statement/release-request/v1') {
      await this.routes.submit.run(bytes, undefined, signal)
      await this.custody.agreement.run((await this.standing(document.digest))[0]?.agreementId ?? '', signal)
      return this.standing(document.digest)
    }
    if (statement.type === 'escrow/statement/share-release/v1') {
      const { agreementId, requestId, state } = await this.routes.share.run(bytes, signal)
      return [{ agreementId, subject: requestId, state, error: null }]
    }
    if (isAboutGrant(statement)) {
      await this.grants.run(bytes, signal)
      return this.standing(statement.requestDigest)
    }
    const said = await this.recordWord(statement, document, signal)
    const requests = await sideBySide(await this.requestsOf(statement), (row) => this.moveRequest(row, document, signal))
    return [...said, ...requests, ...(await sideBySide(await this.ordersOf(statement), (row) => this.moveOrder(row, document, signal)))]
  }

  /** What is said about an agreement as a whole, and whether it shows that the depositor is there. */
  private async recordWord(statement: Statement, { bytes }: Document, signal?: AbortSignal): Promise<readonly Outcome[]> {
    if (statement.type === 'escrow/statement/legal-order/v1' || statement.type === 'escrow/statement/legal-order-step/v1') {
      return [await this.custody.legal.run(bytes, statement, signal)]
    }
    const compared =
      statement.type === 'escrow/statement/deposit-statement/v1' ? [await this.compare(statement.agreement, bytes, signal)] : []
    const drilled = await this.custody.drills.run(bytes, statement, signal)
    if (!isWord(statement) || !(await this.isInForce(statement))) return drilled
    const { known } = await this.custody.word.run(bytes, statement, signal)
    const { agreementId } = known.row
    return [
      ...compared,
      { agreementId, subject: agreementId, state: 'recorded', error: null },
      ...(await this.custody.agreement.run(agreementId, signal)),
    ]
  }

  /** A hold under a version that is no longer in force still holds the requests that were submitted under it, and no others. */
  private async isInForce(statement: Statement): Promise<boolean> {
    if (statement.type !== 'escrow/statement/legal-hold/v1') return true
    const version = await this.database.query((db) => findVersionByDigest(db, statement.agreement))
    const row = version === null ? null : await this.database.query((db) => findAgreement(db, version.agreementId))
    return row?.digest === statement.agreement
  }

  /** What a depositor says that it has, against the newest deposit. */
  private async compare(agreement: string, bytes: Uint8Array, signal?: AbortSignal): Promise<Outcome> {
    const { agreementId, source, error } = await this.custody.deposits.run(bytes, agreement, signal)
    return { agreementId, subject: source, state: error === null ? 'unchanged' : null, error }
  }

  /** How a request stands now. */
  private async standing(requestDigest: string): Promise<readonly Outcome[]> {
    const row = await this.database.query((db) => findRequestByDigest(db, requestDigest))
    return row === null ? [] : [{ agreementId: row.agreementId, subject: row.requestId, state: row.state, error: null }]
  }

  private moveRequest(row: RequestRow, { digest, bytes }: Document, signal?: AbortSignal): Promise<Outcome> {
    return outcomeOf(row.agreementId, row.requestId, async () => {
      const { name } = await this.routes.request.run(row.requestId, { kind: 'statement', digest }, bytes, signal)
      // A hold that was lifted: custodians may have delivered meanwhile.
      const state = name === 'releasing' ? await this.routes.share.passHeld(row.requestId, signal) : name
      return { subject: row.requestId, state }
    })
  }

  private moveOrder(row: OrderRow, { digest, bytes }: Document, signal?: AbortSignal): Promise<Outcome> {
    return outcomeOf(row.agreementId, row.orderDigest, async () => {
      const state = await this.routes.order.run(row, { kind: 'statement', digest }, bytes, signal)
      return { subject: row.orderDigest, state: state.name }
    })
  }

  private async requestsOf(statement: Statement): Promise<readonly RequestRow[]> {
    const digests = digestsOfRequests(statement)
    if (digests === 'every request') {
      const version = await this.database.query((db) => findVersionByDigest(db, statement.agreement))
      return version === null ? [] : this.database.query((db) => listRequests(db, version.agreementId, rowsMax))
    }
    return this.database.query((db) => listRequestsOf(db, digests))
  }

  private async ordersOf(statement: Statement): Promise<readonly OrderRow[]> {
    const named = orderOf(statement)
    if (named !== null) {
      const subjects = await this.database.query((db) => listSubjects(db, named))
      const orders = await this.database.query((db) => listOrders(db, null, rowsMax))
      return orders.filter((row) => subjects.some((one) => one.subject === row.orderDigest && one.agreementId === row.agreementId))
    }
    if (!breaksSilence(statement)) return []
    const version = await this.database.query((db) => findVersionByDigest(db, statement.agreement))
    if (version === null) return []
    const orders = await this.database.query((db) => listOrders(db, version.agreementId, rowsMax))
    return orders.filter((row) => row.state === 'registered')
  }
}

interface Document {
  readonly digest: string
  readonly bytes: Uint8Array
}

/**
 * What is said about an agreement as a whole. Other keys for a party are said here too, and change nothing: what an agreement pins only an
 * amendment replaces, so until then votes count under the old keys alone.
 */
function isWord(statement: Statement): boolean {
  if (statement.type === 'escrow/statement/legal-hold/v1') return statement.requestDigest === null
  return words.includes(statement.type)
}

const words: readonly StatementType[] = [
  'escrow/statement/heartbeat/v1',
  'escrow/statement/deposit-statement/v1',
  'escrow/statement/availability/v1',
  'escrow/statement/share-health/v1',
  'escrow/statement/key-change/v1',
]

function digestsOfRequests(statement: Statement): readonly string[] | 'every request' {
  if (statement.type === 'escrow/statement/legal-hold/v1') {
    return statement.requestDigest === null ? 'every request' : [statement.requestDigest]
  }
  if (statement.type === 'escrow/statement/ruling/v1') return statement.subject.kind === 'request' ? [statement.subject.digest] : []
  if ('covers' in statement) return statement.covers.map((cover) => cover.requestDigest)
  if (statement.type === 'escrow/statement/notice-served/v1') return [statement.subject]
  return 'requestDigest' in statement ? [statement.requestDigest] : []
}

/** The order that a statement is about, by the digest of any of its registrations; null for other statements. */
function orderOf(statement: Statement): string | null {
  if (statement.type === 'escrow/statement/contestation/v1') return statement.order
  if (statement.type === 'escrow/statement/ruling/v1') return statement.subject.kind === 'order' ? statement.subject.digest : null
  return statement.type === 'escrow/statement/notice-served/v1' ? statement.subject : null
}

/** Whatever the depositor signs shows that it is there and not gagged. */
function breaksSilence({ type }: Statement): boolean {
  return (
    type === 'escrow/statement/heartbeat/v1' ||
    type === 'escrow/statement/deposit-statement/v1' ||
    type === 'escrow/statement/finding-explanation/v1' ||
    type === 'escrow/statement/contrary-instruction/v1'
  )
}

function concernsNothing({ type }: Statement): EscrowError {
  const message =
    type === 'escrow/statement/shutdown-order/v1'
      ? 'the scope of this shutdown order has no agreement that is known here, as it is in force'
      : `no release request or order here is concerned by ${type}`
  return new EscrowError('NOT_FOUND', message)
}
