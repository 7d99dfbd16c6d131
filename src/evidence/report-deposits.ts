// Pure: what a report says about one source: each due time, and each deposit.
import type { AttestedPeriod, PeriodOutcome } from '../format/attestation.js'
import { scheduleWords } from '../format/schedule.js'
import { unexplainedFindings, type ArchivedDeposit } from '../store/archived-deposit.js'
import { code, count, html, moment, nothing, several, size, table, type Html } from './html.js'
import type { VerifiedEvidence } from './verify-evidence.js'

const rowsShownMax = 2000
/** More marks than this are drawn small, without their signs. */
const marksLargeMax = 400

/** Plain words for what happened to a due time, and a sign that does not need colour. */
const outcomes: Readonly<Record<PeriodOutcome, { readonly sign: string; readonly words: string }>> = {
  deposit: { sign: '●', words: 'deposit stored' },
  unchanged: { sign: '○', words: 'nothing new to store' },
  missed: { sign: '✕', words: 'missed: nothing came before the deadline' },
  refused: { sign: '!', words: 'refused: what came could not be accepted' },
  failed: { sign: '!', words: 'failed: a fault of the service' },
  nothing: { sign: '✕', words: 'the log is silent where it must not be' },
  open: { sign: '·', words: 'deadline still to come' },
}

/** The section of a source. */
export function depositSection(evidence: VerifiedEvidence, source: string): Html {
  const { body } = evidence.documents.trusted.newest
  const schedule = body.sources.find((one) => one.source === source)?.schedule
  const found = evidence.documents.sources.find(({ history }) => history.source === source)
  const periods = evidence.attestations.filter((one) => one.attestation.source === source).flatMap((one) => one.periods)
  const every =
    schedule === undefined
      ? nothing
      : html`<p>
          A deposit is due ${scheduleWords(schedule)} from ${moment(schedule.startsAt)} on,
          ${schedule.graceHours === 0 ? 'without grace' : `at the latest ${several(schedule.graceHours, 'hour')} later`}.
        </p>`
  return html`<section class="source">
    <h2>Source ${code(source)}</h2>
    ${every} ${timeline(periods)}${unmetTable(periods)}${depositTable(evidence, found?.history.published ?? [])}
  </section>`
}

/** One cell for each due time: a year of days is a glance. */
function timeline(periods: readonly AttestedPeriod[]): Html {
  if (periods.length === 0) return html`<p>No due time has come yet.</p>`
  const cells = periods.map(({ outcome, dueAt, late }) => {
    const words = `${dueAt.slice(0, 16).replace('T', ' ')}: ${outcomes[outcome].words}${late ? ', late' : ''}`
    return html`<i class="${outcome}${late ? ' late' : ''}" title="${words}">${outcomes[outcome].sign}</i>`
  })
  const counts = new Map<PeriodOutcome, number>()
  for (const { outcome } of periods) counts.set(outcome, (counts.get(outcome) ?? 0) + 1)
  const legend = [...counts].map(([outcome, times]) => {
    const { sign, words } = outcomes[outcome]
    return html`<li><i class="${outcome}">${sign}</i>${count(times)} × ${words}</li>`
  })
  const many = periods.length > marksLargeMax ? ' many' : ''
  return html`<h3>Due times</h3>
    <div class="timeline${many}" role="img" aria-label="one mark for each of ${several(periods.length, 'due time')}, oldest first">
      ${cells}
    </div>
    <ul class="legend">
      ${legend}
    </ul>`
}

/** Due times in a row that came to the same are one line: a silence of months is read at once. */
function unmetTable(periods: readonly AttestedPeriod[]): Html {
  const runs: [AttestedPeriod, ...AttestedPeriod[]][] = []
  for (const [at, period] of periods.entries()) {
    if (['deposit', 'unchanged', 'open'].includes(period.outcome)) continue
    const run = runs.at(-1)
    const before = periods[at - 1]
    if (run !== undefined && run.at(-1) === before && before?.outcome === period.outcome && before.late === period.late) run.push(period)
    else runs.push([period])
  }
  if (runs.length === 0) return nothing
  const rows = runs.slice(0, rowsShownMax).map((run) => {
    const [first, last] = [run[0], run.at(-1) ?? run[0]]
    const due = run.length === 1 ? moment(first.dueAt) : html`${moment(first.dueAt)} to ${moment(last.dueAt)}`
    const times = run.length === 1 ? nothing : html`, ${count(run.length)} times in a row`
    const then = first.late ? '; something came after the deadline' : ''
    return [due, moment(last.deadlineAt), html`<strong>${outcomes[first.outcome].words}</strong>${times}${then}`]
  })
  return html`<h3>Due times that were not met</h3>
    ${table(['Due', 'Last deadline', 'What happened'], rows)}${left(runs.length, rows.length)}`
}

function depositTable({ documents }: VerifiedEvidence, deposits: readonly ArchivedDeposit[]): Html {
  if (deposits.length === 0)
    return html`<h3>Deposits</h3>
      <p>None.</p>`
  const rows = deposits
    .slice(-rowsShownMax)
    .map((deposit) => [
      html`<b>${deposit.manifest.sequence}</b> ${deposit.manifest.kind}`,
      moment(deposit.manifest.takenAt),
      contents(deposit),
      receiptCell(deposit, documents.trusted.newest.body.log.witnessQuorum),
      html`<div class="digests">sealed file ${code(deposit.manifest.envelope.sha256)}<br />manifest ${code(deposit.digest)}</div>`,
    ])
  return html`<h3>Deposits</h3>
    ${table(['No.', 'Taken', 'Contents', 'Receipt', 'SHA-256'], rows)}${left(deposits.length, rows.length)}`
}

function contents(deposit: ArchivedDeposit): Html {
  const { refCount, bundle, findings } = deposit.manifest
  const unexplained = new Set(unexplainedFindings(deposit))
  const marks = findings.map(({ code: finding, severity, count: times }) => {
    const state = severity === 'blocking' ? (unexplained.has(finding) ? ', not explained' : ', explained by the depositor') : ''
    return html`<div class="finding ${severity}">
      ${finding.toLowerCase().replaceAll('_', ' ')}${times > 1 ? ` × ${count(times)}` : ''}${state}
    </div>`
  })
  return html`${several(refCount, 'ref')}, ${several(bundle.objectCount, 'object')}, ${size(bundle.sizeBytes)}${marks}`
}

function receiptCell({ receipt }: ArchivedDeposit, need: number): Html {
  if (receipt === null) return html`<strong>none</strong>`
  const { log, issuedAt } = receipt.receipt
  const witnesses = `${receipt.checkpoint.cosignatures.length} of ${need} witnesses`
  const seenBy = need === 0 ? nothing : html`<br />${receipt.degraded ? html`<strong>${witnesses}</strong>` : witnesses}`
  return html`log entry ${count(log.index)}<br />${moment(issuedAt)}${seenBy}`
}

function left(all: number, shown: number): Html {
  return all > shown ? html`<p class="more">${count(all - shown)} more are in the folder.</p>` : nothing
}
