// `escrow serve` in a process of its own: where it listens, and what it has cost so far.
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { cpuMsOf } from './measure.js'

const mainProgram = fileURLToPath(new URL('../src/cli/main.js', import.meta.url))

/** A service that runs. */
export interface Served {
  readonly url: string
  /** The highest resident memory of Node so far, in bytes. */
  peakRssBytes(): Promise<number>
  /** User and system time so far, with its children's. */
  cpuMs(): Promise<number>
  /** Ends it, and waits. */
  stop(): Promise<void>
}

/** Serve a home folder on any free port. @throws Error when it ends before it listens. */
export async function serveHome(home: string): Promise<Served> {
  const server = spawn(process.execPath, [mainProgram, 'serve', '--role', 'api', '--home', home], {
    env: { ...process.env, ESCROW_HTTP_PORT: '0' },
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  const url = await addressOf(server)
  return {
    url,
    peakRssBytes: async () => {
      const status = await readFile(`/proc/${server.pid}/status`, 'utf8')
      return Number(/VmHWM:\s+(\d+) kB/.exec(status)?.[1] ?? Number.NaN) * 1024
    },
    cpuMs: () => cpuMsOf(server.pid),
    stop: async () => {
      server.kill('SIGTERM')
      await once(server, 'exit')
    },
  }
}

async function addressOf(server: ChildProcess): Promise<string> {
  if (server.stderr === null) throw new Error('expected a piped stderr')
  const said: string[] = []
  for await (const line of createInterface({ input: server.stderr })) {
    said.push(line)
    const [, url] = /service +(http:\S+)/.exec(line) ?? []
    if (url === undefined) continue
    server.stderr.resume()
    return url
  }
  throw new Error(`escrow serve ended: ${said.slice(-5).join('\n')}`)
}
