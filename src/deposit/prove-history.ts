// A branch that moved to a commit which the archive holds already: the pack does not show whether it only moved forward, and the worker
// has no repository to look in. So the remote is asked for what lies between: the commits that come back are hashed by git, and their
// parents prove it. Without this, every "fast-forward release to main" would be a blocking finding.
import { join } from 'node:path'
import { isEscrowError } from '../core/errors.js'
import { ancestryProofBytesMax, ancestryProofsMax, linkedObjectBytesMax } from '../core/limits.js'
import { listCommits, readManyObjects } from '../git/cat-file.js'
import type { GitRemote, ObjectFormat } from '../git/git-remote.js'
import { indexPack } from '../git/index-pack.js'
import { initRepository } from '../git/scratch-repository.js'
import { CommitGraph } from './commit-graph.js'
import type { History, RefMove } from './compare-deposits.js'
import { oidBytesOf, parseCommit } from './object-links.js'

/** Where proofs come from, and where they are looked at. */
export interface ProofSources {
  readonly remote: GitRemote
  readonly objectFormat: ObjectFormat
  /** A folder on scratch that is removed with the attempt. */
  readonly folder: string
}

/**
 * Say of each moved ref whether its old tip is part of the new history.
 *
 * @param moves - all moved refs.
 * @param commits - the commits of the deposit's own pack, which answers most.
 * @returns one answer for each ref, by name. Only branches are worth a fetch; the first `ancestryProofsMax` get one, and what is larger
 *   than `ancestryProofBytesMax` stays `unproven`.
 * @throws EscrowError `REMOTE_*` when the remote fails, `PACK_CORRUPT`; a proof that could not be had is never taken for a rewrite.
 */
export async function proveHistories(
  moves: readonly RefMove[],
  commits: CommitGraph,
  sources: ProofSources,
  signal?: AbortSignal,
): Promise<ReadonlyMap<string, History>> {
  const histories = new Map<string, History>()
  let proofs = 0
  for (const move of moves) {
    const history = commits.historyOf(move)
    const ask = history === 'unproven' && move.name.startsWith('refs/heads/') && proofs < ancestryProofsMax
    if (ask) proofs += 1
    histories.set(move.name, ask ? await prove(move, { ...sources, folder: join(sources.folder, `proof-${proofs}`) }, signal) : history)
  }
  return histories
}

/**
 * With the new tip wanted and only the old one had, an honest remote sends every commit between them. So a pack that does not lead from
 * one to the other says that there is no such way.
 */
async function prove(move: RefMove, sources: ProofSources, signal?: AbortSignal): Promise<History> {
  const { remote, objectFormat, folder } = sources
  await initRepository(folder, objectFormat)
  const pack = remote.fetchPack({ objectFormat, wants: [move.to], haves: [move.from] }, signal)
  const options = { gitDir: folder, objectFormat, check: 'incremental', packBytesMax: ancestryProofBytesMax } as const
  try {
    await indexPack(pack, options, signal)
  } catch (error) {
    if (isEscrowError(error, 'DEPOSIT_TOO_LARGE')) return 'unproven'
    throw error
  }
  const commits = await readCommits(folder, objectFormat, signal)
  return commits.historyOf(move) === 'forward' ? 'forward' : 'rewritten'
}

/** The commits of every pack of a scratch repository. @throws EscrowError `PACK_CORRUPT`, `GIT_FAILED` */
export async function readCommits(gitDir: string, objectFormat: ObjectFormat, signal?: AbortSignal): Promise<CommitGraph> {
  const graph = new CommitGraph()
  const oids: string[] = []
  for await (const some of listCommits(gitDir, signal)) oids.push(...some)
  const oidBytes = oidBytesOf(objectFormat)
  for await (const some of readManyObjects(gitDir, oids, linkedObjectBytesMax, signal)) {
    for (const commit of some) if (commit !== null) graph.add(commit.oid, parseCommit(commit.body, oidBytes).parents)
  }
  return graph
}
