import type { GitRemote } from './git-remote.js'
import { HttpRemote, type CapabilityCache } from './http-remote.js'
import type { HttpTransport } from './http-transport.js'
import { LocalRemote } from './local-remote.js'
import { parseRemoteUrl, type RemoteRules } from './remote-url.js'
import { SshRemote } from './ssh-remote.js'

/** What remotes are opened with; one for the whole worker, so that connections and discoveries are shared. */
export interface RemoteSetup {
  readonly rules: RemoteRules
  readonly transport: HttpTransport
  readonly cache: CapabilityCache
  readonly gitProgram?: string | undefined
  /** For remotes that are read through a program; default `remoteIdleTimeoutMs`. */
  readonly idleTimeoutMs?: number | undefined
}

/**
 * The remote that a source's URL names, through the adapter for its kind.
 *
 * @param url - attacker-controlled.
 * @param credentialFile - for http(s) see `credential.ts`, for ssh `ssh-credential.ts`.
 * @throws EscrowError `REMOTE_URL`, `REMOTE_ADDRESS_REFUSED`
 */
export function openRemote(url: string, setup: RemoteSetup, credentialFile?: string): GitRemote {
  const remote = parseRemoteUrl(url, setup.rules)
  const { idleTimeoutMs, gitProgram } = setup
  if (remote.kind === 'local') return new LocalRemote({ path: remote.path, gitProgram, idleTimeoutMs })
  if (remote.kind === 'http') return new HttpRemote({ url: remote.url, transport: setup.transport, cache: setup.cache, credentialFile })
  return new SshRemote({ address: remote, credentialFile, idleTimeoutMs, allowPrivateAddresses: setup.rules.allowPrivateAddresses })
}
