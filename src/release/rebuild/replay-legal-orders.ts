/**
 * Orders against the agent made again from what the log tells and the agent's own statements: the fold that moved them moves them again. While
 * notice is forbidden the log tells only that something was recorded; what its clocks did in silence is not told, and the next look decides it.
 */
import { EscrowError } from '../../core/errors.js'
import type { KnownAgreement } from '../../escrow/archive/agreement-shelf.js'
import type { Event, EventOf } from '../../format/event.js'
import { advanceLegalOrder, legalOrderOf, registerLegalOrder, type LegalAdvance } from '../legal/legal-order.js'
import { legalOrderRow } from '../legal/legal-order-files.js'
import type { LegalOrderRow } from '../legal/legal-order.table.js'
import type { VerifiedStatement } from '../rules/quorum.js'
import { statementRow } from '../record-turn.js'
import type { StatementRow } from '../release.table.js'
import { agreedCalendar } from '../rules/release-policy.js'
import type { ObjectKey } from '../../store/object-key.js'

/** A statement about an order against the agent, verified, with where it lies. */
export interface LegalPaper {
  readonly verified: VerifiedStatement
  /** The version that it was given under. */
  readonly known: KnownAgreement
  readonly key: ObjectKey
}

/** Rows as they were before the index was lost. */
export interface ReplayedLegalOrders {
  readonly legalOrders: readonly Omit<LegalOrderRow, 'revision'>[]
  readonly legalStatements: readonly StatementRow[]
}

type Told = EventOf<'statement-recorded'> | EventOf<'record-sealed'>

/** Replays events one after the other, in the order of the log. */
export class ReplayLegalOrders {
  readonly #orders = new Map<string, Omit<LegalOrderRow, 'revision'>>()
  readonly #statements = new Map<string, StatementRow>()
  readonly #papers = new Map<string, LegalPaper>()
  /** The version under which each order was registered. */
  readonly #versions = new Map<string, KnownAgreement>()

  /**
   * @param paperOf - the statement that an event tells of, verified, opened where it is sealed to the agent.
   * @throws EscrowError `CHAIN_BROKEN` when the log tells of what the documents do not give; as the fold and `paperOf`
   */
  async apply(event: Event, paperOf: (event: Told) => Promise<LegalPaper>): Promise<void> {
    if (event.type === 'escrow/event/record-sealed/v1') this.sealed(event, await paperOf(event))
    else if (event.type === 'escrow/event/statement-recorded/v1' && isLegal(event)) this.open(event, await paperOf(event))
    else if (event.type === 'escrow/event/legal-order-advanced/v1') this.advanced(event)
  }

  result(): ReplayedLegalOrders {
    return { legalOrders: [...this.#orders.values()], legalStatements: [...this.#statements.values()] }
  }

  /** What was sealed was decided while the silence lasted, also where it was recorded a moment after its end. */
  private sealed(event: EventOf<'record-sealed'>, paper: LegalPaper): void {
    this.keep(paper, event.at)
    const { statement } = paper.verified
    const registration =
      statement.type === 'escrow/statement/legal-order/v1' ? statement : this.order(legalOrderOf(paper.verified)).progress
    const until = registration.noticeForbiddenUntil
    const last = until === null ? event.at : new Date(Date.parse(until) - 1).toISOString()
    this.write(this.decide(legalOrderOf(paper.verified), paper, last < event.at ? last : event.at))
  }

  /** A statement that was sealed until now comes into the open, or a new one; the step that follows says what it came to. */
  private open({ at, key }: EventOf<'statement-recorded'>, paper: LegalPaper): void {
    const known = this.#statements.get(paper.verified.digest)
    if (known === undefined) this.keep(paper, at)
    else this.#statements.set(known.digest, { ...known, key })
  }

  private keep(paper: LegalPaper, at: string): void {
    const { verified, known, key } = paper
    const order = legalOrderOf(verified)
    if (order === verified.digest) this.#versions.set(order, known)
    this.#papers.set(verified.digest, paper)
    this.#statements.set(verified.digest, statementRow({ verified, key }, known.row.agreementId, order, new Date(at)))
  }

  /**
   * An event is dated when it is recorded, a moment after the decision: where a clock ran out between the two, the moment before it did is the
   * one that gives what the log says.
   */
  private advanced({ order, statement, to, at }: EventOf<'legal-order-advanced'>): void {
    const paper = statement === null ? null : (this.#papers.get(statement) ?? null)
    if (statement !== null && paper === null) throw broken(`an order was moved by a statement that the log does not show`)
    const state = this.#orders.get(order)?.progress.state
    const until = state === undefined || state.name === 'answered' || state.until > at ? null : new Date(Date.parse(state.until) - 1)
    const moments = until === null ? [at] : [at, until.toISOString()]
    const step = moments.map((moment) => this.decide(order, paper, moment)).find(({ progress }) => progress.state.name === to)
    if (step === undefined) throw broken(`the log has the order ${order.slice(0, 16)} at ${to}, the documents do not`)
    this.write(step)
  }

  private decide(order: string, paper: LegalPaper | null, moment: string): LegalAdvance {
    const now = new Date(moment)
    if (paper === null) return advanceLegalOrder(this.order(order).progress, { kind: 'clock' }, now)
    const { statement, digest } = paper.verified
    if (statement.type === 'escrow/statement/legal-order/v1')
      return registerLegalOrder(digest, statement, { calendar: agreedCalendar(paper.known.signed.body), now })
    if (statement.type !== 'escrow/statement/legal-order-step/v1') throw broken(`expected a legal order, got ${statement.type}`)
    return advanceLegalOrder(this.order(order).progress, { kind: 'step', digest, statement }, now)
  }

  private write({ progress }: LegalAdvance): void {
    const known = this.#versions.get(progress.order)
    if (known === undefined) throw broken(`the order ${progress.order.slice(0, 16)} moves before it is registered`)
    this.#orders.set(progress.order, legalOrderRow(known, progress))
  }

  private order(digest: string): Omit<LegalOrderRow, 'revision'> {
    const row = this.#orders.get(digest)
    if (row === undefined) throw broken(`a step of the order ${digest.slice(0, 16)} comes before its registration`)
    return row
  }
}

function isLegal({ statementType }: EventOf<'statement-recorded'>): boolean {
  return statementType === 'escrow/statement/legal-order/v1' || statementType === 'escrow/statement/legal-order-step/v1'
}

function broken(words: string): EscrowError {
  return new EscrowError('CHAIN_BROKEN', words)
}
