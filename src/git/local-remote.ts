import { readFile, realpath, stat } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { EscrowError } from '../core/errors.js'
import { pathBytesMax, remoteIdleTimeoutMs } from '../core/limits.js'
import { startGit } from './git-command.js'
import { GitRemote, type FetchRequest, type RefListing } from './git-remote.js'
import { LocalLfs, mainGitDir } from './local-lfs.js'
import { beginTalk, fetchOver, listOver, type Talk } from './talk.js'

/** Where the repository is and which git reads it. */
export interface LocalRemoteOptions {
  /** Absolute path of a repository: bare, or a work tree with its `.git` folder, or with a `.git` file that names the folder (linked work trees, submodules). */
  readonly path: string
  readonly gitProgram?: string | undefined
  /** Milliseconds without a byte before git is given up. Default `remoteIdleTimeoutMs`. */
  readonly idleTimeoutMs?: number | undefined
}

/**
 * ADAPTER of `GitRemote`: a repository on this machine, read through `git upload-pack` exactly as a remote one is read.
 *
 * The process lives as long as one call: it is killed when the caller aborts or stops reading.
 */
export class LocalRemote extends GitRemote {
  override readonly lfs: LocalLfs
  override readonly folder: () => Promise<string>
  readonly #options: LocalRemoteOptions

  constructor(options: LocalRemoteOptions) {
    super()
    this.#options = options
    this.lfs = new LocalLfs(() => findGitDir(options.path))
    this.folder = async () => mainGitDir(await findGitDir(options.path))
  }

  async listRefs(signal?: AbortSignal): Promise<RefListing> {
    return listOver(await this.#begin(signal))
  }

  async *fetchPack(request: FetchRequest, signal?: AbortSignal): AsyncGenerator<Uint8Array, void, undefined> {
    yield* fetchOver(await this.#begin(signal), request)
  }

  async #begin(signal?: AbortSignal): Promise<Talk> {
    signal?.throwIfAborted()
    const gitDir = await findGitDir(this.#options.path)
    const options = {
      program: this.#options.gitProgram,
      config: [`safe.directory=${gitDir}`, `safe.directory=${gitDir.replace(/\/\.git$/, '')}`],
      environment: { GIT_PROTOCOL: 'version=2' },
    }
    const run = startGit(['upload-pack', '--strict', '--', gitDir], options, signal)
    return beginTalk(run, this.#options.idleTimeoutMs ?? remoteIdleTimeoutMs, signal)
  }
}

/** Resolved to its real place, so that the ownership exception names exactly one folder. */
async function findGitDir(path: string): Promise<string> {
  const missing = new EscrowError('REMOTE_NOT_FOUND', 'expected a git repository at the path of the source, got none')
  const root = await realpath(path).catch(() => null)
  if (root === null) throw missing
  const inner = join(root, '.git')
  const found = await stat(inner).catch(() => null)
  const gitDir = found?.isDirectory() === true ? inner : found?.isFile() === true ? await folderNamedIn(inner, found.size) : root
  const isRepository = gitDir !== null && (await stat(join(gitDir, 'HEAD')).catch(() => null))?.isFile() === true
  if (!isRepository) throw missing
  return gitDir
}

/** gitrepository-layout(5), "gitfile": one line `gitdir: <path>`, relative to the work tree. @returns null for anything else. */
async function folderNamedIn(gitFile: string, sizeBytes: number): Promise<string | null> {
  if (sizeBytes > pathBytesMax) return null
  const [, path] = /^gitdir: ([^\0\n]+)\n*$/.exec(await readFile(gitFile, 'utf8')) ?? []
  return path === undefined ? null : realpath(resolve(gitFile, '..', path)).catch(() => null)
}
