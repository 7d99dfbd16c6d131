import { html, nothing, type Html } from './html.js'
import { reportStyle } from './report-style.js'

/**
 * The head of a page for people: no script, nothing to load, fit for a printer. Every byte of it is in the digest of an evidence report, so what
 * changes here needs the next `reportEdition`.
 *
 * @param title - for the tab of a browser.
 * @param style - what only this page needs.
 */
export function pageHead(title: string, style: Html = nothing): Html {
  return html`<head>
    <meta charset="utf-8" />
    <meta
      http-equiv="Content-Security-Policy"
      content="default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
    />
    <meta name="viewport" content="width=device-width, initial-scale=1" />
    <meta name="referrer" content="no-referrer" />
    <meta name="color-scheme" content="light dark" />
    <title>${title}</title>
    <style>
      ${reportStyle}${style}
    </style>
  </head>`
}
