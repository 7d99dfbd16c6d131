import { EscrowError, isEscrowError } from '../core/errors.js'
import { remoteIdleTimeoutMs, sshAddressesMax } from '../core/limits.js'
import { resolveAllowed, type Resolver } from './address-policy.js'
import { GitRemote, type FetchRequest, type RefListing } from './git-remote.js'
import type { SshAddress } from './ssh-address.js'
import { startSsh } from './ssh-command.js'
import { readSshCredential } from './ssh-credential.js'
import { beginTalk, fetchOver, listOver, type Talk } from './talk.js'

/** Where the repository is, and how we prove who we are. */
export interface SshRemoteOptions {
  /** From `parseRemoteUrl`. */
  readonly address: SshAddress
  /** Path of a credential file (see `ssh-credential.ts`), read at each use. */
  readonly credentialFile: string | undefined
  readonly allowPrivateAddresses: boolean
  /** Milliseconds without a byte before the remote is given up, and for the connection. Default `remoteIdleTimeoutMs`. */
  readonly idleTimeoutMs?: number | undefined
  readonly sshProgram?: string | undefined
  /** How names become addresses; for tests. */
  readonly resolver?: Resolver | undefined
}

/**
 * ADAPTER of `GitRemote`: a repository behind ssh, read through the system's `ssh` and `git-upload-pack` at the other end.
 *
 * The name of the host is resolved here, each address is checked, and ssh gets the address: it cannot be led elsewhere a moment later.
 */
export class SshRemote extends GitRemote {
  readonly #options: SshRemoteOptions

  constructor(options: SshRemoteOptions) {
    super()
    this.#options = options
  }

  async listRefs(signal?: AbortSignal): Promise<RefListing> {
    return listOver(await this.#begin(signal))
  }

  async *fetchPack(request: FetchRequest, signal?: AbortSignal): AsyncGenerator<Uint8Array, void, undefined> {
    yield* fetchOver(await this.#begin(signal), request)
  }

  /** One address after the other, as long as nobody is there. */
  async #begin(signal?: AbortSignal): Promise<Talk> {
    signal?.throwIfAborted()
    const { address, credentialFile, sshProgram } = this.#options
    const idleTimeoutMs = this.#options.idleTimeoutMs ?? remoteIdleTimeoutMs
    const credential = await readSshCredential(credentialFile)
    let absent: unknown = new EscrowError('REMOTE_UNREACHABLE', 'expected the host to have an address, got none')
    for (const ip of (await this.#addresses()).slice(0, sshAddressesMax)) {
      const run = startSsh({ address, ip, credential, connectTimeoutMs: idleTimeoutMs, sshProgram }, signal)
      try {
        return await beginTalk(run, idleTimeoutMs, signal)
      } catch (error) {
        if (!isEscrowError(error, 'REMOTE_UNREACHABLE')) throw error
        absent = error
      }
    }
    throw absent
  }

  async #addresses(): Promise<readonly string[]> {
    const { address, allowPrivateAddresses, resolver } = this.#options
    try {
      return await resolveAllowed(address.host, allowPrivateAddresses, resolver)
    } catch (cause) {
      if (isEscrowError(cause)) throw cause
      const problem = cause instanceof Error && 'code' in cause ? String(cause.code) : 'an unknown problem'
      throw new EscrowError('REMOTE_UNREACHABLE', `expected to find the host, got ${problem}`, { cause })
    }
  }
}
