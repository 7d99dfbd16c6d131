import { gitmodulesBytesMax, lfsListedMax } from '../core/limits.js'

const urlCharactersMax = 2048

/**
 * The URLs that a .gitmodules file gives, by path.
 *
 * Read for the inventory only: nothing is ever fetched from here. So a line we do not understand is passed over, not refused.
 *
 * @param body - the whole file; attacker-controlled. A file beyond `gitmodulesBytesMax` is not read.
 * @returns URLs as written, cut at 2048 characters; empty when there is nothing to read.
 *
 * Source: gitmodules(5), git-config(5) "Syntax".
 */
export function parseGitmodules(body: Buffer): ReadonlyMap<string, string> {
  const urls = new Map<string, string>()
  if (body.length > gitmodulesBytesMax) return urls
  let section: { path?: string; url?: string } | null = null
  for (const line of body.toString('utf8').split('\n')) {
    if (/^\s*\[/.test(line)) section = /^\s*\[submodule\s+".{0,4000}"\]/i.test(line) ? {} : null
    const [, key, value] = /^\s*(path|url)\s*=\s*(.{0,4096})$/i.exec(line) ?? []
    if (section === null || key === undefined || value === undefined) continue
    if (key.toLowerCase() === 'path') section.path = unquote(value)
    else section.url = unquote(value)
    if (section.path !== undefined && section.url !== undefined && urls.size < lfsListedMax) {
      urls.set(section.path, section.url.slice(0, urlCharactersMax))
    }
  }
  return urls
}

function unquote(value: string): string {
  const trimmed = value.trim()
  const [, quoted] = /^"((?:[^"\\]|\\.)*)"$/.exec(trimmed) ?? []
  return quoted === undefined ? trimmed.replace(/\s+[#;].*$/, '') : quoted.replaceAll(/\\(["\\])/g, '$1')
}
