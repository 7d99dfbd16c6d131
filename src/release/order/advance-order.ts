import { Inject, Injectable } from '@nestjs/common'
import { Clock } from '../../core/environment.js'
import type { Tx } from '../../db/database.js'
import type { KnownAgreement } from '../../escrow/archive/agreement-shelf.js'
import { AgreementId } from '../../format/ids.js'
import { EventLog, type EventDraft } from '../../log/event-log.js'
import { objectKeys } from '../../store/object-key.js'
import { orderDeadlineOf, type OrderAdvance, type OrderState } from '../rules/order-state.js'
import { OrderShelf } from './order-shelf.js'
import { orderFields } from '../release-event.js'
import { recordedDraft, statementRow, tagSecretOf, type FreshStatement } from '../record-turn.js'
import { againOnConflict } from '../request/release-desk.js'
import { insertStatement, updateOrder, type OrderRow } from '../release.table.js'
import { ReleaseFiles } from '../release-files.js'
import { advanceOrder, type OrderInput } from '../rules/shutdown-order.js'
import { peekStatement, verifierOf } from '../rules/statement-verifier.js'
import type { VerifiedStatement } from '../rules/quorum.js'

/** Moves one order in one agreement by one input. */
@Injectable()
export class AdvanceOrder {
  constructor(
    @Inject(OrderShelf) private readonly orders: OrderShelf,
    @Inject(ReleaseFiles) private readonly files: ReleaseFiles,
    @Inject(EventLog) private readonly log: EventLog,
    @Inject(Clock) private readonly clock: Clock,
  ) {}

  /**
   * Apply an input. Idempotent for clocks and for statements that are known.
   *
   * @param document - the bytes of the statement, where the input is one; attacker-controlled.
   * @returns the state afterwards.
   * @throws EscrowError as `advanceOrder`; `NOT_FOUND`; `STORE_*`; then nothing has happened
   */
  async run(
    which: { readonly orderDigest: string; readonly agreementId: string },
    input: OrderInput,
    document?: Uint8Array,
    signal?: AbortSignal,
  ): Promise<OrderState> {
    return againOnConflict(async () => {
      const { row, known, frame, documents } = await this.orders.get(which.orderDigest, which.agreementId, signal)
      const fresh = document === undefined ? [] : [[peekStatement(document).digest, document] as const]
      const verify = verifierOf({ body: known.signed.body, digest: row.agreementDigest }, new Map([...documents, ...fresh]))
      const step = advanceOrder(row.progress, input, { frame, now: this.clock.now(), verify })
      if (step.events.length === 0) return step.progress.state
      const statements = fresh
        .filter(([digest]) => step.progress.seen.includes(digest) && !row.progress.seen.includes(digest))
        .map(([digest, bytes]) => aboutOrder(row, verify(digest), bytes))
      const change = (tx: Tx) =>
        updateOrder(tx, row, { ...orderProgressRow(step, row.requestId, this.clock.now()), requestId: row.requestId })
      await this.record({ known, order: row, step, statements }, change, signal)
      return step.progress.state
    })
  }

  /** Record a turn of an order: documents first, then rows and log entries in one transaction. @throws EscrowError `STORE_*`, `DATABASE_*` */
  async record(
    turn: {
      readonly known: KnownAgreement
      readonly order: Pick<OrderRow, 'orderDigest' | 'agreementId'>
      readonly step: OrderAdvance
      readonly statements: readonly FreshStatement[]
    },
    change: (tx: Tx) => Promise<void>,
    signal?: AbortSignal,
  ): Promise<void> {
    const { known, order, step, statements } = turn
    const { agreementId, orderDigest } = order
    await this.files.keepAll(known, statements, signal)
    const agreement = AgreementId.parse(agreementId)
    const subject = { agreement, subject: agreement }
    const drafts: readonly EventDraft[] = [
      ...statements.map((one) => recordedDraft(one, subject)),
      ...orderFields(step.events).map((fields): EventDraft => ({
        type: 'escrow/event/order-advanced/v1',
        ...subject,
        order: orderDigest,
        ...fields,
      })),
    ]
    const tagSecret = tagSecretOf(known)
    await this.log.recordAll(
      drafts.map((draft) => ({ draft, tagSecret })),
      async (tx) => {
        for (const one of statements) await insertStatement(tx, statementRow(one, agreementId, orderDigest, this.clock.now()))
        await change(tx)
      },
      signal,
    )
  }
}

/** A statement about an order with its place in the store. */
export function aboutOrder(
  order: Pick<OrderRow, 'orderDigest' | 'agreementId'>,
  verified: VerifiedStatement,
  bytes: Uint8Array,
): FreshStatement {
  return { verified, bytes, key: objectKeys.orderStatement(AgreementId.parse(order.agreementId), order.orderDigest, verified.digest) }
}

/** What a row says of an order's progress. An effective order without its request is due at once. */
export function orderProgressRow(
  { progress }: OrderAdvance,
  requestId: string | null,
  now: Date,
): Pick<OrderRow, 'state' | 'progress' | 'dueAt'> {
  const deadline = orderDeadlineOf(progress.state)
  const unasked = progress.state.name === 'effective' && requestId === null
  const dueAt = unasked ? now : deadline === null ? null : new Date(deadline)
  return { state: progress.state.name, progress, dueAt }
}
