import { isIPv6 } from 'node:net'
import { EscrowError } from '../core/errors.js'

/**
 * Reads the two forms in which people write a repository behind ssh: `ssh://git@host:22/path` and `git@host:path`.
 *
 * What is read here later becomes arguments of ssh and a command line at the other end. So each part is matched against the characters
 * that it may have, and none may begin like an option (`-oProxyCommand=...` as a host, a user or a path).
 */

/** A repository behind ssh. */
export interface SshAddress {
  readonly user: string
  /** In lower case; an IPv6 address without brackets. */
  readonly host: string
  readonly port: number
  /** As the server gets it: absolute, below the home of the user (`~/`), or in a form of the server's own (`owner/name.git`). */
  readonly path: string
}

const usualPort = 22
const hostCharactersMax = 253
const userPattern = /^[A-Za-z0-9_][A-Za-z0-9_.+-]{0,63}$/
const hostPattern = /^[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?$/
/** Letters of any language and what usual paths have; nothing that a shell at the other end could take for more than a name. */
const pathPattern = /^[\p{L}\p{M}\p{N}._~/+@%=, -]{1,1024}$/u

/**
 * The address that a text names.
 *
 * @param text - attacker-controlled, without control characters.
 * @returns null if it is of neither form.
 * @throws EscrowError `REMOTE_URL` if it is, but a part of it is not one that we use.
 */
export function parseSshUrl(text: string): SshAddress | null {
  const [, rest] = /^ssh:\/\/(.*)$/is.exec(text) ?? []
  if (rest !== undefined) return fromUrl(rest)
  if (/^[A-Za-z][A-Za-z0-9+.-]*:\/\//.test(text)) return null
  // Git reads a colon before the first slash like this.
  const [, user, host, path] = /^([^/:[\]]*)@(\[[^/\]]*\]|[^/:[\]]*):(.*)$/s.exec(text) ?? []
  if (user === undefined || host === undefined || path === undefined) return null
  return checked({ user, host, port: usualPort, path })
}

/**
 * The name under which `known_hosts` has the key of this host (sshd(8), "SSH_KNOWN_HOSTS FILE FORMAT").
 *
 * @returns the host, with the port where it is not 22.
 */
export function hostKeyName({ host, port }: SshAddress): string {
  return port === usualPort ? host : `[${host}]:${port}`
}

function fromUrl(rest: string): SshAddress {
  const [, user, host, port, path] = /^(?:([^/@]*)@)?(\[[^/\]]*\]|[^/:@[\]]*)(?::([^/]*))?(\/.*)$/s.exec(rest) ?? []
  if (host === undefined || path === undefined) throw refused('expected ssh://user@host/path')
  if (user === undefined) throw refused('expected the name of a user before the host, such as git@')
  if (port !== undefined && !/^[1-9][0-9]{0,4}$/.test(port)) throw refused('expected a port of 1 to 65535')
  // `/~ada/x` is below the home of ada, as git reads it.
  const decoded = decode(path).replace(/^\/(?=~)/, '')
  return checked({ user, host, port: port === undefined ? usualPort : Number(port), path: decoded })
}

function checked({ user, host, port, path }: SshAddress): SshAddress {
  if (user.includes(':')) throw refused('expected a user without a password: ssh proves itself by a key')
  if (!userPattern.test(user)) throw refused('expected the name of a user before the host, such as git@')
  if (port > 65_535) throw refused('expected a port of 1 to 65535')
  if (path.startsWith('-')) throw refused('expected a path, got an option')
  if (/^\/*$/.test(path) || !pathPattern.test(path)) throw refused('expected a path of letters, digits and . _ ~ / + @ % = , - or space')
  return { user, host: checkedHost(host.toLowerCase()), port, path: path.replace(/(?<=[^/])\/+$/, '') }
}

function checkedHost(host: string): string {
  const [, inner] = /^\[(.*)\]$/s.exec(host) ?? []
  if (inner !== undefined && isIPv6(inner) && !inner.includes('%')) return inner
  if (host.length > hostCharactersMax || !hostPattern.test(host)) throw refused('expected a host name or an address in brackets')
  return host
}

function decode(path: string): string {
  try {
    return decodeURIComponent(path)
  } catch (cause) {
    throw refused('expected a path in percent-encoded UTF-8', cause)
  }
}

function refused(message: string, cause?: unknown): EscrowError {
  return new EscrowError('REMOTE_URL', message, { cause })
}
