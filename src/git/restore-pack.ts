import { EscrowError, isEscrowError } from '../core/errors.js'
import { runGit, type GitOptions } from './git-command.js'
import { demotableFsckIds, strictOption } from './fsck-ids.js'
import { PackIndexer, type IndexPackOptions } from './index-pack.js'

/**
 * Packs straight into a repository that is being restored: no bundle file, no clone, no fetch. The plaintext is written once.
 *
 * `git clone` of a bundle does the same three things: index the pack, look whether everything is connected, write the refs.
 */

/** A pack of a chain on its way into the repository. */
export type RestoredPack = Pick<IndexPackOptions, 'gitDir' | 'objectFormat' | 'packBytesMax' | 'onProgress'> & {
  /** Git checks in passing that every link of the pack stays inside it: true for the pack of a full deposit. */
  readonly selfContained: boolean
  /** Nobody has looked at its objects before: `git fsck` does so in passing, and what it says is in the `fsck` of the indexed pack. */
  readonly strict: boolean
}

/**
 * Start to take a pack in. Its deltas must not lean on other packs, as those of deposits never do.
 *
 * @returns an indexer whose `end` fails with `PACK_INCOMPLETE` when a pack that must be self-contained is not.
 */
export async function startPackRestore(pack: RestoredPack, signal?: AbortSignal): Promise<PackIndexer> {
  const { gitDir, objectFormat, packBytesMax, onProgress } = pack
  const options = { gitDir, objectFormat, packBytesMax, onProgress, check: 'incremental' as const }
  const checks = [
    // Links may lead to the packs before, which lie in the repository already.
    ...(pack.strict ? [strictOption(await demotableFsckIds())] : []),
    ...(pack.selfContained ? ['--check-self-contained-and-connected'] : []),
  ]
  return new PackIndexer(options, checks, signal)
}

/**
 * Check that everything the refs and HEAD reach is there.
 *
 * @param proven - objects in the repository whose links are known to be complete: the tips of a self-contained pack; may be empty.
 * @throws EscrowError `PACK_INCOMPLETE` with git's words about the first missing object
 */
export async function checkConnectedBeyond(
  gitDir: string,
  proven: readonly string[],
  options: GitOptions = {},
  signal?: AbortSignal,
): Promise<void> {
  const input = proven.map((oid) => `^${oid}\n`).join('')
  try {
    await runGit(['rev-list', '--objects', '--all', '--quiet', '--stdin'], { ...options, gitDir }, input, signal)
  } catch (error) {
    if (!isEscrowError(error, 'GIT_FAILED')) throw error
    throw new EscrowError('PACK_INCOMPLETE', `expected every object that the refs reach: ${error.message}`, { cause: error })
  }
}

/** Gather refs into one file: a repository with many is slow otherwise. @throws EscrowError `GIT_FAILED` */
export async function packRefs(gitDir: string, options: GitOptions = {}, signal?: AbortSignal): Promise<void> {
  await runGit(['pack-refs', '--all'], { ...options, gitDir }, '', signal)
}
