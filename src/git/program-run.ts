import { spawn, type ChildProcessByStdio } from 'node:child_process'
import type { Readable, Writable } from 'node:stream'
import type { EscrowError } from '../core/errors.js'
import { Words } from './remote-words.js'

/** The one way in which a process is started: without a shell, with an environment that is replaced rather than inherited. */

/** Where programs are looked for: a fixed list, because a PATH from elsewhere may name somebody else's git. */
export const searchPath = '/usr/local/bin:/opt/homebrew/bin:/run/current-system/sw/bin:/usr/bin:/bin'

const killAfterMs = 5_000

/** What to start, and what its failures are called. */
export interface ProgramStart {
  /** An absolute path, or a name to be found in `searchPath`. */
  readonly program: string
  /** Ours: what a stranger chose comes by stdin or after `--`, and only after it was checked. */
  readonly args: readonly string[]
  /** All of it. */
  readonly environment: Readonly<Record<string, string>>
  /** It could not be started. */
  readonly missing: (problem: string, cause: unknown) => EscrowError
  /** It ended otherwise than with 0. */
  readonly failed: (exit: ProgramExit, words: string) => EscrowError
  /** Each chunk of stderr, as it comes; what is kept for messages is independent of it. */
  readonly onStderr?: ((chunk: Uint8Array) => void) | undefined
}

/** How a program ended: by its own code, or by a signal. */
export interface ProgramExit {
  readonly code: number | null
  readonly signalName: string | null
}

/** A program that runs. */
export interface ProgramRun {
  readonly stdin: Writable
  readonly stdout: Readable
  /** What it said on stderr so far: the end of it. */
  readonly words: Words
  /**
   * Settles when it is gone. Never an unhandled rejection: who does not wait for it does not hear of it.
   *
   * @throws EscrowError from `missing` or `failed`; the signal's reason.
   */
  readonly ended: Promise<void>
  /** Ask it to go, and make it go after 5 seconds. Idempotent. */
  readonly kill: () => void
}

type Child = ChildProcessByStdio<Writable, Readable, Readable>

/**
 * Start a program. The caller writes and ends `stdin`, reads `stdout` to its end (or kills), and waits for `ended`.
 *
 * @param signal - kills it; `ended` then rejects with the signal's reason.
 */
export function startProgram(start: ProgramStart, signal?: AbortSignal): ProgramRun {
  const child: Child = spawn(start.program, [...start.args], { env: { ...start.environment }, stdio: ['pipe', 'pipe', 'pipe'] })
  const words = new Words()
  child.stderr.on('data', (chunk: Uint8Array) => {
    words.add(chunk)
    start.onStderr?.(chunk)
  })
  // It may close its stdin while we still write; why it did so is in `ended`.
  child.stdin.on('error', () => undefined)
  child.stdout.on('error', () => undefined)
  const kill = killer(child)
  const ended = whenEnded(child, { start, words, kill }, signal)
  ended.catch(() => undefined)
  return { stdin: child.stdin, stdout: child.stdout, words, ended, kill }
}

function killer(child: Child): () => void {
  return () => {
    if (child.exitCode !== null || child.signalCode !== null) return
    child.kill('SIGTERM')
    child.stdin.destroy()
    child.stdout.destroy()
    setTimeout(() => child.kill('SIGKILL'), killAfterMs).unref()
  }
}

interface Watched {
  readonly start: ProgramStart
  readonly words: Words
  readonly kill: () => void
}

async function whenEnded(child: Child, { start, words, kill }: Watched, signal: AbortSignal | undefined): Promise<void> {
  if (signal?.aborted === true) kill()
  signal?.addEventListener('abort', kill, { once: true })
  try {
    const exit = await new Promise<ProgramExit>((resolve, reject) => {
      child.once('error', reject)
      child.once('close', (code, signalName) => resolve({ code, signalName }))
    }).catch((cause: unknown) => {
      throw start.missing(startProblem(cause), cause)
    })
    signal?.throwIfAborted()
    if (exit.code !== 0) throw start.failed(exit, words.toString())
  } finally {
    signal?.removeEventListener('abort', kill)
  }
}

function startProblem(cause: unknown): string {
  return cause instanceof Error && 'code' in cause ? String(cause.code) : 'an unknown problem'
}
