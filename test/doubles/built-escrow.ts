import { spawn, spawnSync, type ChildProcessWithoutNullStreams } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Ended } from './escrow-command.js'

const project = join(import.meta.dirname, '../..')

/** How a process of the built program ended. */
export interface ProcessEnded extends Ended {
  /** Null when it ended by itself. */
  readonly signal: NodeJS.Signals | null
}

/** The program as `npm run build` makes it, in a folder of its own, for tests that need a process to kill. Remove it afterwards. */
export class BuiltEscrow {
  private constructor(readonly dist: string) {}

  /** Takes seconds. Below the checkout, because a program finds its packages by walking up. */
  static build(): BuiltEscrow {
    mkdirSync(join(project, 'dist'), { recursive: true })
    const dist = mkdtempSync(join(project, 'dist', 'crash-walk-'))
    const tsc = join(fileURLToPath(import.meta.resolve('typescript/package.json')), '../bin/tsc')
    // That types hold is another check's business; here only the program counts.
    const only = ['--noCheck', '--incremental', 'false', '--sourceMap', 'false']
    const options = ['-p', join(project, 'config/tsconfig.build.json'), '--outDir', dist, ...only]
    // TypeScript forbids the name of the cache file beside `incremental: false`.
    const built = spawnSync(process.execPath, [tsc, ...options, '--tsBuildInfoFile', 'null'], { encoding: 'utf8' })
    if (!existsSync(join(dist, 'src/cli/main.js'))) throw new Error(`tsc: ${built.stdout}${built.stderr}`)
    cpSync(join(project, 'src/db/migrations'), join(dist, 'src/db/migrations'), { recursive: true })
    for (const thread of ['git/second-opinion-worker.mjs', 'crypto/digest-worker.mjs'])
      cpSync(join(project, 'src', thread), join(dist, 'src', thread))
    return new BuiltEscrow(dist)
  }

  remove(): void {
    rmSync(this.dist, { recursive: true, force: true })
  }

  /** Run `escrow` and let it be killed right after its n-th change. Ends by itself when it makes fewer. */
  crashAfter(step: number, argv: readonly string[]): Promise<ProcessEnded> {
    const preload = join(import.meta.dirname, 'crash-preload.mjs')
    return this.run(['--import', preload], argv, { env: { CRASH_DIST: this.dist, CRASH_AFTER: `${step}` } })
  }

  /** Run `escrow` and kill it from outside after some time. */
  killAfter(delayMs: number, argv: readonly string[]): Promise<ProcessEnded> {
    return this.run([], argv, { killAfterMs: delayMs })
  }

  /** Run `escrow` with a disk of its own, that is only so large, in the place of a folder. Linux, and whoever may mount. */
  onSmallDisk(disk: { readonly folder: string; readonly sizeKiB: number }, argv: readonly string[]): Promise<ProcessEnded> {
    const script = 'mount -t tmpfs -o size="$1"k tmpfs "$2" && shift 2 && exec "$@"'
    const words = ['-c', script, 'sh', `${disk.sizeKiB}`, disk.folder, process.execPath, join(this.dist, 'src/cli/main.js'), ...argv]
    return ended(spawn('unshare', ['--map-root-user', '--mount', 'sh', ...words], { env: environment() }))
  }

  /** Start `escrow` and let it run until it is sent a signal. */
  start(argv: readonly string[], env: NodeJS.ProcessEnv = {}): RunningEscrow {
    return new RunningEscrow(spawn(process.execPath, [join(this.dist, 'src/cli/main.js'), ...argv], { env: environment(env) }))
  }

  private run(
    options: readonly string[],
    argv: readonly string[],
    how: { readonly env?: NodeJS.ProcessEnv; readonly killAfterMs?: number },
  ): Promise<ProcessEnded> {
    const main = join(this.dist, 'src/cli/main.js')
    const child = spawn(process.execPath, [...options, main, ...argv], { env: environment(how.env) })
    const timer = how.killAfterMs === undefined ? undefined : setTimeout(() => child.kill('SIGKILL'), how.killAfterMs)
    return ended(child).finally(() => clearTimeout(timer))
  }
}

/** A process of the built program that serves. */
export class RunningEscrow {
  readonly ended: Promise<ProcessEnded>
  #said = ''

  constructor(private readonly child: ChildProcessWithoutNullStreams) {
    child.stderr.on('data', (chunk: Buffer) => (this.#said += chunk.toString()))
    this.ended = ended(child)
  }

  /** What it has said so far on standard error: who it is, then a line of JSON for each job. */
  get said(): string {
    return this.#said
  }

  /** What it said of the jobs of one name, with these words. */
  jobs<Facts>(job: string, msg: string): readonly Facts[] {
    const lines = this.#said.split('\n').filter((line) => line.startsWith('{') && line.endsWith('}'))
    const facts = lines.map((line) => JSON.parse(line) as Facts & { readonly job?: string; readonly msg?: string })
    return facts.filter((one) => one.job === job && one.msg === msg)
  }

  /** Send it a signal, and wait for its end. */
  async end(signal: 'SIGTERM' | 'SIGKILL'): Promise<ProcessEnded> {
    this.child.kill(signal)
    return this.ended
  }
}

function environment(more: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv {
  return { PATH: process.env['PATH'], TZ: 'UTC', ...more }
}

function ended(child: ChildProcessWithoutNullStreams): Promise<ProcessEnded> {
  const said: Buffer[] = []
  const words: Buffer[] = []
  child.stdout.on('data', (chunk: Buffer) => said.push(chunk))
  child.stderr.on('data', (chunk: Buffer) => words.push(chunk))
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code, signal) => {
      const [out, err] = [Buffer.concat(said).toString(), Buffer.concat(words).toString()]
      resolve({ exitCode: code ?? -1, signal, out, err, text: `${out}${err}` })
    })
  })
}
