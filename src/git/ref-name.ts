import { EscrowError } from '../core/errors.js'
import { refNameBytesMax } from '../core/limits.js'

/**
 * What is wrong with a ref name, by the rules of `git check-ref-format`, and ours: it begins with `refs/` and has at most
 * `refNameBytesMax` bytes. Names are chosen by the remote and later become arguments, file names and lines of a bundle header.
 *
 * @returns null for a good name. Source: git-check-ref-format(1), rules 1 to 10.
 */
export function refNameProblem(name: string): string | null {
  if (!name.startsWith('refs/')) return 'does not begin with refs/'
  if (Buffer.byteLength(name) > refNameBytesMax) return `is longer than ${refNameBytesMax} bytes`
  // eslint-disable-next-line no-control-regex
  if (/[\u0000-\u0020\u007f~^:?*[\\]/.test(name)) return 'contains a character that git forbids'
  if (name.includes('..')) return 'contains ..'
  if (name.includes('@{')) return 'contains @{'
  if (name.endsWith('.')) return 'ends with a dot'
  for (const part of name.split('/')) {
    if (part === '') return 'has an empty component'
    if (part.startsWith('.')) return 'has a component that begins with a dot'
    if (part.endsWith('.lock')) return 'has a component that ends with .lock'
  }
  return null
}

/**
 * The name, if git would accept it.
 *
 * @throws EscrowError `REF_NAME_INVALID` with the name, shortened and escaped.
 */
export function checkRefName(name: string): string {
  const problem = refNameProblem(name)
  if (problem !== null)
    throw new EscrowError('REF_NAME_INVALID', `expected a ref name, got ${JSON.stringify(name.slice(0, 200))}: it ${problem}`)
  return name
}

/**
 * Order of UTF-8 bytes, as git sorts: UTF-16 order differs where surrogates meet U+E000 to U+FFFF.
 *
 * @returns negative, 0 or positive.
 */
export function compareRefNames(left: string, right: string): number {
  if (left === right) return 0
  const length = Math.min(left.length, right.length)
  for (let at = 0; at < length; at += 1) {
    const a = left.charCodeAt(at)
    const b = right.charCodeAt(at)
    if (a !== b) return codeUnitRank(a) - codeUnitRank(b)
  }
  return left.length - right.length
}

/**
 * Refuse names that no repository can hold together: one twice, or `a` beside `a/b` (a ref cannot be a file and a folder).
 *
 * @param names - checked ref names in any order.
 * @throws EscrowError `REF_NAME_INVALID`
 */
export function checkRefNamesTogether(names: readonly string[]): void {
  const seen = new Set(names)
  if (seen.size !== names.length)
    throw new EscrowError('REF_NAME_INVALID', `expected every ref once, got ${names.length - seen.size} twice`)
  for (const name of names) {
    for (let slash = name.lastIndexOf('/'); slash > 4; slash = name.lastIndexOf('/', slash - 1)) {
      const folder = name.slice(0, slash)
      if (seen.has(folder))
        throw new EscrowError(
          'REF_NAME_INVALID',
          `expected refs that can exist together, got ${JSON.stringify(folder)} and ${JSON.stringify(name)}`,
        )
    }
  }
}

function codeUnitRank(unit: number): number {
  if (unit < 0xd800) return unit
  return unit >= 0xe000 ? unit - 0x800 : unit + 0x2000
}
