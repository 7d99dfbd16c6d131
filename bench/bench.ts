// One run of the bench: its folder, its remote, what several rows share, and what is stopped when it ends.
import { spawn, type ChildProcess } from 'node:child_process'
import { mkdir, rm } from 'node:fs/promises'
import { basename, dirname, isAbsolute, join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { childCommand } from './measure.js'

/** One way to reach the remote, for git and for us. */
export interface Transport {
  readonly name: 'local' | 'http' | 'url'
  readonly gitUrl: string
  readonly ownUrl: string
}

/** How large the fleet of workers' sources is. */
export interface FleetWish {
  readonly sources: number
  readonly polls: number
  /** Where workers leave what took their time; null for nowhere. */
  readonly profile: string | null
}

/** What a run is told. */
export interface BenchWish {
  readonly remote: string
  readonly rounds: number
  readonly fleet: FleetWish
}

/** Everything that rows share. */
export class Bench {
  private readonly memory = new Map<string, Promise<unknown>>()
  private readonly servers: ChildProcess[] = []
  private readonly endings: (() => Promise<void>)[] = []
  private folders = 0

  /**
   * @param root - an empty folder; removed by `close`.
   * @param wish.remote - a path or a URL.
   * @param wish.rounds - how often each side of a comparison is run, alternately.
   */
  constructor(
    readonly root: string,
    private readonly wish: BenchWish,
    readonly say: (line: string) => void,
  ) {}

  get remote(): string {
    return this.wish.remote
  }

  get rounds(): number {
    return this.wish.rounds
  }

  get fleet(): FleetWish {
    return this.wish.fleet
  }

  /** Where the remote is on this machine; null for a URL. */
  get remotePath(): string | null {
    return /^https?:\/\//.test(this.remote) ? null : resolve(this.remote)
  }

  /** A new folder inside `root`. */
  async folder(name: string): Promise<string> {
    this.folders += 1
    const path = join(this.root, `${this.folders}-${name}`)
    await mkdir(path)
    return path
  }

  /** Do something once for all rows that need it. */
  once<T>(name: string, make: () => Promise<T>): Promise<T> {
    const before = this.memory.get(name) as Promise<T> | undefined
    const made = before ?? make()
    this.memory.set(name, made)
    return made
  }

  /** The remote by every transport that there is: a repository on this machine is also served by `git http-backend` on loopback. */
  async transports(): Promise<readonly Transport[]> {
    const path = this.remotePath
    if (path === null) return [{ name: 'url', gitUrl: this.remote, ownUrl: this.remote }]
    const origin = await this.once('git-server', () => this.serve('git-server', { root: dirname(path) }))
    const url = `${origin}/${basename(path)}`
    return [
      { name: 'local', gitUrl: `file://${path}`, ownUrl: path },
      { name: 'http', gitUrl: url, ownUrl: url },
    ]
  }

  /** As `start`. @returns its first line. */
  async serve(name: string, input: unknown): Promise<string> {
    return (await this.start(name, input)).said
  }

  /** Start a server of `bench/child` in a process of its own, so that its work is not counted as ours. @returns its first line, and its id. */
  async start(name: string, input: unknown): Promise<{ readonly said: string; readonly pid: number | undefined }> {
    const [program = '', ...args] = childCommand(name, input)
    const server = spawn(program, args, { stdio: ['ignore', 'pipe', 'inherit'] })
    this.servers.push(server)
    for await (const line of createInterface({ input: server.stdout })) return { said: line, pid: server.pid }
    throw new Error(`${name} said nothing`)
  }

  /** Do something when the bench ends, last first. */
  atEnd(ending: () => Promise<void>): void {
    this.endings.push(ending)
  }

  async close(): Promise<void> {
    for (const server of this.servers) server.kill()
    for (const ending of this.endings.toReversed()) await ending()
    if (isAbsolute(this.root)) await rm(this.root, { recursive: true, force: true })
  }
}
