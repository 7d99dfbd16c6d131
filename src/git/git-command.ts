import { EscrowError } from '../core/errors.js'
import { gitAllocationBytesMax } from '../core/limits.js'
import { searchPath, startProgram, type ProgramExit, type ProgramRun } from './program-run.js'

/**
 * The one way in which git is started.
 *
 * Configuration of the machine and of the user does not apply: a `core.hooksPath`, `uploadpack.packObjectsHook` or credential helper
 * from there would run programs in the middle of a deposit. Arguments are ours; anything a stranger chose comes after `--` or by stdin.
 */

/** The oldest git that we try ourselves against. */
const oldestVersion = [2, 39] as const
const outputBytesMax = 64 * 1024 * 1024

const environment: Readonly<Record<string, string>> = {
  PATH: searchPath,
  HOME: '/nonexistent',
  LC_ALL: 'C',
  TZ: 'UTC',
  GIT_CONFIG_NOSYSTEM: '1',
  GIT_CONFIG_GLOBAL: '/dev/null',
  GIT_ATTR_NOSYSTEM: '1',
  GIT_TERMINAL_PROMPT: '0',
  GIT_OPTIONAL_LOCKS: '0',
  // A replace ref or a promised object would make git answer with something else than what the pack holds.
  GIT_NO_REPLACE_OBJECTS: '1',
  GIT_NO_LAZY_FETCH: '1',
  GIT_ALLOW_PROTOCOL: 'file',
  // What a pack unfolds to is its sender's choice.
  GIT_ALLOC_LIMIT: String(gitAllocationBytesMax),
}

/** How to start git. */
export interface GitOptions {
  /** An absolute path, or a name to be found in the usual places. Default `git`. */
  readonly program?: string | undefined
  /** The repository, if the command needs one: its git folder. */
  readonly gitDir?: string | undefined
  /** Settings for this command only; they come before any file. */
  readonly config?: readonly string[] | undefined
  /** Variables in addition to the fixed ones. */
  readonly environment?: Readonly<Record<string, string>> | undefined
  /** Each chunk of stderr, as it comes; what is kept for messages is independent of it. */
  readonly onStderr?: ((chunk: Uint8Array) => void) | undefined
}

/** A git that runs. `ended` rejects with `GIT_MISSING`, `SCRATCH_FULL`, or `GIT_FAILED` with the words of git. */
export type GitRun = ProgramRun

/**
 * Start git. The caller writes and ends `stdin`, reads `stdout` to its end (or kills), and waits for `ended`.
 *
 * @param command - the git command and its arguments.
 * @param signal - kills it; `ended` then rejects with the signal's reason.
 */
export function startGit(command: readonly string[], options: GitOptions = {}, signal?: AbortSignal): GitRun {
  const settings = ['core.fsync=none', 'gc.auto=0', 'maintenance.auto=false', 'core.hooksPath=/dev/null', ...(options.config ?? [])]
  const argv = [
    ...(options.gitDir === undefined ? [] : [`--git-dir=${options.gitDir}`]),
    ...settings.flatMap((setting) => ['-c', setting]),
    ...command,
  ]
  return startProgram(
    {
      program: options.program ?? 'git',
      args: argv,
      environment: { ...environment, ...options.environment },
      missing: (problem, cause) => new EscrowError('GIT_MISSING', `expected to start git, got ${problem}`, { cause }),
      failed: (exit, words) => gitFailed(command[0] ?? '', exit, words),
      onStderr: options.onStderr,
    },
    signal,
  )
}

/**
 * Run git to its end and collect what it prints.
 *
 * @param input - given to its stdin.
 * @returns stdout, at most 64 MiB.
 * @throws EscrowError as `GitRun.ended`; `GIT_FAILED` also for too much output.
 */
export async function runGit(command: readonly string[], options: GitOptions = {}, input = '', signal?: AbortSignal): Promise<string> {
  const run = startGit(command, options, signal)
  run.stdin.end(input)
  const chunks: Uint8Array[] = []
  let sizeBytes = 0
  for await (const chunk of run.stdout as AsyncIterable<Uint8Array>) {
    sizeBytes += chunk.length
    if (sizeBytes > outputBytesMax) {
      run.kill()
      throw new EscrowError('GIT_FAILED', `expected at most ${outputBytesMax} bytes from git ${command[0]}, got more`)
    }
    chunks.push(chunk)
  }
  await run.ended
  return Buffer.concat(chunks).toString('utf8')
}

/**
 * The version of git, e.g. `2.39.5`.
 *
 * @throws EscrowError `GIT_MISSING` if there is none or it is older than 2.39.
 */
export async function gitVersion(options: GitOptions = {}, signal?: AbortSignal): Promise<string> {
  const answer = await runGit(['version'], options, '', signal)
  const [, version, major, minor] = /^git version ((\d+)\.(\d+)[^\s]*)/.exec(answer) ?? []
  const isNewEnough = Number(major) > oldestVersion[0] || (Number(major) === oldestVersion[0] && Number(minor) >= oldestVersion[1])
  if (version === undefined || !isNewEnough) {
    throw new EscrowError('GIT_MISSING', `expected git ${oldestVersion.join('.')} or newer, got ${version ?? 'something else'}`)
  }
  return version
}

function gitFailed(name: string, { code, signalName }: ProgramExit, words: string): EscrowError {
  if (/No space left on device|Disk quota exceeded/.test(words))
    return new EscrowError('SCRATCH_FULL', `git ${name} ran out of space: ${words}`)
  const how = code === null ? `was killed by ${signalName ?? 'a signal'}` : `ended with code ${code}`
  return new EscrowError('GIT_FAILED', `git ${name} ${how}${words === '' ? '' : `: ${words}`}`, { details: { exitCode: code ?? -1 } })
}
