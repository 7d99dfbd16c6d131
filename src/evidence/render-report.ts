/**
 * Pure: the report of an evidence folder, for people who were not there. One page without scripts and without anything to load. It is made
 * from what was verified and from nothing else, so whoever verifies the folder makes the same page again.
 */
import { keyidOf } from '../crypto/dsse.js'
import type { Agreement } from '../format/agreement.js'
import type { AttestedPeriod } from '../format/attestation.js'
import { code, count, definitions, html, moment, nothing, several, table, type Html } from './html.js'
import { pageHead } from './page.js'
import { depositSection } from './report-deposits.js'
import { otherEvents, releaseSections } from './report-events.js'
import type { VerifiedEvidence } from './verify-evidence.js'

/** Grows whenever the same evidence gives another page: only pages of one edition can be compared. */
export const reportEdition = 1

const problemsShownMax = 500

/** Who made the report, and when. */
export interface ReportNote {
  readonly collectedAt: Date
  readonly madeBy: string
}

/** The report as HTML. The same evidence gives the same bytes. */
export function renderReport(evidence: VerifiedEvidence, { collectedAt, madeBy }: ReportNote): string {
  const { body } = evidence.documents.trusted.newest
  const at = collectedAt.toISOString()
  return html`<!doctype html>
    <html lang="en">
      ${pageHead(`Evidence: ${body.title}`)}
      <body>
        <header>
          <p class="kind">Evidence report</p>
          <h1>${body.title}</h1>
          <p>
            Source-code escrow agreement ${code(body.agreement)}, version ${body.version}, from ${body.createdAt.slice(0, 10)} to
            ${body.endsAt.slice(0, 10)}. What happened under it until ${moment(at)} UTC.
          </p>
        </header>
        <main>
          ${verdict(evidence)} ${problemSection(evidence)} ${basis(evidence)}
          ${body.sources.map(({ source }) => depositSection(evidence, source))} ${releaseSections(evidence)} ${parties(body)}
          ${otherEvents(evidence)} ${glossary()}
        </main>
        <footer>
          <p>${body.origin} · ${code(body.agreement)} · collected ${at} · ${madeBy}, edition ${reportEdition}. All times are UTC.</p>
        </footer>
      </body>
    </html> `.markup
}

/** The outcome first, in sentences; each says what it rests on. */
function verdict(evidence: VerifiedEvidence): Html {
  const { documents, attestations, checkpoint, problems } = evidence
  const deposits = documents.sources.flatMap(({ history }) => history.published)
  const receipted = deposits.filter(({ receipt }) => receipt !== null)
  const { witnessQuorum } = documents.trusted.newest.body.log
  const witnessed = checkpoint.cosignatures.length >= witnessQuorum
  const degraded = receipted.filter(({ receipt }) => receipt?.degraded === true).length
  const good = problems.length === 0
  const title = good ? 'The evidence holds.' : `${several(problems.length, 'thing does', 'things do')} not hold.`
  const meaning = good
    ? 'The documents in this folder are genuine and complete. Whether everybody did what was agreed, the lines below say.'
    : 'What follows rests on the documents that do hold; the others are listed below.'
  const lacking = degraded > 0 ? ` ${several(degraded, 'receipt bears', 'receipts bear')} fewer independent witnesses than agreed.` : ''
  return html`<section class="verdict ${good ? 'good' : 'bad'}">
    <h2>${title}</h2>
    <p>${meaning}</p>
    <ul>
      <li>${depositLine(deposits.length, receipted.length)}${lacking}</li>
      ${dueLine(attestations.flatMap(({ periods }) => periods))} ${damageLine(evidence)}
      <li>${witnessLine({ have: checkpoint.cosignatures.length, need: witnessQuorum, witnessed })}</li>
    </ul>
  </section>`
}

function depositLine(deposits: number, receipted: number): Html {
  if (deposits === 0) return html`No deposit is on record.`
  const proof = 'a signed receipt and a place in the public log'
  if (receipted === deposits)
    return html`${several(deposits, 'deposit is', 'deposits are')} on record, ${deposits === 1 ? 'with' : 'each with'} ${proof}.`
  return html`${several(deposits, 'deposit is', 'deposits are')} on record, <strong>only ${count(receipted)} with ${proof}</strong>.`
}

function dueLine(periods: readonly AttestedPeriod[]): Html {
  const closed = periods.filter(({ outcome }) => outcome !== 'open')
  if (closed.length === 0) return html`<li>No due time has passed yet.</li>`
  const met = closed.filter(({ outcome }) => outcome === 'deposit' || outcome === 'unchanged')
  const late = met.filter((period) => period.late).length
  const unmet = closed.length - met.length
  const passed = several(closed.length, 'due time has', 'due times have')
  const tardy = late > 0 ? ` (${count(late)} late)` : ''
  if (unmet === 0) return html`<li>${passed} passed. All were met${tardy}.</li>`
  return html`<li>
    ${passed} passed. ${count(met.length)} ${met.length === 1 ? 'was' : 'were'} met${tardy},
    <strong>${count(unmet)} ${unmet === 1 ? 'was' : 'were'} not</strong>.
  </li>`
}

function damageLine({ events }: VerifiedEvidence): Html {
  const damaged = events.filter(({ event }) => event.type === 'escrow/event/fixity-mismatch-found/v1').length
  const repaired = events.filter(({ event }) => event.type === 'escrow/event/object-repaired/v1').length
  if (damaged === 0 && repaired === 0) return html`<li>No stored copy was found damaged.</li>`
  return html`<li>
    ${several(damaged, 'damaged copy was', 'damaged copies were')} found, ${count(repaired)} ${repaired === 1 ? 'was' : 'were'} repaired
    from another copy.
  </li>`
}

function witnessLine({ have, need, witnessed }: { readonly have: number; readonly need: number; readonly witnessed: boolean }): Html {
  if (need === 0) return html`No independent witness was agreed on: the log rests on the word of the service alone.`
  const words = `${have} of ${need} independent witnesses that the agreement demands have signed the state of the log.`
  return witnessed ? html`${words}` : html`<strong>Only ${words}</strong> A log that shows others another history would not be noticed.`
}

function problemSection({ problems }: VerifiedEvidence): Html {
  if (problems.length === 0) return nothing
  const rows = problems.slice(0, problemsShownMax).map(({ error, where }) => [code(where), error.message, code(error.code)])
  return html`<section class="problems">
    <h2>What does not hold</h2>
    ${table(['Where', 'What was found', 'Code'], rows)}${more(problems.length, rows.length)}
  </section>`
}

function basis({ documents, checkpoint }: VerifiedEvidence): Html {
  const { digest, body } = documents.trusted.newest
  const cosigned = checkpoint.cosignatures.map(
    ({ witness, timestamp }) => html`<br />${witness}, ${moment(new Date(timestamp * 1000).toISOString())}`,
  )
  return html`<section>
    <h2>What this rests on</h2>
    <p>
      This page proves nothing by itself. The signed documents in the same folder do, and anybody can check them without asking the service:
      <code>README.txt</code> says how. Begin by comparing the digest of the agreement below with your own signed copy. If it differs, this
      is not your agreement.
    </p>
    ${definitions([
      ['Digest of the agreement', code(digest)],
      ['Public log', html`${checkpoint.origin}, ${several(checkpoint.size, 'entry', 'entries')}`],
      ['State of the log', code(Buffer.from(checkpoint.root).toString('base64'))],
      ['Witnesses', html`${checkpoint.cosignatures.length} of ${body.log.witnessQuorum} demanded${cosigned}`],
    ])}
  </section>`
}

function parties({ parties: all, vault }: Agreement): Html {
  const rows = all.map((party) => [
    party.name,
    party.role,
    `${party.organisation} (${party.standing.country})`,
    html`${party.keys.map((key) => html`<div>${code(keyidOf(key))}</div>`)}`,
  ])
  return html`<section>
    <h2>Parties</h2>
    <p>
      ${count(vault.threshold)} of ${several(vault.custodians.length, 'custodian')} must act together to open a deposit; nobody can do so
      alone.
    </p>
    ${table(['Name', 'Role', 'Organisation', 'Key'], rows)}
  </section>`
}

function glossary(): Html {
  const words: readonly (readonly [string, string])[] = [
    ['Deposit', 'one accepted delivery of source code, sealed so that nobody at the service can read it'],
    ['Manifest', 'what a deposit contains, in numbers and digests, signed'],
    ['Receipt', 'the signed word of the service that a deposit is stored and written into the log'],
    ['Log', 'a public list that can only grow. Whoever has an earlier state of it notices when something is changed or taken out'],
    ['Witness', 'an independent organisation that signs each state of the log, so that everybody is shown the same one'],
    [
      'Due time',
      'a moment of the agreed schedule from which on a deposit, or word that nothing has changed, must come before its deadline',
    ],
    ['Digest', 'a fingerprint of a file: two different files never have the same one'],
  ]
  return html`<section>
    <h2>Words</h2>
    ${definitions(words)}
  </section>`
}

function more(all: number, shown: number): Html {
  return all > shown ? html`<p class="more">${count(all - shown)} more are in the folder.</p>` : nothing
}
