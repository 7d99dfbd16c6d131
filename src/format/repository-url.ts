/**
 * Pure: whether two addresses of a repository lead to the same one. The answer is for matching submodules with sources; nothing is ever
 * fetched from what is read here, and whoever wrote it is not trusted.
 */

const charactersMax = 2048
const defaultPorts: Readonly<Record<string, string>> = { 'http:': '80', 'https:': '443', 'ssh:': '22', 'git:': '9418', 'git+ssh:': '22' }

/**
 * The address of a repository in one spelling: host and path, or `file:` and a path.
 *
 * Scheme, user, default port, `.git` and slashes at the end say nothing about which repository it is; upper and lower case of the path may.
 *
 * @param text - any of git's forms; attacker-controlled.
 * @returns like `git.example.org/team/app`; null for what is no address: other schemes, remote helpers (`ext::`), options, relative paths.
 *
 * Source: git-fetch(1), "GIT URLS".
 */
export function normalizeRepositoryUrl(text: string): string | null {
  // oxlint-disable-next-line no-control-regex -- control characters are what is refused
  if (text.length > charactersMax || /[\x00-\x20\x7f\\]/.test(text) || text.startsWith('-')) return null
  if (text.startsWith('/')) return withPath('file:', text)
  if (text.startsWith('file://')) return withPath('file:', text.slice('file://'.length))
  if (text.includes('://')) return fromUrl(text)
  const [, host, path] = /^(?:[\w.+-]{1,64}@)?([A-Za-z0-9][A-Za-z0-9.-]{0,253}):(?!:)(.+)$/.exec(text) ?? []
  return host === undefined || path === undefined ? null : withPath(`${host.toLowerCase()}/`, path)
}

function fromUrl(text: string): string | null {
  if (!URL.canParse(text)) return null
  const { protocol, hostname, port, pathname } = new URL(text)
  const known = defaultPorts[protocol]
  if (known === undefined || hostname === '') return null
  const place = port === '' || port === known ? hostname.toLowerCase() : `${hostname.toLowerCase()}:${port}`
  return withPath(`${place}/`, unescapedPath(pathname))
}

function unescapedPath(path: string): string {
  try {
    return decodeURIComponent(path)
  } catch {
    return path
  }
}

function withPath(place: string, path: string): string | null {
  const segments = path.split('/').filter((segment) => segment !== '' && segment !== '.')
  if (segments.includes('..')) return null
  const last = segments.pop()?.replace(/\.git$/, '')
  if (last === undefined || last === '') return null
  return `${place}${place === 'file:' ? '/' : ''}${[...segments, last].join('/')}`
}

/**
 * The address of a submodule in that one spelling.
 *
 * @param superproject - the address of the repository that has the submodule, in the one spelling; null when it has none.
 * @param url - as .gitmodules has it: beginning with `./` or `../` it is relative to the superproject, whose name counts as a folder.
 * @returns null when it leads nowhere that could be compared.
 *
 * Source: gitmodules(5), git-submodule(1).
 */
export function resolveSubmoduleUrl(superproject: string | null, url: string): string | null {
  if (!/^\.\.?\//.test(url)) return normalizeRepositoryUrl(url)
  if (superproject === null || url.length > charactersMax) return null
  const [place = '', ...folders] = superproject.split('/')
  let rest = url
  for (let step = /^(\.\.?)\/+/.exec(rest); step !== null; step = /^(\.\.?)\/+/.exec(rest)) {
    // Above the host there is nothing of the same owner.
    if (step[1] === '..' && folders.pop() === undefined) return null
    rest = rest.slice(step[0].length)
  }
  const path = [...folders, rest].join('/')
  return place === 'file:' ? withPath('file:', path) : withPath(`${place}/`, path)
}
