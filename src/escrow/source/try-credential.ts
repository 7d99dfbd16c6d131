import { Inject, Injectable } from '@nestjs/common'
import { isEscrowError, type ErrorCode } from '../../core/errors.js'
import { RemoteOpener } from '../../git/remote-opener.js'
import { HostKeeper } from './host-keeper.js'
import { hostOfRemote } from '../../git/remote-url.js'
import type { SourceRow } from '../archive/source.table.js'

/** Asks a remote for its refs, with the source's credential: what a deposit would do first. */
@Injectable()
export class TryCredential {
  constructor(
    @Inject(RemoteOpener) private readonly remotes: RemoteOpener,
    @Inject(HostKeeper) private readonly hosts: HostKeeper,
  ) {}

  /**
   * Try it.
   *
   * @returns null when the remote took it; the code when it did not; `unknown` when nothing can be said of it: the remote is out of reach,
   *   or its host has enough to do.
   * @throws the signal's reason
   */
  async run(
    { url, credentialFile }: Pick<SourceRow, 'url' | 'credentialFile'>,
    signal?: AbortSignal,
  ): Promise<ErrorCode | null | 'unknown'> {
    if (url === null || credentialFile === null) return 'unknown'
    const host = hostOfRemote(url)
    try {
      const list = () => this.remotes.open(url, credentialFile).listRefs(signal)
      const listed = host === null ? await list() : await this.hosts.visit(host, list)
      return listed === null ? 'unknown' : null
    } catch (error) {
      signal?.throwIfAborted()
      if (!isEscrowError(error)) throw error
      // Forges say "not found" of what a stranger may not see.
      return isEscrowError(error, 'REMOTE_AUTH') || isEscrowError(error, 'REMOTE_NOT_FOUND') ? error.code : 'unknown'
    }
  }
}
