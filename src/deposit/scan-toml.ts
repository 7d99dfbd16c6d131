/** One line of a TOML file that begins a section (then the key is empty) or gives a key its value. */
export interface TomlEntry {
  /** Like `dependencies` or `target.x86.dependencies`, without quotes; empty before the first section. */
  readonly section: string
  readonly key: string
  /** As written, over several lines where brackets stay open. */
  readonly value: string
}

const entriesMax = 20_000
const keyCharactersMax = 300
const valueCharactersMax = 100_000

/**
 * The sections and keys of a TOML file, line by line.
 *
 * Enough to count what stands in a table; not a parser. What it does not understand it passes over.
 *
 * @param text - attacker-controlled; at most `manifestBytesMax`.
 * @returns in order; the first 20,000.
 *
 * Source: TOML 1.0.0, "Key/Value Pair", "Table", "Array".
 */
export function scanToml(text: string): readonly TomlEntry[] {
  const entries: TomlEntry[] = []
  let section = ''
  let open: { key: string; value: string; depth: number } | null = null
  for (const raw of text.split('\n')) {
    if (entries.length >= entriesMax) break
    const line = withoutComment(raw).trim()
    if (open !== null) {
      if (open.value.length < valueCharactersMax) open.value += ` ${line}`
      open.depth += depthOf(line)
    } else {
      const [, name] = /^\[\[?([^[\]]{1,500})\]\]?$/.exec(line) ?? []
      const sign = line.indexOf('=')
      if (name !== undefined) {
        section = unquoted(name)
        entries.push({ section, key: '', value: '' })
      } else if (sign > 0 && sign <= keyCharactersMax) {
        const value = line.slice(sign + 1).trim()
        open = { key: unquoted(line.slice(0, sign)), value: value.slice(0, valueCharactersMax), depth: depthOf(value) }
      }
    }
    if (open !== null && open.depth <= 0) {
      entries.push({ section, key: open.key, value: open.value })
      open = null
    }
  }
  return entries
}

/** A string that is never closed reaches to the end: looked at once, not once for each of its quotes. */
const strings = /"(?:[^"\\]|\\.?)*(?:"|$)|'[^']*(?:'|$)/g
const unquoted = (name: string): string => name.replaceAll(/["'\s]/g, '')

function withoutComment(line: string): string {
  if (!line.includes('#')) return line
  const blank = line.replaceAll(strings, (text) => '"'.repeat(text.length))
  const at = blank.indexOf('#')
  return at === -1 ? line : line.slice(0, at)
}

/** How many brackets a piece of a value leaves open; those in strings do not count. */
function depthOf(value: string): number {
  const bare = value.replaceAll(strings, '')
  return (bare.match(/[[{]/g)?.length ?? 0) - (bare.match(/[\]}]/g)?.length ?? 0)
}
