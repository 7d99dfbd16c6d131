import { access, constants } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { EscrowError } from '../core/errors.js'
import { readCredentialText } from './credential.js'

/**
 * A credential for a remote behind ssh: a file that names two others, and holds no secret itself.
 *
 *     key deploy-key               the private key, without a passphrase
 *     known-hosts known_hosts      the keys by which the host is recognised
 *
 * Paths are absolute, or relative to the folder of this file. Both become arguments of ssh, so a path has only characters that ssh reads
 * as they stand. Without known hosts there is no connection: whoever answered first could hand us any repository.
 */
export interface SshCredential {
  readonly keyFile: string
  readonly knownHostsFile: string
}

/** No blank, quote, `%`, `~` or `$`: ssh expands those in the values of its options. */
const pathPattern = /^\/[A-Za-z0-9._@+,:/-]{1,1023}$/

/**
 * Read a credential for ssh.
 *
 * @param path - none is refused like one that cannot be used: there is no ssh without a key.
 * @throws EscrowError `REMOTE_AUTH` if it, or a file that it names, cannot be read.
 */
export async function readSshCredential(path: string | undefined): Promise<SshCredential> {
  if (path === undefined) throw refused('expected a credential file for a remote behind ssh, got none')
  const [, key, knownHosts] = /^key ([^\r\n]+)\r?\nknown-hosts ([^\r\n]+)\r?\n?$/.exec(await readCredentialText(path)) ?? []
  if (key === undefined || knownHosts === undefined)
    throw refused('expected a credential file with two lines: `key <file>` and `known-hosts <file>`')
  const folder = dirname(resolve(path))
  return {
    keyFile: await readable(resolve(folder, key), 'key'),
    knownHostsFile: await readable(resolve(folder, knownHosts), 'known-hosts'),
  }
}

async function readable(path: string, what: string): Promise<string> {
  if (!pathPattern.test(path)) throw refused(`expected a path of letters, digits and . _ @ + , : / - as ${what}`)
  try {
    await access(path, constants.R_OK)
    return path
  } catch (cause) {
    throw refused(`expected the file that the credential names as ${what} to be readable`, cause)
  }
}

function refused(message: string, cause?: unknown): EscrowError {
  return new EscrowError('REMOTE_AUTH', message, { cause })
}
