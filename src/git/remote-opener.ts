import type { GitRemote } from './git-remote.js'

/** PORT: opens the remote that a URL names. Adapters decide which kinds there are. */
export abstract class RemoteOpener {
  /**
   * @param url - attacker-controlled.
   * @param credentialFile - the path of a file; its content is read when it is needed and kept nowhere.
   * @throws EscrowError `REMOTE_URL`, `REMOTE_ADDRESS_REFUSED`
   */
  abstract open(url: string, credentialFile?: string): GitRemote
}
