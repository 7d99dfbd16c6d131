import { readFile, realpath, stat } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { EscrowError, isEscrowError } from '../core/errors.js'
import { pathBytesMax, remoteIdleTimeoutMs } from '../core/limits.js'
import { startGit, type GitRun } from './git-command.js'
import { GitRemote, type FetchRequest, type RefListing } from './git-remote.js'
import { withIdleLimit } from './idle-limit.js'
import { PacketReader } from './pkt-line.js'
import {
  fetchRequest,
  lsRefsRequest,
  objectFormatOf,
  readCapabilities,
  readPack,
  readRefListing,
  type Capabilities,
} from './upload-pack-client.js'
import { writeBlocks } from './write-blocks.js'

/** A git that has closed its output early is about to go; we wait so long for its last words. */
const exitPatienceMs = 2_000

/** One conversation with `git upload-pack`. */
interface Talk {
  readonly run: GitRun
  readonly reader: PacketReader
}

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
  readonly #options: LocalRemoteOptions

  constructor(options: LocalRemoteOptions) {
    super()
    this.#options = options
  }

  async listRefs(signal?: AbortSignal): Promise<RefListing> {
    const talk = await this.#start(signal)
    try {
      const capabilities = await readCapabilities(talk.reader)
      await writeBlocks(talk.run.stdin, lsRefsRequest(capabilities))
      const listing = await readRefListing(talk.reader, objectFormatOf(capabilities))
      talk.run.stdin.end()
      return listing
    } catch (error) {
      throw await explain(error, talk.run, signal)
    } finally {
      release(talk)
    }
  }

  async *fetchPack(request: FetchRequest, signal?: AbortSignal): AsyncGenerator<Uint8Array, void, undefined> {
    const talk = await this.#start(signal)
    try {
      const capabilities: Capabilities = await readCapabilities(talk.reader)
      // Not awaited: a server that refuses early answers while we still write.
      const sent = writeBlocks(talk.run.stdin, fetchRequest(capabilities, request)).catch(() => undefined)
      yield* readPack(talk.reader, talk.run.words)
      await sent
      talk.run.stdin.end()
    } catch (error) {
      throw await explain(error, talk.run, signal)
    } finally {
      release(talk)
    }
  }

  async #start(signal?: AbortSignal): Promise<Talk> {
    signal?.throwIfAborted()
    const gitDir = await findGitDir(this.#options.path)
    const options = {
      program: this.#options.gitProgram,
      config: [`safe.directory=${gitDir}`, `safe.directory=${gitDir.replace(/\/\.git$/, '')}`],
      environment: { GIT_PROTOCOL: 'version=2' },
    }
    const run = startGit(['upload-pack', '--strict', '--', gitDir], options, signal)
    const idleTimeoutMs = this.#options.idleTimeoutMs ?? remoteIdleTimeoutMs
    return { run, reader: new PacketReader(withIdleLimit(run.stdout, idleTimeoutMs)) }
  }
}

/** Nobody reads to the end of what git says, so the stream has to be ended, and with it the timer that watches it. */
function release({ run, reader }: Talk): void {
  run.kill()
  reader.close().catch(() => undefined)
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

/** A stream that just ends means little; git's own words and exit code say why. */
async function explain(error: unknown, run: GitRun, signal: AbortSignal | undefined): Promise<unknown> {
  if (signal?.aborted === true) return signal.reason
  if (!isEscrowError(error, 'REMOTE_BROKEN')) return error
  run.stdin.end()
  const patience = setTimeout(run.kill, exitPatienceMs)
  const failure: unknown = await run.ended.then(
    () => null,
    (reason: unknown) => reason,
  )
  clearTimeout(patience)
  if (isEscrowError(failure, 'GIT_MISSING')) return failure
  const words = run.words.toString()
  if (words === '' || error.message.includes(words)) return error
  return new EscrowError('REMOTE_BROKEN', `${error.message}; the remote said: ${JSON.stringify(words)}`, { cause: error })
}
