// A fleet on this machine: PostgreSQL, Redis, two folders as replicas and two worker processes, over 200 sources of one small repository.
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { Client } from 'pg'
import type { Bench } from './bench.js'
import { BenchHome } from './home.js'
import { measure } from './measure.js'
import { makeSyntheticRemote } from './synthetic-remote.js'
import { postgres, redis } from './tools.js'

const workerCount = 2
const refs = 300
/** Of Linux on every machine that we know (sysconf(_SC_CLK_TCK)). */
const ticksPerSecond = 100
const mainProgram = fileURLToPath(new URL('../src/cli/main.js', import.meta.url))

/** A job that a worker says it has done. */
export interface JobDone {
  readonly worker: number
  readonly outcome: string
}

/** What the workers have used so far, together. */
export interface FleetUsage {
  readonly cpuMs: number
  /** Of each worker at this moment. */
  readonly rssBytes: readonly number[]
}

/** Servers and workers that two rows share. */
export class Fleet {
  /** Deposits and looks, in the order in which they ended. */
  readonly done: JobDone[] = []
  /** What went wrong, as the workers say it. */
  readonly failed: string[] = []
  private readonly workers: ChildProcess[] = []

  private constructor(
    private readonly client: Client,
    readonly redisUrl: string,
    readonly remote: string,
    private readonly profile: string | null,
  ) {}

  /** @returns null when PostgreSQL or Redis is not installed. */
  static of(bench: Bench): Promise<Fleet | null> {
    return bench.once('fleet', () => Fleet.open(bench))
  }

  private static async open(bench: Bench): Promise<Fleet | null> {
    const [databaseUrl, redisUrl] = [await postgres(bench), await redis(bench)]
    if (databaseUrl === null || redisUrl === null) return null
    const { sources, profile } = bench.fleet
    bench.say(`fleet: an agreement with ${sources} sources`)
    await measure(['psql', '--quiet', databaseUrl, '-c', 'create database fleet'])
    const postgresUrl = databaseUrl.replace(/\/[^/]*$/, '/fleet')
    const remote = `${await bench.folder('fleet-remote')}/product.git`
    await makeSyntheticRemote(remote, 1)
    await addRefs(remote)
    const names = Array.from({ length: sources }, (_, place) => `source-${place}`)
    const jobs = { depositsAtOnce: 4, hostAtOnce: 1000, hostPerMinute: 100_000 }
    const home = await BenchHome.arm(await bench.folder('fleet-home'), { url: remote, names, postgresUrl, redisUrl, jobs })
    const client = new Client({ connectionString: postgresUrl })
    await client.connect()
    const fleet = new Fleet(client, redisUrl, remote, profile)
    bench.atEnd(() => fleet.close())
    // Nothing begins before it is timed.
    await fleet.sql("update source set look_at = now() + interval '1 day'")
    for (let worker = 0; worker < workerCount; worker += 1) await fleet.start(worker, home.home)
    return fleet
  }

  /** Rows as arrays of what they hold. */
  async sql(statement: string, values: readonly unknown[] = []): Promise<readonly (readonly unknown[])[]> {
    return (await this.client.query<unknown[]>({ text: statement, values: [...values], rowMode: 'array' })).rows
  }

  /** Wait until so many jobs are done since `from`. @throws Error when one failed */
  async untilDone(from: number, count: number): Promise<readonly JobDone[]> {
    while (this.done.length < from + count) {
      if (this.failed.length > 0) throw new Error(`a job failed: ${this.failed[0]}`)
      await new Promise((resolve) => void setTimeout(resolve, 20))
    }
    return this.done.slice(from)
  }

  /** Now. */
  async usage(): Promise<FleetUsage> {
    const [cpu, rss] = [this.workers.map(cpuMs), this.workers.map(rssBytes)]
    return { cpuMs: (await Promise.all(cpu)).reduce((sum, ms) => sum + ms, 0), rssBytes: await Promise.all(rss) }
  }

  private async start(worker: number, home: string): Promise<void> {
    const environment = { ...process.env, ESCROW_HTTP_PORT: '0' }
    const profiled = this.profile === null ? [] : ['--cpu-prof', '--cpu-prof-dir', this.profile]
    const argv = [...profiled, mainProgram, 'serve', '--role', 'worker', '--home', home]
    const child = spawn(process.execPath, argv, { env: environment, stdio: ['ignore', 'ignore', 'pipe'] })
    this.workers.push(child)
    if (child.stderr === null) throw new Error('expected the words of a worker')
    const lines = createInterface({ input: child.stderr })
    await new Promise<void>((resolve, reject) => {
      lines.on('line', (line) => {
        if (/service +http/.test(line)) resolve()
        this.hear(worker, line)
      })
      child.once('exit', () => reject(new Error('escrow serve ended')))
    })
  }

  private hear(worker: number, line: string): void {
    if (!line.startsWith('{')) return
    const { job, msg, outcome = '' } = JSON.parse(line) as { readonly job?: string; readonly msg?: string; readonly outcome?: string }
    if (job !== 'mirror-source') return
    if (msg === 'job done') this.done.push({ worker, outcome })
    else this.failed.push(line)
  }

  private async close(): Promise<void> {
    for (const worker of this.workers) {
      worker.kill('SIGTERM')
      if (worker.exitCode === null) await once(worker, 'exit')
    }
    await this.client.end()
  }
}

/** As many refs as the row unchanged-poll has. */
async function addRefs(gitDir: string): Promise<void> {
  const head = (await measure(['git', '-C', gitDir, 'rev-parse', 'main'])).stdout.trim()
  const packed = Array.from({ length: refs - 1 }, (_, place) => `create refs/heads/topic-${String(place).padStart(5, '0')} ${head}\n`)
  const git = spawn('git', ['-C', gitDir, 'update-ref', '--stdin'], { stdio: ['pipe', 'ignore', 'inherit'] })
  git.stdin.end(packed.join(''))
  await once(git, 'close')
  await measure(['git', '-C', gitDir, 'pack-refs', '--all'])
}

/** User and system time of a process and of those it waited for (proc(5), /proc/pid/stat). */
async function cpuMs({ pid }: ChildProcess): Promise<number> {
  const fields = (await readFile(`/proc/${pid}/stat`, 'utf8')).split(') ').at(-1)?.split(' ').slice(11, 15) ?? []
  return fields.reduce((sum, ticks) => sum + (Number(ticks) * 1000) / ticksPerSecond, 0)
}

async function rssBytes({ pid }: ChildProcess): Promise<number> {
  const [, kib] = /^VmRSS:\s+(\d+) kB/m.exec(await readFile(`/proc/${pid}/status`, 'utf8')) ?? []
  return Number(kib) * 1024
}
