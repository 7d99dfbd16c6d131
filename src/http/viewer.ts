import type { Request } from 'express'
import type { Role } from '../format/agreement.js'

/**
 * Who asks, as an API token says: the holder of a key in a role. What it may see follows from the agreements that pin this key in this
 * role, each time anew; names of parties mean something within one agreement only, so they decide nothing.
 */
export interface Viewer {
  readonly tokenId: string
  /** SHA-256 of the keyid, as in the table `party`; 64 lower-case hex digits. */
  readonly fingerprint: string
  readonly role: Role
}

/** A request of somebody whom the guard has let in. */
export type ViewedRequest = Request & { viewer?: Viewer; document?: Uint8Array }
