import type { RemoteRules } from '../git/remote-url.js'

/** What the delivery of notices needs to know. Filled from the configuration in `options.module.ts`. */
export abstract class NoticeOptions {
  /** Which receivers are allowed: the same rules as for remotes. */
  abstract readonly rules: RemoteRules
  /** `smtp://user:password@host:587`, secret, and who writes; null when no mail is sent. */
  abstract readonly mail: { readonly url: string; readonly from: string } | null
  /** Of this software, for receivers. */
  abstract readonly version: string
}
