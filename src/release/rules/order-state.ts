/** The states of a shutdown order in one agreement (DESIGN section 7), and what governs it there. No rules. */
import type { Party } from '../../format/agreement.js'
import type { StatementOf, StatementType } from '../../format/statement.js'
import { unreachable } from '../../core/errors.js'
import type { ReleaseTerms } from './release-policy.js'

type Moment = string
type Digest = string

interface Window<Name extends string> {
  readonly name: Name
  readonly since: Moment
  readonly until: Moment
}

/** The order stands. `silentSince` is when the depositor was served, or last said something; null before service is proven. */
export interface RegisteredOrder extends Window<'registered'> {
  readonly silentSince: Moment | null
}

/** In court. `until` is when docket evidence is due, or after it came, when a ruling is. */
export interface ContestedOrder extends Window<'contested'> {
  readonly docketed: boolean
  readonly rulingBy: Moment
}

export type OrderState =
  /** One party has registered it; a second, in other hands, must. */
  | Window<'lodged'>
  | RegisteredOrder
  | ContestedOrder
  | Window<'stayed'>
  /** The contest is lost or over; the order's own date has not come. */
  | Window<'lost'>
  | { readonly name: 'effective'; readonly since: Moment; readonly bySilence: boolean }
  | { readonly name: 'won'; readonly since: Moment }
  | { readonly name: 'lapsed'; readonly since: Moment }

/** What the fold carries. */
export interface OrderProgress {
  /** Digest of the first registration: the order's name in contestations, rulings and release requests. */
  readonly order: Digest
  readonly agreement: Digest
  /** Every registration, each a signed statement of the same matter. */
  readonly registrations: readonly Digest[]
  readonly state: OrderState
  readonly seen: readonly Digest[]
  readonly contested: boolean
  readonly byDepositor: boolean
  readonly clock: Moment
  readonly events: number
}

/** One agreement in the order's scope: each judges the order by its own parties and clocks. */
export interface OrderFrame {
  readonly agreement: Digest
  /** Of every version of the agreement: an order may name an earlier one. */
  readonly digests: readonly Digest[]
  readonly origin: string
  readonly parties: readonly Party[]
  /** Of the agreement's condition of kind `shutdown-order`. */
  readonly terms: ReleaseTerms
}

export type OrderCause =
  | { readonly kind: 'statement'; readonly digest: Digest; readonly type: StatementType; readonly party: string }
  | { readonly kind: 'clock'; readonly clock: 'effectiveAt' | 'objectionBusinessDays' | 'docketDays' | 'contestDaysMax' }

/** One entry for the log. */
export interface OrderEvent {
  readonly order: Digest
  readonly sequence: number
  readonly at: Moment
  readonly from: OrderState['name'] | 'none'
  readonly to: OrderState['name']
  readonly cause: OrderCause
  readonly until: Moment | null
}

/** The order after an input; no events when nothing changed. */
export interface OrderAdvance {
  readonly progress: OrderProgress
  readonly events: readonly OrderEvent[]
}

export type OrderMatter = Pick<
  StatementOf<'shutdown-order'>,
  'issuer' | 'jurisdiction' | 'reference' | 'documents' | 'scope' | 'effectiveAt'
>

/** When the clock moves an order on; null where nothing can follow. */
export function orderDeadlineOf(state: OrderState): Moment | null {
  switch (state.name) {
    case 'lodged':
    case 'registered':
    case 'contested':
    case 'stayed':
    case 'lost':
      return state.until
    case 'effective':
    case 'won':
    case 'lapsed':
      return null
    default:
      return unreachable(state)
  }
}
