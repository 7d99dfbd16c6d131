/**
 * Pure: the completeness report of a deposit for people: what to add first, then every check. One page without scripts and without anything to
 * load. Names in it are a stranger's text.
 */
import type { Completeness, ReportedCheck } from '../format/completeness.js'
import type { DependencyFile } from '../format/contents.js'
import { code, count, definitions, Html, html, moment, nothing, several, size, table } from './html.js'
import { pageHead } from './page.js'

/** Names shown of one finding, and rows of one list; the JSON has more. */
const rowsShownMax = 50

/** What a level means, in a sentence. */
export const levelWords = {
  none: 'Not even received in good order',
  L0: 'L0: received and intact',
  L1: 'L1: consistent in itself',
  L2: 'L2: what is needed to build it is there',
} as const

/** An outcome, in a word or two. */
export const outcomeWords = { pass: 'holds', none: 'nothing to check', fail: 'does not hold', unknown: 'not known' } as const

const style = new Html(`
.verdict.some { border-left-color: var(--warn) } .verdict.some h2 { color: var(--warn) }
.fail { color: var(--bad); font-weight: 600 } .unknown { color: var(--warn) } .pass { color: var(--good) } .none { color: var(--dim) }
ul.names { margin: 0; padding-left: 1rem } ul.names li { margin: 0 0 .2rem } .detail { color: var(--dim); font-size: .9em }
`)

/** The report as HTML. The same report gives the same bytes. @param madeBy - program and version. */
export function renderCompleteness(report: Completeness, madeBy: string): string {
  const title = `${report.source}, deposit ${count(report.sequence)}`
  return html`<!doctype html>
    <html lang="en">
      ${pageHead(`Completeness: ${title}`, style)}
      <body>
        <header>
          <p class="kind">Completeness report</p>
          <h1>${title}</h1>
          <p>Taken ${moment(report.takenAt)} UTC in ${report.mode} mode, under agreement ${code(report.agreement)}.</p>
        </header>
        <main>${verdict(report)} ${toAdd(report)} ${checkSections(report)} ${fileSections(report)} ${basis(report)}</main>
        <footer>
          <p>Manifest ${code(report.manifest)} · ${madeBy}, check list ${report.edition}. All times are UTC.</p>
        </footer>
      </body>
    </html> `.markup
}

function verdict({ level, checks, files }: Completeness): Html {
  const failed = checks.filter(({ outcome }) => outcome === 'fail').length
  const unknown = checks.filter(({ outcome }) => outcome === 'unknown').length
  const tone = level === 'L2' ? 'good' : level === 'L1' ? 'some' : 'bad'
  const line = (number: number, singular: string, plural: string) =>
    number === 0 ? nothing : html`<li>${several(number, singular, plural)}</li>`
  return html`<section class="verdict ${tone}">
    <h2>${levelWords[level ?? 'none']}.</h2>
    <p>
      A level is reached when every check of it, and of the levels below, holds. None of it shows that the software builds: only building it
      does.
    </p>
    <ul>
      ${failed === 0 && unknown === 0 ? html`<li>Every check of the list holds.</li>` : nothing}
      ${line(failed, 'check does not hold; what to add is below.', 'checks do not hold; what to add is below.')}
      ${line(unknown, 'check was not answered: nobody has looked.', 'checks were not answered: nobody has looked.')}
      ${files === null ? html`<li>File names are sealed to the parties; this report was made without them.</li>` : nothing}
    </ul>
  </section>`
}

function toAdd({ checks }: Completeness): Html {
  const rows = checks.flatMap(({ level, findings }) =>
    findings.map((finding) => [level, namedList(finding), html`${finding.add}<br />${code(finding.code)}`]),
  )
  if (rows.length === 0) return nothing
  return html`<section>
    <h2>What to add</h2>
    ${table(['Level', 'Where', 'What to add'], rows)}
  </section>`
}

function namedList({ count: all, named }: ReportedCheck['findings'][number]): Html {
  if (named.length === 0) return html`${several(all, 'time')}`
  const shown = named.slice(0, rowsShownMax)
  const items = shown.map(
    ({ subject, detail }) => html`<li>${code(subject)}${detail === '' ? nothing : html`<br /><span class="detail">${detail}</span>`}</li> `,
  )
  return html`<ul class="names">
      ${items}
    </ul>
    ${more(all, shown.length)}`
}

function checkSections({ checks }: Completeness): Html {
  const sections = (['L0', 'L1', 'L2'] as const).map((level) => {
    const rows = checks
      .filter((one) => one.level === level)
      .map(({ check, title, outcome }) => [title, code(check), html`<span class="${outcome}">${outcomeWords[outcome]}</span>`])
    return html`<h3>${levelWords[level]}</h3>
      ${table(['Check', 'Name', 'Answer'], rows)}`
  })
  return html`<section>
    <h2>Every check</h2>
    ${sections}
  </section>`
}

function fileSections({ files }: Completeness): Html {
  if (files === null) return nothing
  const { submodules, buildRecipes, licences, largestFiles, contents, lfs, attachments } = files
  const modules = submodules.map(({ path, url, commit, source, held }) => [
    code(path),
    url === '' ? 'none given' : code(url),
    code(commit),
    source === undefined ? 'none' : html`${source}${held === undefined ? nothing : held ? ', deposited' : ', pinned commit not deposited'}`,
  ])
  const dependencies = (contents?.dependencies ?? []).map((file) => [code(file.path), file.ecosystem, dependencyWords(file)])
  const large = largestFiles.map(({ path, sizeBytes }) => [code(path), size(sizeBytes)])
  return html`${list('Submodules', ['Path', 'Address', 'Pinned commit', 'Source of the agreement'], modules)}
    ${list('Dependencies', ['File', 'Ecosystem', 'What it says'], dependencies)}
    <section>
      <h2>Documents</h2>
      ${definitions([
        ['Build recipes', names(buildRecipes)],
        ['Licences', names(licences)],
        ['Documentation', names(contents?.documentation ?? [])],
        ['Bills of materials', names((contents?.sboms ?? []).map(({ path }) => path))],
        ['Attached', names(attachments.map(({ kind, name }) => `${kind}: ${name}`))],
        ['Git LFS pointers', count(lfs)],
      ])}
    </section>
    ${list('Largest files', ['File', 'Size'], large)}`
}

function dependencyWords(file: DependencyFile): string {
  if (file.role === 'lockfile') return 'fixes versions'
  if (file.declared === null) return 'could not be read'
  const open = file.loose > 0 ? `, ${count(file.loose)} without a version of its own` : ''
  return `declares ${several(file.declared, 'dependency', 'dependencies')}${open}`
}

function list(title: string, head: readonly string[], rows: readonly (readonly (Html | string)[])[]): Html {
  if (rows.length === 0) return nothing
  const shown = rows.slice(0, rowsShownMax)
  return html`<section>
    <h2>${title}</h2>
    ${table(head, shown)}${more(rows.length, shown.length)}
  </section>`
}

function names(paths: readonly string[]): Html {
  if (paths.length === 0) return html`none`
  const shown = paths.slice(0, rowsShownMax)
  return html`${shown.map((path) => html`${code(path)}<br />`)}${more(paths.length, shown.length)}`
}

function more(all: number, shown: number): Html {
  return all > shown ? html`<p class="more">${count(all - shown)} more.</p>` : nothing
}

function basis({ manifest }: Completeness): Html {
  return html`<section>
    <h2>What this rests on</h2>
    <p>
      This page proves nothing by itself. It was made from the signed manifest with the digest ${code(manifest)} and from the inventory that
      the manifest names, both verified; whoever has them makes the same page again. Files were judged by their names, and nothing of the
      repository was run. What each check asks, docs/COMPLETENESS.md says.
    </p>
  </section>`
}
