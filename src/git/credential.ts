import { open } from 'node:fs/promises'
import { EscrowError, isEscrowError } from '../core/errors.js'

const credentialBytesMax = 4096

/**
 * A credential for a remote, read from its file at the moment of use. The file holds one line in one of three forms:
 *
 *     user:password            sent as Basic
 *     ghp_0123456789           a bare token, sent as the Basic password of `x-access-token` (GitHub, GitLab, Gitea, Forgejo take it)
 *     Bearer eyJhbGciOi...     sent as it stands
 *
 * It becomes a header and nothing else: never an argument, a URL, a line of a log or part of an error.
 */
export interface Credential {
  /** Value of the `Authorization` header. */
  readonly authorization: string
  /** Take every trace of the secret out of a text that a remote wrote. */
  readonly redact: (text: string) => string
}

/**
 * Read a credential.
 *
 * @throws EscrowError `REMOTE_AUTH` if the file cannot be read or is of no known form. The message never quotes it.
 */
export async function readCredential(path: string): Promise<Credential> {
  const text = await readCredentialText(path)
  const line = text.replace(/\r?\n$/, '')
  if (line.length === 0 || line.length > credentialBytesMax || /[^\u0020-\u007e\u0080-\uffff]/.test(line)) {
    throw new EscrowError('REMOTE_AUTH', 'expected a credential file with one line: user:password, a token, or Bearer and a token')
  }
  return parseCredential(line)
}

/** The header for one line of a credential file, already checked to be printable. */
export function parseCredential(line: string): Credential {
  if (line.startsWith('Bearer ')) return credential(line, [line.slice('Bearer '.length)])
  const pair = line.includes(':') ? line : `x-access-token:${line}`
  const encoded = Buffer.from(pair, 'utf8').toString('base64')
  return credential(`Basic ${encoded}`, [encoded, pair, pair.slice(pair.indexOf(':') + 1)])
}

/** A fault without what a server may have repeated of what we sent it. */
export function redacted(error: unknown, sent: Credential | undefined): unknown {
  if (sent === undefined || !isEscrowError(error)) return error
  const message = sent.redact(error.message)
  return message === error.message ? error : new EscrowError(error.code, message, { details: error.details })
}

function credential(authorization: string, secrets: readonly string[]): Credential {
  const forms = secrets
    .flatMap((secret) => [secret, encodeURIComponent(secret), JSON.stringify(secret).slice(1, -1)])
    .filter((secret) => secret !== '')
  return { authorization, redact: (text) => forms.reduce((left, secret) => left.replaceAll(secret, '***'), text) }
}

/**
 * The text of a credential file.
 *
 * @returns at most two bytes more than a credential may have.
 * @throws EscrowError `REMOTE_AUTH` if there is no such file.
 */
export async function readCredentialText(path: string): Promise<string> {
  try {
    const file = await open(path, 'r')
    try {
      const buffer = Buffer.alloc(credentialBytesMax + 2)
      const { bytesRead } = await file.read(buffer, 0, buffer.length, 0)
      return buffer.toString('utf8', 0, bytesRead)
    } finally {
      await file.close()
    }
  } catch (cause) {
    throw new EscrowError('REMOTE_AUTH', 'expected a credential file that can be read, got none', { cause })
  }
}
