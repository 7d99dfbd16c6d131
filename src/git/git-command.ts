import { spawn, type ChildProcessByStdio } from 'node:child_process'
import type { Readable, Writable } from 'node:stream'
import { EscrowError } from '../core/errors.js'
import { Words } from './remote-words.js'

/**
 * The one way in which a process is started: git, without a shell, with an environment that is replaced rather than inherited.
 *
 * Configuration of the machine and of the user does not apply: a `core.hooksPath`, `uploadpack.packObjectsHook` or credential helper
 * from there would run programs in the middle of a deposit. Arguments are ours; anything a stranger chose comes after `--` or by stdin.
 */

/** The oldest git that we try ourselves against. */
const oldestVersion = [2, 39] as const
const killAfterMs = 5_000
const outputBytesMax = 64 * 1024 * 1024

/** Where git is looked for: a fixed list, because a PATH from elsewhere may name somebody else's git. */
const searchPath = '/usr/local/bin:/opt/homebrew/bin:/run/current-system/sw/bin:/usr/bin:/bin'

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

/** A git that runs. */
export interface GitRun {
  readonly stdin: Writable
  readonly stdout: Readable
  /** What it said on stderr so far: the end of it. */
  readonly words: Words
  /**
   * Settles when git is gone. Never an unhandled rejection: who does not wait for it does not hear of it.
   *
   * @throws EscrowError `GIT_MISSING`, `SCRATCH_FULL`, `GIT_FAILED` with the words of git.
   */
  readonly ended: Promise<void>
  /** Ask it to go, and make it go after 5 seconds. Idempotent. */
  readonly kill: () => void
}

type GitChild = ChildProcessByStdio<Writable, Readable, Readable>

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
  const child: GitChild = spawn(options.program ?? 'git', argv, {
    env: { ...environment, ...options.environment },
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  const words = new Words()
  child.stderr.on('data', (chunk: Uint8Array) => {
    words.add(chunk)
    options.onStderr?.(chunk)
  })
  // Git may close its stdin while we still write; why it did so is in `ended`.
  child.stdin.on('error', () => undefined)
  child.stdout.on('error', () => undefined)
  const kill = killer(child)
  const ended = whenEnded(child, command[0] ?? '', words, signal, kill)
  ended.catch(() => undefined)
  return { stdin: child.stdin, stdout: child.stdout, words, ended, kill }
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

function killer(child: GitChild): () => void {
  return () => {
    if (child.exitCode !== null || child.signalCode !== null) return
    child.kill('SIGTERM')
    child.stdin.destroy()
    child.stdout.destroy()
    setTimeout(() => child.kill('SIGKILL'), killAfterMs).unref()
  }
}

async function whenEnded(child: GitChild, name: string, words: Words, signal: AbortSignal | undefined, kill: () => void): Promise<void> {
  if (signal?.aborted === true) kill()
  signal?.addEventListener('abort', kill, { once: true })
  try {
    const exit = await new Promise<{ code: number | null; signalName: string | null }>((resolve, reject) => {
      child.once('error', reject)
      child.once('close', (code, signalName) => resolve({ code, signalName }))
    }).catch((cause: unknown) => {
      throw new EscrowError('GIT_MISSING', `expected to start git, got ${startProblem(cause)}`, { cause })
    })
    signal?.throwIfAborted()
    if (exit.code !== 0) throw gitFailed(name, exit.code, exit.signalName, words.toString())
  } finally {
    signal?.removeEventListener('abort', kill)
  }
}

function startProblem(cause: unknown): string {
  return cause instanceof Error && 'code' in cause ? String(cause.code) : 'an unknown problem'
}

function gitFailed(name: string, code: number | null, signalName: string | null, words: string): EscrowError {
  if (/No space left on device|Disk quota exceeded/.test(words))
    return new EscrowError('SCRATCH_FULL', `git ${name} ran out of space: ${words}`)
  const how = code === null ? `was killed by ${signalName ?? 'a signal'}` : `ended with code ${code}`
  return new EscrowError('GIT_FAILED', `git ${name} ${how}${words === '' ? '' : `: ${words}`}`, { details: { exitCode: code ?? -1 } })
}
