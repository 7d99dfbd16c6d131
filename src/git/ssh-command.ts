import { EscrowError, type ErrorCode } from '../core/errors.js'
import { searchPath, startProgram, type ProgramExit, type ProgramRun } from './program-run.js'
import { hostKeyName, type SshAddress } from './ssh-address.js'
import type { SshCredential } from './ssh-credential.js'

/**
 * The one way in which ssh is started: the system's own, told everything and left nothing to find out. No configuration file is read, no agent
 * asked, nothing forwarded, no question put to anybody; the host has to prove itself by a key that was given beforehand.
 */

/** Whom to call, and how to prove who we are. */
export interface SshCall {
  readonly address: SshAddress
  /** One of the host's addresses, already checked against the address policy: ssh resolves nothing itself. */
  readonly ip: string
  readonly credential: SshCredential
  readonly connectTimeoutMs: number
  readonly sshProgram?: string | undefined
}

const environment: Readonly<Record<string, string>> = {
  PATH: searchPath,
  HOME: '/nonexistent',
  LC_ALL: 'C',
  // Sent by `SendEnv`. A server that does not take it speaks version 0.
  GIT_PROTOCOL: 'version=2',
}

/** ssh_config(5). What is not set here has a default that neither reads a file of the user nor starts a program. */
const fixedOptions = [
  'BatchMode=yes',
  'StrictHostKeyChecking=yes',
  'GlobalKnownHostsFile=/dev/null',
  'UpdateHostKeys=no',
  'VerifyHostKeyDNS=no',
  'NoHostAuthenticationForLocalhost=no',
  'KnownHostsCommand=none',
  'CanonicalizeHostname=no',
  'ProxyCommand=none',
  'ProxyJump=none',
  'ControlMaster=no',
  'ControlPath=none',
  'PermitLocalCommand=no',
  'IdentitiesOnly=yes',
  'IdentityAgent=none',
  'CertificateFile=none',
  'PKCS11Provider=none',
  'AddKeysToAgent=no',
  'PreferredAuthentications=publickey',
  'ForwardAgent=no',
  'ForwardX11=no',
  'ClearAllForwardings=yes',
  'Tunnel=no',
  'RequestTTY=no',
  'EscapeChar=none',
  'ConnectionAttempts=1',
  'ServerAliveInterval=15',
  'ServerAliveCountMax=4',
  // Errors of ssh itself; the banner of the server is not one.
  'LogLevel=ERROR',
  'SendEnv=GIT_PROTOCOL',
] as const

/** Start `git-upload-pack` at the other end. As `startProgram`; `ended` rejects with `REMOTE_*` or `SSH_MISSING`. */
export function startSsh(call: SshCall, signal?: AbortSignal): ProgramRun {
  return startProgram(
    {
      program: call.sshProgram ?? 'ssh',
      args: sshArguments(call),
      environment,
      missing: (problem, cause) => new EscrowError('SSH_MISSING', `expected to start ssh, got ${problem}`, { cause }),
      failed: (exit, words) => sshFault(exit, withoutPaths(words, call.credential)),
    },
    signal,
  )
}

/** The arguments of ssh for a call. Nothing secret is among them: the key is named by its path. */
export function sshArguments({ address, ip, credential, connectTimeoutMs }: SshCall): readonly string[] {
  const options = [
    ...fixedOptions,
    `UserKnownHostsFile=${credential.knownHostsFile}`,
    `IdentityFile=${credential.keyFile}`,
    // The address is what we connect to; the name is what the host proves to be.
    `HostKeyAlias=${hostKeyName(address)}`,
    `ConnectTimeout=${Math.max(1, Math.ceil(connectTimeoutMs / 1000))}`,
  ]
  const settings = options.flatMap((option) => ['-o', option])
  // No other quote than these can be in the path (ssh-address.ts), so the shell at the other end sees one word.
  return ['-F', 'none', ...settings, '-T', '-p', String(address.port), '-l', address.user, '--', ip, `git-upload-pack '${address.path}'`]
}

/** 255 is ssh's own failure; any other code is that of the command at the other end. */
function sshFault({ code, signalName }: ProgramExit, words: string): EscrowError {
  const message = `ssh ended with ${code ?? signalName ?? 'nothing'}${words === '' ? '' : `: ${words}`}`
  return new EscrowError(code === 255 ? codeOfSsh(words) : codeOfServer(words), message)
}

function codeOfServer(words: string): ErrorCode {
  return /does not appear to be a git repository|repository not found|no such file/i.test(words) ? 'REMOTE_NOT_FOUND' : 'REMOTE_BROKEN'
}

function codeOfSsh(words: string): ErrorCode {
  if (/host key verification failed|host identification has changed|no matching host key/i.test(words)) return 'REMOTE_HOST_KEY'
  if (/permission denied|too many authentication failures/i.test(words)) return 'REMOTE_AUTH'
  if (/timed out|timeout/i.test(words)) return 'REMOTE_TIMEOUT'
  if (/connection refused|no route to host|unreachable|connection reset|connection closed|kex_exchange|banner/i.test(words))
    return 'REMOTE_UNREACHABLE'
  return 'REMOTE_BROKEN'
}

/** Where we keep keys is no party's business. */
function withoutPaths(words: string, { keyFile, knownHostsFile }: SshCredential): string {
  return words.replaceAll(keyFile, 'the key').replaceAll(knownHostsFile, 'known-hosts')
}
