import { Html } from './html.js'

/** How the report looks on a screen, in the dark and on paper. Nothing is loaded: fonts of the system, no pictures. */
export const reportStyle = new Html(`
:root { --paper: #fff; --ink: #1b2430; --dim: #5a6673; --line: #d9dfe5; --wash: #f5f7f9; --good: #1f7a4a; --calm: #8fb9a2; --bad: #b3261e; --warn: #92600a; --rule: #1b2430 }
@media (prefers-color-scheme: dark) { :root { --paper: #14181d; --ink: #e4e8ec; --dim: #9aa6b2; --line: #313a44; --wash: #1c2229; --good: #5cc48b; --calm: #3f7257; --bad: #ff8a80; --warn: #e0b252; --rule: #e4e8ec } }
* { box-sizing: border-box }
html { background: var(--paper) }
body { font: 16px/1.55 Charter, 'Bitstream Charter', 'Source Serif 4', Cambria, Georgia, 'DejaVu Serif', serif; color: var(--ink); max-width: 60rem; margin: 0 auto; padding: 3rem 2rem }
header { border-bottom: 2px solid var(--rule); padding-bottom: 1.2rem }
h1, h2, h3, th, dt, .kind, .legend, .timeline, footer { font-family: 'Source Sans 3', 'Segoe UI', 'Helvetica Neue', Arial, 'DejaVu Sans', sans-serif }
.kind { text-transform: uppercase; letter-spacing: .14em; font-size: .75rem; font-weight: 600; color: var(--dim); margin: 0 }
h1 { font-size: 2rem; line-height: 1.2; margin: .3rem 0 .7rem; overflow-wrap: anywhere } h2 { font-size: 1.25rem; line-height: 1.3; margin: 2.8rem 0 .6rem; overflow-wrap: anywhere } h3 { font-size: .95rem; margin: 1.7rem 0 .5rem }
p { margin: .4rem 0 .9rem; max-width: 44rem }
code { font: .8em/1.45 ui-monospace, 'Cascadia Mono', Menlo, Consolas, 'DejaVu Sans Mono', monospace; overflow-wrap: anywhere }
h2 code { font-size: .9em }
time { font-variant-numeric: tabular-nums; white-space: nowrap }
strong { color: var(--bad) }
.verdict { margin: 1.8rem 0 0; padding: 1.1rem 1.4rem; background: var(--wash); border-left: .4rem solid var(--good) }
.verdict.bad { border-left-color: var(--bad) }
.verdict h2 { margin: 0 0 .5rem; font-size: 1.5rem; color: var(--good) } .verdict.bad h2 { color: var(--bad) }
.verdict p { margin: 0 0 .7rem; color: var(--dim) } .verdict ul { margin: 0; padding-left: 1.1rem } .verdict li { margin: .25rem 0 }
dl { margin: .8rem 0; border-top: 1px solid var(--line) } dl div { display: grid; grid-template-columns: 13rem 1fr; gap: 0 1.2rem; padding: .4rem 0; border-bottom: 1px solid var(--line) }
dt { color: var(--dim); font-size: .88rem; padding-top: .1rem } dd { margin: 0; min-width: 0 }
table { border-collapse: collapse; width: 100%; font-size: .9rem; line-height: 1.45; font-variant-numeric: tabular-nums }
th { text-align: left; font-size: .78rem; font-weight: 600; color: var(--dim); border-bottom: 1.5px solid var(--rule); padding: .3rem 1rem .3rem 0 }
td { vertical-align: top; border-bottom: 1px solid var(--line); padding: .5rem 1rem .5rem 0; min-width: 5.5rem; overflow-wrap: break-word } td:last-child, th:last-child { padding-right: 0 }
td b { white-space: nowrap } q { quotes: none; font-style: italic; overflow-wrap: anywhere }
.digests { font-size: .88em; color: var(--dim); min-width: 17rem } .digests code { color: var(--ink) }
.timeline { display: flex; flex-wrap: wrap; gap: 3px; margin: .5rem 0 .7rem }
i { display: inline-flex; align-items: center; justify-content: center; width: 17px; height: 17px; border-radius: 3px; font: 700 11px/1 'Segoe UI', Arial, 'DejaVu Sans', sans-serif; color: #fff; background: var(--good); print-color-adjust: exact; -webkit-print-color-adjust: exact }
.many { gap: 2px } .many i { width: 9px; height: 9px; border-radius: 2px; font-size: 0 }
@media (prefers-color-scheme: dark) { i { color: #14181d } }
i.unchanged { background: var(--calm) } i.missed, i.nothing { background: var(--bad) } i.refused, i.failed { background: var(--warn) }
i.open { background: none; color: var(--dim); box-shadow: inset 0 0 0 1px var(--line) } i.late { box-shadow: inset 0 0 0 2px var(--warn) }
.legend { list-style: none; display: flex; flex-wrap: wrap; gap: .3rem 1.4rem; color: var(--dim); font-size: .84rem; margin: 0; padding: 0 } .legend i { margin-right: .45rem; vertical-align: -3px }
.finding { font-size: .85em; color: var(--dim) } .finding.blocking { color: var(--bad) } .finding.warning { color: var(--warn) }
.more { color: var(--dim); font-size: .88rem }
footer { margin: 3.5rem 0 0; padding-top: .8rem; border-top: 1px solid var(--line); color: var(--dim); font-size: .78rem } footer p { max-width: none; margin: 0 }
@media (max-width: 44rem) {
  body { padding: 1.6rem 1.1rem } h1 { font-size: 1.6rem } dl div { grid-template-columns: 1fr }
  table, tbody, tr, td { display: block; width: 100% } thead { display: none } tr { border-bottom: 1px solid var(--line); padding: .5rem 0 }
  td:has(> div:empty) { display: none !important } td { border: 0; padding: .15rem 0; display: grid; grid-template-columns: 6.5rem 1fr; gap: .8rem } td > * { min-width: 0 } .digests { min-width: 0 } td::before { content: attr(data-title); color: var(--dim); font: 600 .78rem/1.8 'Segoe UI', Arial, sans-serif }
}
@media print {
  :root { --paper: #fff; --ink: #000; --dim: #444; --line: #bbb; --wash: #fff; --good: #14532d; --bad: #8c1d18; --warn: #6b4700; --calm: #8fb9a2; --rule: #000 }
  body { padding: 0; max-width: none; font-size: 10pt } .verdict { border: 1px solid #000; border-left: 6px solid var(--good) } .verdict.bad { border-left-color: var(--bad) }
  h2, h3, thead { break-after: avoid } tr, .verdict, dl div { break-inside: avoid } thead { display: table-header-group } i { color: #fff } @page { margin: 18mm 16mm 20mm }
}
`)
