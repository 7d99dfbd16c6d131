// Pure: what an event of the log says to a party.
import { canonicalize } from '../format/canonical-json.js'
import type { Event } from '../format/event.js'
import { Notice, noticeIdFor, type NoticeReport } from '../format/notice.js'
import { parseBody } from '../format/parse-body.js'
import type { NewNotice } from './notice.table.js'

/** Who is told: every event of an agreement concerns these. Custodians and arbiters are asked, by statements, when there is something to decide. */
export const noticedRoles = ['depositor', 'beneficiary', 'supervisor'] as const

/** While notice of a legal order is forbidden the log holds sealed records; nobody is sent a word of them. */
export const unannouncedEvents: ReadonlySet<string> = new Set(['escrow/event/record-sealed/v1'])

/** What a notice is made of, whoever gets it. */
export interface Occurrence {
  readonly origin: string
  readonly agreement: string
  readonly event: string
  readonly subject: string
  readonly report: NoticeReport | null
  readonly at: Date
  readonly leaf: string | null
  /** Tells this occurrence from every other of the agreement. */
  readonly cause: string
  readonly facts: Readonly<Record<string, unknown>>
}

/** The notice of one party. */
export function composeNotice(what: Occurrence, party: string): NewNotice {
  const { origin, agreement, event, subject, report, at, leaf } = what
  const noticeId = noticeIdFor({ agreement, party, cause: what.cause })
  const notice = parseBody(
    {
      type: 'escrow/notice/v1',
      notice: noticeId,
      origin,
      agreement,
      party,
      event,
      subject,
      report,
      at: at.toISOString(),
      leaf,
      facts: shortFacts(what.facts),
    },
    Notice,
    'notice',
  )
  return { noticeId, agreementId: agreement, party, event, subject, report, at, body: new TextDecoder().decode(canonicalize(notice)) }
}

/**
 * What an event of the log comes to.
 *
 * @param deposit - what the manifest of a stored deposit came to; null for any other event.
 */
export function occurrenceOf(
  event: Event,
  known: {
    readonly origin: string
    readonly leaf: string
    readonly deposit: { readonly outcome: string; readonly blocking: boolean } | null
  },
): Occurrence {
  const { agreement, subject, at, type, chain: _chain, ...facts } = event
  const name = type.slice('escrow/event/'.length, -'/v1'.length)
  const { origin, leaf, deposit } = known
  const judged = deposit === null ? {} : { outcome: deposit.outcome, blocking: deposit.blocking }
  return {
    origin,
    agreement,
    event: name,
    subject,
    report: reportOf(name, deposit),
    at: new Date(at),
    leaf,
    cause: leaf,
    facts: { ...facts, ...judged },
  }
}

function reportOf(name: string, deposit: { readonly outcome: string; readonly blocking: boolean } | null): NoticeReport | null {
  switch (name) {
    case 'deposit-stored':
      if (deposit === null) return null
      return deposit.outcome === 'pass' && !deposit.blocking ? 'passed' : 'failed'
    case 'deposit-unchanged':
      return 'passed'
    case 'deposit-refused':
      return 'failed'
    case 'deposit-missed':
      return 'not-received'
    case 'deposit-failed':
      return 'error'
    default:
      return null
  }
}

/** Lists and what is long stay in the event, which the leaf names. */
function shortFacts(facts: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const isShort = (value: unknown) =>
    value === null || typeof value === 'boolean' || Number.isSafeInteger(value) || (typeof value === 'string' && value.length <= 500)
  return Object.fromEntries(Object.entries(facts).filter(([, value]) => isShort(value)))
}
