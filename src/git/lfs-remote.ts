/** What stands behind an LFS pointer. */
export interface LfsObject {
  /** SHA-256, 64 lower-case hex digits. */
  readonly oid: string
  readonly sizeBytes: number
}

/** Where an object is to be had, or why it is not. The bytes are attacker-controlled: whoever reads compares digest and size. */
export type LfsPlace =
  | { readonly object: LfsObject; readonly open: (signal?: AbortSignal) => AsyncIterable<Uint8Array> }
  | { readonly object: LfsObject; readonly reason: string }

/** PORT: the files that git LFS keeps beside a remote repository. */
export abstract class LfsRemote {
  /**
   * The server that a repository names in its .lfsconfig instead.
   *
   * @param url - attacker-controlled.
   * @throws EscrowError `REMOTE_*` when the rules for remotes do not allow it
   */
  abstract namedAs(url: string): LfsRemote

  /**
   * Ask for objects.
   *
   * @param objects - 1 to `lfsBatchMax`.
   * @returns one place for each, in the same order.
   * @throws EscrowError `REMOTE_*` when nothing can be learned about any of them
   */
  abstract locate(objects: readonly LfsObject[], signal?: AbortSignal): Promise<readonly LfsPlace[]>
}
