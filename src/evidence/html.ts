// Pure: pages in which whatever strangers wrote is text and nothing else. There is one way to make markup, and it escapes every string.

/** Characters that show nothing, or turn the direction of what follows: with them a name could pose as another one. */
const invisible = /[\p{Cc}\p{Cf}\p{Cs}\u2028\u2029]/gu

/** Markup that was made with `html`. */
export class Html {
  constructor(readonly markup: string) {}
}

/** What may stand in a template. */
export type Insert = Html | string | number | readonly Html[]

/**
 * Markup with values in it: strings and numbers become text, markup stays, lists of markup stand behind each other.
 *
 * @example html`<p>${name}</p>`
 */
export function html(parts: TemplateStringsArray, ...values: readonly Insert[]): Html {
  return new Html(parts.map((part, at) => `${part}${at < values.length ? inserted(values[at] ?? '') : ''}`).join(''))
}

/** Nothing at all. */
export const nothing = new Html('')

function inserted(value: Insert): string {
  if (value instanceof Html) return value.markup
  if (typeof value === 'string' || typeof value === 'number') return escaped(String(value))
  return value.map(({ markup }) => markup).join('')
}

function escaped(value: string): string {
  return value.replaceAll(invisible, '\uFFFD').replaceAll(/[&<>"']/g, (letter) => `&#${letter.charCodeAt(0)};`)
}

/** A table. @param head - one title for each column; a row has as many cells. */
export function table(head: readonly string[], rows: readonly (readonly Insert[])[]): Html {
  const titles = head.map((title) => html`<th scope="col">${title}</th>`)
  // The title travels with each cell: on a narrow screen the cells stand below each other.
  const cells = (row: readonly Insert[]) => row.map((cell, at) => html`<td data-title="${head[at] ?? ''}"><div>${cell}</div></td>`)
  return html`<table>
    <thead>
      <tr>
        ${titles}
      </tr>
    </thead>
    <tbody>
      ${rows.map(
        (row) =>
          html`<tr>
            ${cells(row)}
          </tr> `,
      )}
    </tbody>
  </table>`
}

/** Names with what they stand for. */
export function definitions(rows: readonly (readonly [name: string, value: Insert])[]): Html {
  return html`<dl>
    ${rows.map(
      ([name, value]) =>
        html`<div>
          <dt>${name}</dt>
          <dd>${value}</dd>
        </div>`,
    )}
  </dl>`
}

/** A digest, key or other long word of no language. */
export function code(value: string): Html {
  return html`<code>${value}</code>`
}

/** A moment, to the minute, in UTC. @param instant - RFC 3339 in UTC. */
export function moment(instant: string): Html {
  return html`<time datetime="${instant}">${instant.slice(0, 10)} ${instant.slice(11, 16)}</time>`
}

/** Made once: a new one for each number took a fifth of a report's time. */
const wholeNumber = new Intl.NumberFormat('en-US')

/** A whole number as people write it. */
export function count(value: number): string {
  return wholeNumber.format(value)
}

/** So many of something. @param plural - when it is not the singular with an s. */
export function several(value: number, singular: string, plural = `${singular}s`): string {
  return `${count(value)} ${value === 1 ? singular : plural}`
}

/** A size, rounded. */
export function size(sizeBytes: number): string {
  const step = sizeBytes < 1024 ? 0 : Math.min(4, Math.floor(Math.log2(sizeBytes) / 10))
  return `${(sizeBytes / 1024 ** step).toFixed(step === 0 ? 0 : 1)} ${['B', 'KiB', 'MiB', 'GiB', 'TiB'][step] ?? ''}`
}
