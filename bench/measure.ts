// Starts what is compared and says what it cost: wall time, and user and system time of the whole tree of processes.
import { spawn } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { monotonicMs } from '../src/core/environment.js'

/** What one run cost. */
export interface Cost {
  readonly wallMs: number
  readonly cpuMs: number
  readonly stdout: string
}

/** The shell's `times` counts every descendant that was waited for, which Node cannot (POSIX, "times"); it prints to descriptor 3. */
const timed = '"$@" 3>&-; status=$?; times >&3; exit $status'
const wordsMax = 4000
/** `getconf CLK_TCK` says 100 wherever Linux runs. */
const msPerTick = 10

/**
 * Run a command and measure it.
 *
 * @param expected - exit codes that are no failure.
 * @throws Error with the last words of the command when it fails.
 */
export async function measure(
  command: readonly string[],
  options: { readonly cwd?: string; readonly env?: Readonly<Record<string, string>>; readonly expected?: readonly number[] } = {},
): Promise<Cost> {
  const startedMs = monotonicMs()
  const child = spawn('/bin/sh', ['-c', timed, 'measure', ...command], {
    cwd: options.cwd,
    env: { ...process.env, GIT_CONFIG_NOSYSTEM: '1', GIT_CONFIG_GLOBAL: '/dev/null', GIT_TERMINAL_PROMPT: '0', ...options.env },
    stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
  })
  const [, stdout, stderr, times] = child.stdio.map((stream) => collect(stream as AsyncIterable<Uint8Array> | null))
  const code = await new Promise<number | null>((resolve, reject) => child.once('error', reject).once('close', resolve))
  const wallMs = monotonicMs() - startedMs
  if (code === null || !(options.expected ?? [0]).includes(code)) {
    throw new Error(`${command.join(' ')} ended with code ${code}: ${(await stderr)?.slice(-wordsMax)}`)
  }
  return { wallMs, cpuMs: childrenCpuMs((await times) ?? ''), stdout: (await stdout) ?? '' }
}

/** A program of `bench/child`, in a process of its own. @returns its last line of output, which is JSON, and its cost. */
export async function measureChild<T>(name: string, input: unknown): Promise<{ readonly cost: Cost; readonly result: T }> {
  const cost = await measure(childCommand(name, input))
  return { cost, result: JSON.parse(cost.stdout.trimEnd().split('\n').at(-1) ?? '') as T }
}

/** The command line of a program of `bench/child`. */
export function childCommand(name: string, input: unknown): readonly string[] {
  const path = fileURLToPath(new URL(`child/${name}.js`, import.meta.url))
  return [process.execPath, '--enable-source-maps', path, JSON.stringify(input)]
}

/** User and system time so far of a process that goes on, and of its children that have ended (proc(5), `/proc/pid/stat`). @returns NaN elsewhere. */
export async function cpuMsOf(pid: number | undefined): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '')
  // The name stands in parentheses, and may hold some itself.
  const ticks = stat
    .slice(stat.lastIndexOf(')') + 2)
    .split(' ')
    .slice(11, 15)
  return ticks.length < 4 ? Number.NaN : ticks.reduce((sum, count) => sum + Number(count) * msPerTick, 0)
}

/** The middle of some numbers; of an even count the lower one. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.floor((sorted.length - 1) / 2)] ?? Number.NaN
}

/** The run with the median wall time, its other numbers medians of their own. */
export function medianCost(costs: readonly Pick<Cost, 'wallMs' | 'cpuMs'>[]): { readonly wallMs: number; readonly cpuMs: number } {
  return { wallMs: median(costs.map((cost) => cost.wallMs)), cpuMs: median(costs.map((cost) => cost.cpuMs)) }
}

async function collect(stream: AsyncIterable<Uint8Array> | null): Promise<string> {
  const chunks: Uint8Array[] = []
  for await (const chunk of stream ?? []) chunks.push(chunk)
  return Buffer.concat(chunks).toString('utf8')
}

/** Two lines, the shell's own and its children's: `0m1.23s 0m0.45s`. */
function childrenCpuMs(times: string): number {
  const children = times.trimEnd().split('\n').at(-1) ?? ''
  const parts = [...children.matchAll(/(\d+)m([\d.]+)s/g)]
  return parts.reduce((sum, [, minutes, seconds]) => sum + Number(minutes) * 60_000 + Number(seconds) * 1000, 0)
}
