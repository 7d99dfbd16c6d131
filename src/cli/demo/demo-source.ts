// The vendor's repository in the demo: a scratch copy that commits are added to, and the comparison of two repositories.
import { resolve } from 'node:path'
import { EscrowError, isEscrowError } from '../../core/errors.js'
import { gitVersion, runGit, startGit } from '../../git/git-command.js'

const author = {
  GIT_AUTHOR_NAME: 'Demo Vendor',
  GIT_AUTHOR_EMAIL: 'vendor@demo.example',
  GIT_COMMITTER_NAME: 'Demo Vendor',
  GIT_COMMITTER_EMAIL: 'vendor@demo.example',
}

/** A checkout that belongs to somebody else is copied like any other. */
const anyOwner = ['safe.directory=*']

/** How two repositories differ, or that they do not. */
export interface Comparison {
  readonly equal: boolean
  readonly refs: number
  readonly objects: number
  /** The first difference in words; empty when equal. */
  readonly difference: string
}

/** A bare repository that plays the vendor's. */
export class DemoSource {
  private constructor(
    readonly path: string,
    private readonly branch: string,
  ) {}

  /**
   * Copy a repository, whole, so that the demo never touches the original.
   *
   * @param origin - a path in a repository, or an http(s) URL.
   * @throws EscrowError `ARGUMENT_INVALID` for a path that lies in none, `GIT_FAILED` with git's words
   */
  static async copyOf(origin: string, path: string, signal: AbortSignal): Promise<DemoSource> {
    await gitVersion()
    const from = /^https?:\/\//.test(origin) ? origin : await repositoryAround(resolve(origin))
    const environment = { GIT_ALLOW_PROTOCOL: 'file:http:https' }
    await runGit(['clone', '--quiet', '--mirror', '--no-hardlinks', '--', from, path], { environment, config: anyOwner }, '', signal)
    const head = (await runGit(['symbolic-ref', '--quiet', 'HEAD'], { gitDir: path }).catch(() => '')).trim()
    return new DemoSource(path, head === '' ? 'refs/heads/main' : head)
  }

  /** Add commits on the main branch, a branch and an annotated tag. @param count - how many commits. */
  async addCommits(count: number): Promise<void> {
    let parent = await this.tip(this.branch)
    for (let number = 1; number <= count; number += 1) {
      parent = await this.commit(
        parent === null ? [] : [parent],
        { path: 'escrow-demo.txt', text: `line ${number}\n` },
        `demo: change ${number}`,
      )
    }
    if (parent === null) return
    await this.git(['update-ref', this.branch, parent])
    await this.git(['update-ref', 'refs/heads/escrow-demo', parent])
    await this.git(['tag', '--annotate', '--message=A release of the demo', 'escrow-demo-1', parent])
  }

  /** Rewrite a branch: its tip is replaced by another commit with the same parent, as a force-push does. */
  async rewriteBranch(): Promise<void> {
    const tip = await this.tip('refs/heads/escrow-demo')
    if (tip === null) return
    const parents = (await this.git(['rev-list', '--parents', '--max-count=1', tip])).trim().split(' ').slice(1)
    const rewritten = await this.commit(parents, { path: 'escrow-demo.txt', text: 'history was rewritten\n' }, 'demo: another past')
    await this.git(['update-ref', 'refs/heads/escrow-demo', rewritten])
  }

  /** Every ref and every object that refs reach, compared with a restored repository. */
  async compareWith(restored: string): Promise<Comparison> {
    const refsOf = async (gitDir: string) => runGit(['for-each-ref', '--format=%(objectname) %(refname) %(symref)'], { gitDir })
    const headOf = async (gitDir: string) =>
      runGit(['symbolic-ref', '--quiet', 'HEAD'], { gitDir }).catch(() => runGit(['rev-parse', 'HEAD'], { gitDir }))
    const [refs, restoredRefs] = [await refsOf(this.path), await refsOf(restored)]
    const [objects, restoredObjects] = [await reachableObjects(this.path), await reachableObjects(restored)]
    const difference =
      refs !== restoredRefs
        ? 'the refs differ'
        : (await headOf(this.path)) !== (await headOf(restored))
          ? 'HEAD differs'
          : objects.join('\n') !== restoredObjects.join('\n')
            ? `the objects differ: expected ${objects.length}, got ${restoredObjects.length}`
            : ''
    await runGit(['fsck', '--full', '--no-dangling', '--no-progress', '--connectivity-only'], { gitDir: restored })
    return { equal: difference === '', refs: refs.split('\n').length - 1, objects: objects.length, difference }
  }

  private async tip(ref: string): Promise<string | null> {
    const tip = (await this.git(['for-each-ref', '--format=%(objectname)', ref])).trim()
    return tip === '' ? null : tip
  }

  /** A commit that sets one file beside whatever its first parent has. */
  private async commit(
    parents: readonly string[],
    file: { readonly path: string; readonly text: string },
    message: string,
  ): Promise<string> {
    const blob = (await runGit(['hash-object', '-w', '--stdin'], { gitDir: this.path }, file.text)).trim()
    const before = parents[0] === undefined ? '' : await this.git(['ls-tree', `${parents[0]}^{tree}`])
    const entries = before.split('\n').filter((line) => line !== '' && !line.endsWith(`\t${file.path}`))
    const listing = [...entries, `100644 blob ${blob}\t${file.path}`].join('\n')
    const tree = (await runGit(['mktree'], { gitDir: this.path }, `${listing}\n`)).trim()
    return (await this.git(['commit-tree', tree, ...parents.flatMap((parent) => ['-p', parent]), '-m', message])).trim()
  }

  private git(command: readonly string[]): Promise<string> {
    return runGit(command, { gitDir: this.path, environment: author })
  }
}

/** The repository that a folder lies in: the folder itself, or one above it. */
async function repositoryAround(folder: string): Promise<string> {
  try {
    return resolve(folder, (await runGit(['-C', folder, 'rev-parse', '--show-cdup'], { config: anyOwner })).trim())
  } catch (error) {
    // Whoever unpacked an archive of our source has no checkout, and git's words would not say what to do.
    if (!isEscrowError(error, 'GIT_FAILED') || !/not a git repository|cannot change to/.test(error.message)) throw error
    const what = 'name one: `npm run demo -- <path or URL>`, or `escrow demo <path or URL>`'
    throw new EscrowError('ARGUMENT_INVALID', `expected a git repository at ${folder}, got none; ${what}`, { cause: error })
  }
}

async function reachableObjects(gitDir: string): Promise<readonly string[]> {
  const run = startGit(['rev-list', '--objects', '--no-object-names', '--all', '--ignore-missing'], { gitDir })
  run.stdin.end()
  let text = ''
  for await (const chunk of run.stdout as AsyncIterable<Buffer>) text += chunk.toString('latin1')
  await run.ended
  return text
    .split('\n')
    .filter((line) => line !== '')
    .sort()
}
