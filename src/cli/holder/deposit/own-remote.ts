import { isAbsolute, resolve } from 'node:path'
import { remoteIdleTimeoutMs } from '../../../core/limits.js'
import type { GitRemote } from '../../../git/git-remote.js'
import { CapabilityCache } from '../../../git/http-remote.js'
import { HttpTransport } from '../../../git/http-transport.js'
import { openRemote } from '../../../git/open-remote.js'

/** A repository of whoever runs the command. */
export interface OwnRemote {
  readonly remote: GitRemote
  /** Absolute. */
  readonly url: string
  close(): void
}

/**
 * Open a repository by a path or a URL. Whoever runs this chose it: their own machine and network are theirs.
 *
 * @throws EscrowError `REMOTE_URL`
 */
export function openOwnRemote(repository: string): OwnRemote {
  const rules = { allowHttp: true, allowPrivateAddresses: true, allowLocalPaths: true }
  const transport = new HttpTransport({ rules, idleTimeoutMs: remoteIdleTimeoutMs })
  const url = /^[a-z][a-z0-9+.-]*:/i.test(repository) || isAbsolute(repository) ? repository : resolve(repository)
  const remote = openRemote(url, { rules, transport, cache: new CapabilityCache() })
  return { remote, url, close: () => transport.close() }
}
