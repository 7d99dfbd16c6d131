import { Inject, Injectable } from '@nestjs/common'
import { Clock } from '../../core/environment.js'
import { EscrowError } from '../../core/errors.js'
import { rowsMax } from '../../core/limits.js'
import { Database, type Tx } from '../../db/database.js'
import { AgreementShelf, type KnownAgreement } from '../../escrow/archive/agreement-shelf.js'
import { listVersionDigests } from '../../escrow/archive/agreement.table.js'
import type { StatementOf } from '../../format/statement.js'
import { aboutOrder, AdvanceOrder, orderProgressRow } from './advance-order.js'
import { agreementsInScope, sameOrder } from '../rules/order-registration.js'
import { OrderShelf } from './order-shelf.js'
import { listOrders, insertOrder, type OrderRow } from '../release.table.js'
import { againOnConflict } from '../request/release-desk.js'
import { sideBySide } from '../side-by-side.js'
import { registerOrder } from '../rules/shutdown-order.js'
import { peekStatement, verifierOf } from '../rules/statement-verifier.js'

/** What a statement did to one request or order. */
export interface Outcome {
  readonly agreementId: string
  /** A request's id, or the digest of an order. */
  readonly subject: string
  /** The state afterwards; null when it was refused there. */
  readonly state: string | null
  readonly error: EscrowError | null
}

/** Registers a shutdown order in every agreement that it reaches, or adds a registrant where it is registered. */
@Injectable()
export class RegisterOrder {
  constructor(
    @Inject(Database) private readonly database: Database,
    @Inject(AgreementShelf) private readonly agreements: AgreementShelf,
    @Inject(OrderShelf) private readonly orders: OrderShelf,
    @Inject(AdvanceOrder) private readonly advance: AdvanceOrder,
    @Inject(Clock) private readonly clock: Clock,
  ) {}

  /**
   * Register an order. Idempotent; an agreement that refuses it does not stop the others.
   *
   * @param bytes - a signed shutdown-order; attacker-controlled.
   * @returns one outcome per agreement in its scope; empty when it reaches none.
   * @throws EscrowError `STATEMENT_INVALID` for another type; `STORE_*`, `DATABASE_*`
   */
  async run(bytes: Uint8Array, signal?: AbortSignal): Promise<readonly Outcome[]> {
    const { statement, digest } = peekStatement(bytes)
    if (statement.type !== 'escrow/statement/shutdown-order/v1') {
      throw new EscrowError('STATEMENT_INVALID', `expected a shutdown order, got ${statement.type}`)
    }
    const reached = (await this.inScope(statement)).map((known) => ({ agreementId: known.row.agreementId, known }))
    return sideBySide(reached, ({ agreementId, known }) =>
      outcomeOf(agreementId, digest, () => this.registerIn(known, { digest, bytes, statement }, signal)),
    )
  }

  private async inScope(statement: StatementOf<'shutdown-order'>): Promise<readonly KnownAgreement[]> {
    const reached: KnownAgreement[] = []
    for (let after = ''; ;) {
      const page = await this.agreements.list(after, rowsMax)
      for (const known of page) {
        const digests = await this.database.query((db) => listVersionDigests(db, known.row.agreementId))
        if (agreementsInScope(statement, [{ agreement: known.signed.body, digests }]).length > 0) reached.push(known)
      }
      const last = page.at(-1)
      if (last === undefined) return reached
      after = last.row.agreementId
    }
  }

  private async registerIn(
    known: KnownAgreement,
    order: { readonly digest: string; readonly bytes: Uint8Array; readonly statement: StatementOf<'shutdown-order'> },
    signal?: AbortSignal,
  ): Promise<{ readonly subject: string; readonly state: string }> {
    return againOnConflict(async () => {
      const { agreementId } = known.row
      const earlier = await this.findSame(agreementId, order.statement, signal)
      if (earlier !== null) {
        const { orderDigest } = earlier
        const state = await this.advance.run({ orderDigest, agreementId }, { kind: 'statement', digest: order.digest }, order.bytes, signal)
        return { subject: orderDigest, state: state.name }
      }
      return this.registerFirst(known, order, signal)
    })
  }

  private async registerFirst(
    known: KnownAgreement,
    { digest, bytes }: { readonly digest: string; readonly bytes: Uint8Array },
    signal?: AbortSignal,
  ): Promise<{ readonly subject: string; readonly state: string }> {
    const { agreementId } = known.row
    const frame = await this.orders.frameOf(known)
    const verify = verifierOf(known.signed, new Map([[digest, bytes]]))
    const now = this.clock.now()
    const step = registerOrder(digest, { frame, now, verify })
    const row: Omit<OrderRow, 'revision'> = {
      orderDigest: digest,
      agreementId,
      agreementDigest: known.signed.digest,
      requestId: null,
      ...orderProgressRow(step, null, now),
    }
    const insert = (tx: Tx) => insertOrder(tx, row)
    await this.advance.record({ known, order: row, step, statements: [aboutOrder(row, verify(digest), bytes)] }, insert, signal)
    return { subject: digest, state: step.progress.state.name }
  }

  /** Two registrations are of one order when they say the same, whoever signed them. */
  private async findSame(agreementId: string, statement: StatementOf<'shutdown-order'>, signal?: AbortSignal): Promise<OrderRow | null> {
    const rows = await this.database.query((db) => listOrders(db, agreementId, rowsMax))
    for (const row of rows) {
      const { known, documents } = await this.orders.get(row.orderDigest, agreementId, signal)
      if (sameOrder(verifierOf(known.signed, documents)(row.orderDigest).statement, statement)) return row
    }
    return null
  }
}

/** What came of work on one subject; refusals become part of the outcome, faults of ours are thrown. */
export async function outcomeOf(
  agreementId: string,
  subject: string,
  work: () => Promise<{ readonly subject: string; readonly state: string }>,
): Promise<Outcome> {
  try {
    const done = await work()
    return { agreementId, ...done, error: null }
  } catch (error) {
    if (!(error instanceof EscrowError) || /^(?:STORE|DATABASE|LOG)_/.test(error.code)) throw error
    return { agreementId, subject, state: null, error }
  }
}
