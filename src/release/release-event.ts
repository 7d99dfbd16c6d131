/** How the transitions of requests and orders are written into the log (docs/formats/event.md, `request-advanced`, `order-advanced`). */
import { unreachable } from '../core/errors.js'
import type { OrderCause, OrderEvent } from './rules/order-state.js'
import type { EventCause, ReleaseEvent } from './rules/release-state.js'

/** The fields that both event types have beside their first ones. */
export interface AdvancedFields {
  readonly from: string | null
  readonly to: string
  readonly cause: 'statement' | 'clock'
  readonly statement: string | null
}

/**
 * The log's fields for the events of one turn.
 *
 * @param events - as one call of `advance` or `submit` returned them, in order.
 * @returns one entry per event, in the same order; empty for none. A count of votes has as cause what made us count: the input recorded
 *   just before it, or a clock, because where nothing was recorded only time can have changed the count.
 */
export function requestFields(events: readonly ReleaseEvent[]): readonly AdvancedFields[] {
  const fields: AdvancedFields[] = []
  for (const { from, to, cause } of events) {
    const { cause: kind, statement } = cause.kind === 'quorum' ? (fields.at(-1) ?? byClock) : causeOf(cause)
    fields.push({ from: from === 'none' ? null : from, to, cause: kind, statement })
  }
  return fields
}

/** The log's fields for the events of one turn of a shutdown order. */
export function orderFields(events: readonly OrderEvent[]): readonly AdvancedFields[] {
  return events.map(({ from, to, cause }) => ({ from: from === 'none' ? null : from, to, ...causeOf(cause) }))
}

type PlainCause = Pick<AdvancedFields, 'cause' | 'statement'>

const byClock: PlainCause = { cause: 'clock', statement: null }

function causeOf(cause: Exclude<EventCause, { readonly kind: 'quorum' }> | OrderCause): PlainCause {
  switch (cause.kind) {
    case 'statement':
      return { cause: 'statement', statement: cause.digest }
    case 'clock':
      return byClock
    default:
      return unreachable(cause)
  }
}
