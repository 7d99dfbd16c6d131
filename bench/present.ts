// The table that a person reads.
import { meets, type BenchRow, type Measured, type Ratio, type RowOutcome } from './bench-row.js'
import type { Machine } from './machine.js'

const bytesPerMiB = 1024 * 1024

/** All lines of the report, in Markdown, so that docs/PERFORMANCE.md can hold them as they are. */
export function reportLines(
  machine: Machine,
  found: readonly { readonly row: BenchRow; readonly outcome: RowOutcome }[],
): readonly string[] {
  const cells = found.flatMap(({ row, outcome }) =>
    outcome.outcome === 'skipped' ? [skipped(row, outcome.why)] : ratioCells(row, outcome.ratios),
  )
  return [
    ...Object.entries(machine).map(([name, value]) => `${name}: ${value}`),
    '',
    ...table([['row', 'what', 'measured', 'target', 'met'], ...cells]),
    '',
    ...found.flatMap(({ row, outcome }) => (outcome.outcome === 'skipped' ? [] : details(row, outcome))),
  ]
}

function skipped(row: BenchRow, why: string): readonly string[] {
  return [row.name, row.title, 'not measured', why, '']
}

function ratioCells(row: BenchRow, ratios: readonly Ratio[]): readonly (readonly string[])[] {
  return ratios.map((ratio) => [
    row.name,
    ratio.what,
    `${number(ratio.value)}${suffix(ratio.unit)}`,
    ratio.target === null ? '' : `${ratio.target.bound} ${ratio.target.value}${suffix(ratio.unit)}`,
    ratio.target === null ? '' : meets(ratio) ? 'yes' : 'no',
  ])
}

function details(row: BenchRow, { measured, bound }: Extract<RowOutcome, { outcome: 'measured' }>): readonly string[] {
  const cells = measured.map((one) => [
    one.what,
    `${number(one.wallMs / 1000)} s`,
    Number.isNaN(one.cpuMs) ? '' : `${number(one.cpuMs / 1000)} s`,
    size(one.bytes),
    size(one.peakRssBytes),
  ])
  return [
    `${row.name}: ${row.title}`,
    `bounded by: ${bound}`,
    '',
    ...table([['', 'wall', 'processor', 'bytes', 'peak of Node'], ...cells]),
    '',
  ]
}

function size(bytes: Measured['bytes']): string {
  return bytes === undefined ? '' : `${number(bytes / bytesPerMiB)} MiB`
}

function suffix(unit: Ratio['unit']): string {
  return unit === '' || unit === '×' || unit === '%' || unit === '/s' ? unit : ` ${unit}`
}

function number(value: number): string {
  if (Number.isInteger(value)) return String(value)
  return Math.abs(value) >= 100 ? value.toFixed(0) : value.toFixed(Math.abs(value) >= 10 ? 1 : 2)
}

function table(rows: readonly (readonly string[])[]): readonly string[] {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(3, ...rows.map((cells) => (cells[column] ?? '').length)))
  const line = (cells: readonly string[]) => `| ${widths.map((width, column) => pad(cells[column] ?? '', width)).join(' | ')} |`
  const [head = [], ...body] = rows
  return [line(head), `| ${widths.map((width) => '-'.repeat(width)).join(' | ')} |`, ...body.map(line)]
}

const pad = (text: string, width: number) => text.padEnd(width)
