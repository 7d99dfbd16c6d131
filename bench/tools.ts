// Programs that the bench compares with or needs, and may not be there.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Bench } from './bench.js'
import { measure } from './measure.js'

/** Whether a program answers to a word. */
export async function installed(program: string, word: string): Promise<boolean> {
  return measure([program, word]).then(
    () => true,
    () => false,
  )
}

/** A throw-away PostgreSQL, stopped when the bench ends. @returns its URL, or null when there is none on this machine. */
export function postgres(bench: Bench): Promise<string | null> {
  return bench.once('postgres', async () => {
    const script = fileURLToPath(new URL('../../test/services/postgres.sh', import.meta.url))
    // Not below the folder of the bench: the server has a user of its own, which may not enter that.
    const folder = await mkdtemp(join(tmpdir(), 'reduit-bench-pg-'))
    const started = await measure(['bash', script, 'start', folder]).catch(() => null)
    bench.atEnd(async () => {
      await measure(['bash', script, 'stop', folder]).catch(() => undefined)
      await rm(folder, { recursive: true, force: true })
      await rm(`${folder}.initdb.log`, { force: true })
    })
    return started === null ? null : started.stdout.trim()
  })
}

/** An empty database of the throw-away PostgreSQL. @param name - said in words; each name once. @returns its URL, or null as `postgres`. */
export async function freshDatabase(bench: Bench, name: string): Promise<string | null> {
  const url = await postgres(bench)
  if (url === null) return null
  const database = name.replaceAll(/[^a-z0-9]+/g, '_')
  await measure(['psql', '--quiet', url, '-c', `create database ${database}`])
  return url.replace(/\/[^/]*$/, `/${database}`)
}

/** A throw-away Redis, stopped when the bench ends. @returns its URL, or null when there is none on this machine. */
export async function redis(bench: Bench): Promise<string | null> {
  if (!(await installed('redis-server', '--version'))) return null
  const port = await freePort()
  const place = ['--bind', '127.0.0.1', '--port', String(port), '--dir', await bench.folder('redis')]
  const server = spawn('redis-server', [...place, '--save', '', '--appendonly', 'no', '--maxmemory-policy', 'noeviction'], {
    stdio: 'ignore',
  })
  bench.atEnd(async () => {
    server.kill()
    await once(server, 'exit')
  })
  for (let answer = ''; !answer.includes('PONG');) {
    answer = (await measure(['redis-cli', '-p', String(port), 'ping'], { expected: [0, 1] })).stdout
  }
  return `redis://127.0.0.1:${port}/0`
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}
