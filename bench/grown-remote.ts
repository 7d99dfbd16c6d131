// The remote as it was some commits ago, and as it is: a copy on this machine whose refs can be moved.
import { join } from 'node:path'
import type { Bench } from './bench.js'
import { measure } from './measure.js'

const commitsWanted = 50

/** A bare copy at its older state. */
export interface GrownRemote {
  readonly path: string
  /** Commits that `grow` adds. */
  readonly commits: number
  /** Move the default branch to its newest commit. */
  readonly grow: () => Promise<void>
  /** Back to the older state. */
  readonly shrink: () => Promise<void>
}

/**
 * Copy the remote, take HEAD's branch back by at least 50 commits along its first parents, and drop the refs that are newer than that.
 *
 * @throws Error when the branch has fewer commits.
 */
export async function grownRemote(bench: Bench): Promise<GrownRemote> {
  const [transport] = await bench.transports()
  const path = join(await bench.folder('grown'), 'grown.git')
  await measure(['git', 'clone', '--quiet', '--mirror', transport?.gitUrl ?? '', path])
  const git = async (...args: readonly string[]) => (await measure(['git', `--git-dir=${path}`, ...args])).stdout.trim()
  const branch = await git('symbolic-ref', 'HEAD')
  const newest = await git('rev-parse', branch)
  const firstParents = (await git('rev-list', '--first-parent', `--max-count=${commitsWanted + 1}`, newest)).split('\n')
  const counted = async (oid: string) => Number(await git('rev-list', '--count', `${oid}..${newest}`))
  let older = ''
  let commits = 0
  for (const oid of firstParents) {
    older = oid
    commits = await counted(oid)
    if (commits >= commitsWanted) break
  }
  if (commits < commitsWanted) throw new Error(`expected ${commitsWanted} commits on ${branch}, got ${commits}`)
  const newer = (await git('for-each-ref', '--format=%(refname)', `--no-merged=${older}`)).split('\n').filter((ref) => ref !== '')
  for (const ref of newer) if (ref !== branch) await git('update-ref', '--no-deref', '-d', ref)
  const shrink = async () => void (await git('update-ref', branch, older))
  await shrink()
  return { path, commits, shrink, grow: async () => void (await git('update-ref', branch, newest)) }
}
