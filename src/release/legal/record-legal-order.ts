import { Inject, Injectable } from '@nestjs/common'
import { EscrowError } from '../../core/errors.js'
import { rowsMax } from '../../core/limits.js'
import { Database } from '../../db/database.js'
import { AgreementShelf, type KnownAgreement } from '../../escrow/archive/agreement-shelf.js'
import { checkStatement, maySign } from '../../format/check-statement.js'
import type { StatementOf } from '../../format/statement.js'
import { Clock } from '../../core/environment.js'
import { advanceLegalOrder, legalOrderOf, registerLegalOrder, type LegalAdvance } from './legal-order.js'
import { findLegalOrder, listDueLegalOrders, type LegalOrderRow } from './legal-order.table.js'
import { LegalOrderFiles } from './legal-order-files.js'
import { requireNamedSigner, type VerifiedStatement } from '../rules/quorum.js'
import { outcomeOf, type Outcome } from '../order/register-order.js'
import { againOnConflict } from '../request/release-desk.js'
import { agreedCalendar } from '../rules/release-policy.js'
import { verifyStatement } from '../rules/statement-verifier.js'

/**
 * Registers orders against the agent and records what the agent does about them. It reads and writes signed statements and one row;
 * no deposit, share or grant is within its reach, whatever an order demands.
 */
@Injectable()
export class RecordLegalOrder {
  constructor(
    @Inject(Database) private readonly database: Database,
    @Inject(AgreementShelf) private readonly agreements: AgreementShelf,
    @Inject(LegalOrderFiles) private readonly files: LegalOrderFiles,
    @Inject(Clock) private readonly clock: Clock,
  ) {}

  /**
   * Record a registration or a step. Idempotent.
   *
   * @param bytes - a statement of the agent.
   * @returns the order with what follows: whom to notify, what is overdue.
   * @throws EscrowError `NOT_FOUND` for a step of an order that is not registered; `ORDER_STATE`; `SIGNATURE_INVALID`, `SIGNER_REFUSED`,
   *   `STATEMENT_*`, `STORE_*`
   */
  async run(
    bytes: Uint8Array,
    statement: StatementOf<'legal-order'> | StatementOf<'legal-order-step'>,
    signal?: AbortSignal,
  ): Promise<Outcome> {
    const known = await this.agreements.version(statement.agreement)
    const verified = verifyStatement(bytes, known.signed)
    const move = () => againOnConflict(() => this.record(known, verified, bytes, signal))
    const { agreementId } = known.row
    return { agreementId, ...(await move()), error: null }
  }

  /** Let the clocks of orders run: overdue answers, silence that ends, the monthly question whether it may. */
  async sweep(signal?: AbortSignal): Promise<readonly Outcome[]> {
    const outcomes: Outcome[] = []
    for (const { orderDigest, agreementId } of await this.database.query((db) => listDueLegalOrders(db, this.clock.now(), rowsMax))) {
      outcomes.push(await outcomeOf(agreementId, orderDigest, () => againOnConflict(() => this.elapse(orderDigest, signal))))
    }
    return outcomes
  }

  private async elapse(orderDigest: string, signal?: AbortSignal): Promise<Moved> {
    const row = await this.row(orderDigest)
    const known = await this.agreements.version(row.agreementDigest)
    const step = advanceLegalOrder(row.progress, { kind: 'clock' }, this.clock.now())
    if (step.events.length > 0) await this.files.record({ known, before: row, step, fresh: null }, signal)
    return movedBy(step)
  }

  private async record(known: KnownAgreement, verified: VerifiedStatement, bytes: Uint8Array, signal?: AbortSignal): Promise<Moved> {
    const { statement, digest } = verified
    const before = await this.database.query((db) => findLegalOrder(db, legalOrderOf(verified)))
    if (before?.progress.seen.includes(digest) === true) return { subject: before.orderDigest, state: before.state }
    requireAgent(verified, known, this.clock.now())
    const step = this.decide(known, before, verified)
    const registered =
      statement.type === 'escrow/statement/legal-order/v1' ? known : await this.agreements.version(rowOf(before).agreementDigest)
    await this.files.record({ known: registered, before, step, fresh: { verified, bytes } }, signal)
    return movedBy(step)
  }

  private decide(known: KnownAgreement, before: LegalOrderRow | null, { statement, digest }: VerifiedStatement): LegalAdvance {
    const now = this.clock.now()
    if (statement.type === 'escrow/statement/legal-order/v1') {
      return registerLegalOrder(digest, statement, { calendar: agreedCalendar(known.signed.body), now })
    }
    if (statement.type !== 'escrow/statement/legal-order-step/v1') throw new EscrowError('STATEMENT_INVALID', 'expected a legal order')
    return advanceLegalOrder(rowOf(before).progress, { kind: 'step', digest, statement }, now)
  }

  private async row(orderDigest: string): Promise<LegalOrderRow> {
    return rowOf(await this.database.query((db) => findLegalOrder(db, orderDigest)))
  }
}

interface Moved {
  readonly subject: string
  readonly state: string
}

function movedBy({ progress, events }: LegalAdvance): Moved {
  return { subject: progress.order, state: [progress.state.name, ...events.filter((event) => event !== progress.state.name)].join(', ') }
}

function rowOf(row: LegalOrderRow | null): LegalOrderRow {
  if (row === null) throw new EscrowError('NOT_FOUND', 'expected a legal order that is registered here')
  return row
}

function requireAgent(verified: VerifiedStatement, known: KnownAgreement, now: Date): void {
  const { statement, signer } = verified
  const { body, digest } = known.signed
  checkStatement(statement, { agreement: digest, origin: body.origin, now })
  requireNamedSigner(verified, digest)
  const role = body.parties.find((party) => party.party === signer)?.role
  if (role === undefined || !maySign(role, statement.type)) {
    throw new EscrowError('SIGNER_REFUSED', `expected a statement by the agent, got one by ${signer}`)
  }
}
