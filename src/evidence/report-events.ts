// Pure: what a report says beside sources and deposits: requests and orders step by step, and whatever else the log tells.
import type { Event, EventOf } from '../format/event.js'
import type { Statement } from '../format/statement.js'
import { code, count, html, moment, nothing, table, type Html, type Insert } from './html.js'
import type { VerifiedEvent } from './verify-events.js'
import type { VerifiedEvidence } from './verify-evidence.js'

const rowsShownMax = 2000
const wordsShownMax = 600
const depositsShownMax = 50

/** Told by the sections of the sources. */
const toldElsewhere = new Set(['deposit-stored', 'deposit-unchanged', 'deposit-missed'])
const ofReleases = new Set([
  'statement-recorded',
  'request-advanced',
  'order-advanced',
  'notice-served',
  'grant-given',
  'grant-used',
  'grant-revoked',
])

/** One section for each request or order, in the order in which they began. */
export function releaseSections(evidence: VerifiedEvidence): Html {
  const subjects = new Map<string, VerifiedEvent[]>()
  for (const one of evidence.events) {
    if (!ofReleases.has(nameOf(one.event))) continue
    const own = subjects.get(subjectOf(one.event)) ?? []
    subjects.set(subjectOf(one.event), own)
    own.push(one)
  }
  return html`${[...subjects].map(([subject, own]) => releaseSection(subject, own, evidence))}`
}

function releaseSection(subject: string, own: readonly VerifiedEvent[], { statements }: VerifiedEvidence): Html {
  const last = own.flatMap(({ event }) => (isStep(event) ? [event] : [])).at(-1)
  const state = last === undefined ? nothing : html`<p>It stands at <b>${spaced(last.to)}</b>.</p>`
  const told = own.filter(({ event }) => !isStep(event) || event.from !== event.to)
  const rows = told.slice(0, rowsShownMax).map(({ event }) => [moment(event.at), stepOf(event), detailOf(event, statements)])
  const title = subject.startsWith('req_') ? html`Release request ${code(subject)}` : html`Statements about ${code(subject)}`
  const head = ['Recorded', 'What happened', 'In their words']
  return html`<section>
    <h2>${title}</h2>
    ${state}${table(head, rows)}${left(told.length, rows.length)}
  </section>`
}

function stepOf(event: Event): Html {
  if (event.type === 'escrow/event/statement-recorded/v1')
    return html`${spaced(event.statementType.split('/')[2] ?? '')} by <b>${event.party}</b>`
  if (event.type === 'escrow/event/notice-served/v1') return html`notice served on <b>${event.party}</b>`
  if (!isStep(event)) return html`${spaced(nameOf(event))}`
  const before = event.from === null ? '' : `${spaced(event.from)} → `
  return html`${before}<b>${spaced(event.to)}</b>${event.cause === 'clock' ? ', because its time was up' : ''}`
}

function detailOf(event: Event, statements: VerifiedEvidence['statements']): Html {
  if (isStep(event)) return nothing
  if (event.type === 'escrow/event/statement-recorded/v1') {
    const said = statements.get(event.statement)?.statement
    const words = said === undefined ? html`<strong>the statement is not in the folder, or does not hold</strong>` : wordsOf(said)
    return html`${words}
      <div class="digests">statement ${code(event.statement)}</div>`
  }
  if (event.type !== 'escrow/event/grant-given/v1') return matterOf(event)
  const deposits = event.deposits.slice(0, depositsShownMax).map(({ source, sequence }) => html`${code(source)} deposit ${sequence}; `)
  const more = event.deposits.length > depositsShownMax ? `and ${count(event.deposits.length - depositsShownMax)} more; ` : ''
  return html`to <b>${event.beneficiary}</b>: ${deposits}${more}until ${moment(event.expiresAt)}`
}

type Step = EventOf<'request-advanced'> | EventOf<'order-advanced'>

const isStep = (event: Event): event is Step =>
  event.type === 'escrow/event/request-advanced/v1' || event.type === 'escrow/event/order-advanced/v1'

/** What the signer wrote: reasons and grounds, as far as they fit. */
function wordsOf(statement: Statement): Html {
  const words = ['grounds', 'reason', 'explanation', 'reference'].flatMap((field) => {
    const value = (statement as Readonly<Record<string, unknown>>)[field]
    return typeof value === 'string' && value !== '' ? [value] : []
  })
  return html`${words.map((one) => html`<q>${one.length > wordsShownMax ? `${one.slice(0, wordsShownMax)}…` : one}</q> `)}`
}

/** What is not told above: the agreement's own events, damage and repair. */
export function otherEvents({ events }: VerifiedEvidence): Html {
  const others = events.filter(({ event }) => !toldElsewhere.has(nameOf(event)) && !ofReleases.has(nameOf(event)))
  if (others.length === 0) return nothing
  const rows = others
    .slice(-rowsShownMax)
    .map(({ event }): readonly Insert[] => [moment(event.at), spaced(nameOf(event)), code(event.subject), matterOf(event)])
  return html`<section>
    <h2>Other entries in the log</h2>
    ${table(['Recorded', 'What', 'About', 'Details'], rows)}${left(others.length, rows.length)}
  </section>`
}

const firstFields = new Set(['type', 'agreement', 'subject', 'chain', 'at', 'source'])

function matterOf(event: Event): Html {
  const fields = Object.entries(event).filter(([name, value]) => !firstFields.has(name) && value !== null && typeof value !== 'object')
  return html`${fields.map(([name, value]) => html`<div>${spaced(name)} ${code(short(String(value)))}</div>`)}`
}

/** A shutdown order has its statements in the chain of the agreement. */
function subjectOf(event: Event): string {
  return event.type === 'escrow/event/order-advanced/v1' ? event.order : event.subject
}

const nameOf = (event: Event) => event.type.split('/')[2] ?? ''
const spaced = (name: string) => name.replaceAll('-', ' ').replaceAll(/(?<=[a-z])[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`)
const short = (value: string) => (value.length > 96 ? `${value.slice(0, 64)}…${value.slice(-16)}` : value)

function left(all: number, shown: number): Html {
  return all > shown ? html`<p class="more">${count(all - shown)} more are in the folder.</p>` : nothing
}
