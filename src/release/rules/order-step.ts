/** One turn of a shutdown order: the event that a transition leaves, and the checks every statement about an order must pass. */
import type { Role } from '../../format/agreement.js'
import type { StatementOf } from '../../format/statement.js'
import { checkStatement, maySign } from '../../format/check-statement.js'
import { EscrowError } from '../../core/errors.js'
import { reaches } from './order-registration.js'
import { orderDeadlineOf, type OrderAdvance, type OrderCause, type OrderFrame, type OrderProgress, type OrderState } from './order-state.js'
import { requireNamedSigner, type VerifiedStatement, type VerifyStatement } from './quorum.js'

/** What an input is judged by. */
export interface OrderTurn {
  readonly frame: OrderFrame
  readonly now: Date
  readonly verify: VerifyStatement
}

export type Registration = VerifiedStatement & { readonly statement: StatementOf<'shutdown-order'> }

/** Effective dates further away are mistakes: ten years. */
const effectiveDaysMax = 3660
const dayMs = 86_400_000

/** The order in another state, or in the same, with the event of it. */
export function moveOrder(step: OrderAdvance, state: OrderState, cause: OrderCause, turn: OrderTurn): OrderAdvance {
  const { progress } = step
  const at = turn.now.toISOString()
  const sequence = progress.events + 1
  const from = progress.events === 0 ? 'none' : progress.state.name
  const event = { order: progress.order, sequence, at, from, to: state.name, cause, until: orderDeadlineOf(state) } as const
  return { progress: { ...progress, state, clock: at, events: sequence }, events: [...step.events, event] }
}

/**
 * A verified statement as a registration of an order that reaches this agreement.
 *
 * @throws EscrowError `STATEMENT_INVALID`, `STATEMENT_EXPIRED`, `SIGNER_REFUSED`
 */
export function requireRegistration(verified: VerifiedStatement, turn: OrderTurn): Registration {
  const { statement } = verified
  if (statement.type !== 'escrow/statement/shutdown-order/v1') throw invalid('a shutdown order', statement.type)
  requireStatement(verified, turn)
  if (!reaches(statement.scope, turn.frame)) throw invalid('an order that reaches this agreement', 'one for others')
  const limit = turn.now.getTime() + effectiveDaysMax * dayMs
  if (Date.parse(statement.effectiveAt) > limit) throw invalid('an effective date within ten years', statement.effectiveAt)
  const missing = turn.frame.terms.evidence.find(
    (name) => !statement.documents.some((document) => document.title === name || document.title.startsWith(`${name}: `)),
  )
  if (missing !== undefined) throw invalid(`a document with the title ${missing}`, 'none')
  return { ...verified, statement }
}

/**
 * Demand a statement for this service, alive, by a party whose role may sign its type. One statement serves every agreement that
 * pins its signer's key: nobody registers or contests an order fifty times.
 */
export function requireStatement(verified: VerifiedStatement, { frame, now }: OrderTurn): void {
  const { statement, signer } = verified
  checkStatement(statement, { agreement: statement.agreement, origin: frame.origin, now })
  requireNamedSigner(verified, frame.agreement)
  const role = frame.parties.find((party) => party.party === signer)?.role
  if (role === undefined || !maySign(role, statement.type)) {
    throw new EscrowError('SIGNER_REFUSED', `expected a party that may sign ${statement.type}, got ${signer}`)
  }
}

/** Demand a signer of one role. */
export function requireOrderRole({ signer }: VerifiedStatement, role: Role, { frame }: OrderTurn): void {
  if (frame.parties.find((party) => party.party === signer)?.role !== role) {
    throw new EscrowError('SIGNER_REFUSED', `expected a statement by the ${role}, got one by ${signer}`)
  }
}

/** The date on the order. */
export function effectiveAtOf(progress: OrderProgress, verify: VerifyStatement): string {
  const { statement } = verify(progress.order)
  if (statement.type !== 'escrow/statement/shutdown-order/v1') throw invalid('a shutdown order', statement.type)
  return statement.effectiveAt
}

/** The cause of a transition that a statement made. */
export function statementCause({ digest, signer, statement }: VerifiedStatement): OrderCause {
  return { kind: 'statement', digest, type: statement.type, party: signer }
}

/** The refusal of an input that does not fit the order's state. */
export function wrongOrderState(state: OrderState, expected: string): EscrowError {
  return new EscrowError('ORDER_STATE', `expected the order ${expected}, got ${state.name}`)
}

/** Moments are ISO text of one form, so text order is time order. */
export function laterOf(left: string, right: string): string {
  return left > right ? left : right
}

function invalid(expected: string, got: string): EscrowError {
  return new EscrowError('STATEMENT_INVALID', `shutdown-order: expected ${expected}, got ${got}`)
}
