import { isAbsolute, normalize } from 'node:path'
import { isIP } from 'node:net'
import { fileURLToPath } from 'node:url'
import { EscrowError, isEscrowError } from '../core/errors.js'
import { checkAddress } from './address-policy.js'
import { hostKeyName, parseSshUrl, type SshAddress } from './ssh-address.js'

/** What the configuration permits beyond https to public hosts. */
export interface RemoteRules {
  /** Plain http: everything, credentials too, can be read and changed on the way. */
  readonly allowHttp: boolean
  /** Loopback and private networks. */
  readonly allowPrivateAddresses: boolean
  /** Repositories on this machine: whoever writes a source's URL could deposit any repository that the worker can read. */
  readonly allowLocalPaths: boolean
}

/** Where a source is. `url` has no credential, query, fragment or final slash. */
export type RemoteUrl =
  | { readonly kind: 'http'; readonly url: string }
  | ({ readonly kind: 'ssh' } & SshAddress)
  | { readonly kind: 'local'; readonly path: string }

const urlCharactersMax = 2048

/**
 * The place that a depositor's text names, if we go there.
 *
 * Nothing from it ever becomes an option or a transport helper of git: `--upload-pack=...`, `ext::...` and their kin are refused here,
 * before any adapter exists.
 *
 * @param text - attacker-controlled.
 * @throws EscrowError `REMOTE_URL`, or `REMOTE_ADDRESS_REFUSED` for a literal address; names are checked when connecting.
 */
export function parseRemoteUrl(text: string, rules: RemoteRules): RemoteUrl {
  if (text.length === 0 || text.length > urlCharactersMax)
    throw refused(`expected a URL of 1 to ${urlCharactersMax} characters, got ${text.length}`)
  refuseControls(text)
  if (text.startsWith('-')) throw refused('expected a URL, got an option')
  if (/^[A-Za-z0-9+.-]*::/.test(text)) throw refused('expected a URL, got a transport helper')
  if (isAbsolute(text)) return localPath(text, rules)
  const ssh = parseSshUrl(text)
  if (ssh !== null) return sshUrl(ssh, rules)
  const url = parseUrl(text)
  if (url.protocol === 'file:') return localPath(filePath(url), rules)
  return httpUrl(url, rules)
}

function httpUrl(url: URL, rules: RemoteRules): RemoteUrl {
  if (url.protocol !== 'https:' && url.protocol !== 'http:') throw refused(`expected an https or ssh URL, got ${url.protocol}`)
  if (url.protocol === 'http:' && !rules.allowHttp) throw refused('expected an https URL, got http, which the configuration does not allow')
  if (url.username !== '' || url.password !== '') throw refused('expected a URL without user and password: put them into a credential file')
  if (url.search !== '' || url.hash !== '') throw refused('expected a URL without query and fragment')
  checkLiteralHost(url, rules)
  return { kind: 'http', url: url.href.replace(/\/+$/, '') }
}

function sshUrl(address: SshAddress, rules: RemoteRules): RemoteUrl {
  if (isIP(address.host) !== 0) checkAddress(address.host, rules.allowPrivateAddresses)
  return { kind: 'ssh', ...address }
}

/**
 * The host that a remote is at, by which visits are counted.
 *
 * @param text - attacker-controlled.
 * @returns in lower case, with a port that is not the usual one; null for a repository on this machine, and for what is no URL.
 */
export function hostOfRemote(text: string): string | null {
  const ssh = sshOrNull(text)
  if (ssh !== null) return hostKeyName(ssh)
  return URL.canParse(text) && /^https?:/i.test(text) ? new URL(text).host : null
}

/** What is refused is refused when the remote is opened, where it is recorded. */
function sshOrNull(text: string): SshAddress | null {
  try {
    return parseSshUrl(text)
  } catch (error) {
    if (isEscrowError(error)) return null
    throw error
  }
}

/**
 * Refuse a URL whose host is an address, written out, that no remote may have. Sockets resolve no literal, so nobody else would look.
 *
 * @throws EscrowError `REMOTE_ADDRESS_REFUSED`
 */
export function checkLiteralHost(url: URL, rules: RemoteRules): void {
  const host = url.hostname.replace(/^\[|\]$/g, '')
  if (isIP(host) !== 0) checkAddress(host, rules.allowPrivateAddresses)
}

function localPath(path: string, rules: RemoteRules): RemoteUrl {
  refuseControls(path)
  if (!rules.allowLocalPaths) throw refused('expected an https URL, got a local path, which the configuration does not allow')
  return { kind: 'local', path: normalize(path) }
}

function refuseControls(text: string): void {
  if (/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u.test(text)) throw refused('expected a URL without control characters')
}

function filePath(url: URL): string {
  try {
    return fileURLToPath(url)
  } catch (cause) {
    throw refused('expected a file URL of this machine', cause)
  }
}

function parseUrl(text: string): URL {
  try {
    return new URL(text)
  } catch (cause) {
    throw refused('expected a URL or an absolute path', cause)
  }
}

function refused(message: string, cause?: unknown): EscrowError {
  return new EscrowError('REMOTE_URL', message, { cause })
}
