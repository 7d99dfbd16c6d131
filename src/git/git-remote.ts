import type { LfsRemote } from './lfs-remote.js'

/** Git's object format: decides the length of object ids. */
export type ObjectFormat = 'sha1' | 'sha256'

/** One ref as the remote lists it. */
export interface RemoteRef {
  /** Checked against git's rules (check-ref-format); begins with `refs/`. */
  readonly name: string
  readonly oid: string
  /** For an annotated tag: what it finally points to. */
  readonly peeled?: string
  /** For a symbolic ref: the ref it names. */
  readonly symref?: string
}

/** HEAD of a remote: a branch (born or not), a detached commit, or nothing. */
export type RemoteHead =
  | { readonly kind: 'branch'; readonly ref: string; readonly oid: string | null }
  | { readonly kind: 'detached'; readonly oid: string }
  | { readonly kind: 'none' }

/** Everything `ls-refs` says; refs sorted by name in byte order. */
export interface RefListing {
  readonly objectFormat: ObjectFormat
  readonly head: RemoteHead
  readonly refs: readonly RemoteRef[]
  /**
   * Came with a push: nobody can be asked again, and what annotated tags point to was not said. The pack and the archive's own inventories
   * answer instead.
   */
  readonly pushed?: true
}

/** What to fetch. Ids are 40 or 64 lower-case hex digits. */
export interface FetchRequest {
  readonly objectFormat: ObjectFormat
  readonly wants: readonly string[]
  /** What the archive holds already; empty for a full deposit. */
  readonly haves: readonly string[]
}

/**
 * PORT: a git remote that is read over the wire protocol. Keeps nothing on disk.
 *
 * Everything it returns is attacker-controlled, but of the right shape: ids are hex of the right length, names are valid ref names.
 */
export abstract class GitRemote {
  /** What git LFS keeps beside it; undefined where there is nobody to ask. */
  readonly lfs?: LfsRemote

  /**
   * The git folder of a repository on this machine, absolute, where it can be read without the wire protocol (`startPacking`); undefined
   * where there is none.
   *
   * @throws EscrowError `REMOTE_NOT_FOUND`
   */
  readonly folder?: () => Promise<string>

  /**
   * List all refs in one round trip (capabilities may cost one more the first time).
   *
   * @throws EscrowError `REMOTE_*`, `REF_NAME_INVALID`, `REFS_TOO_MANY`
   */
  abstract listRefs(signal?: AbortSignal): Promise<RefListing>

  /**
   * Fetch a pack that is self-contained in its deltas (no thin pack).
   *
   * @returns the pack's bytes as they come; ends only after the remote's closing flush, so a stream that ends is complete.
   * @throws EscrowError while iterating: `REMOTE_BROKEN` with the remote's own words, `REMOTE_SHALLOW`, `REMOTE_TIMEOUT`, ...
   */
  abstract fetchPack(request: FetchRequest, signal?: AbortSignal): AsyncIterable<Uint8Array>
}
