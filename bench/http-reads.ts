// Row 9: reads over HTTP, on PostgreSQL: what parties ask for most, each answer for one viewer alone.
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { Bench } from './bench.js'
import { noPostgres, type BenchRow, type Ratio } from './bench-row.js'
import type { Loaded, LoadWish } from './child/http-load.js'
import { BenchHome } from './home.js'
import { measure, measureChild, type Cost } from './measure.js'
import { makeSyntheticRemote } from './synthetic-remote.js'
import { postgres } from './tools.js'

const clients = 50
const requests = 20_000
const warmUp = 2000
const deposits = 1000
/** Of Linux on every machine that we know (sysconf(_SC_CLK_TCK)). */
const ticksPerSecond = 100

export const row: BenchRow = {
  name: 'http-reads',
  title: `reads over HTTP with ${clients} clients`,
  async run(bench) {
    const databaseUrl = await postgres(bench)
    if (databaseUrl === null) return noPostgres
    bench.say('reads over HTTP')
    const home = await prepared(bench, databaseUrl)
    const one = await measured(home, 1)
    bench.say('reads over HTTP, of two processes')
    const two = await measured(home, 2)
    return {
      outcome: 'measured',
      ratios: [...ratiosOf('one process', one), ...ratiosOf('two processes', two)],
      measured: [...costsOf('one process', one), ...costsOf('two processes', two)],
      bound: 'sockets, Node, Express and Nest in many small parts, one statement for each read; clients and PostgreSQL share the machine',
    }
  },
}

/** What came of one load. */
interface Outcome {
  readonly wallMs: number
  /** Sorted. */
  readonly latenciesMs: readonly number[]
  /** Of all processes of the service, user and system. */
  readonly ownSeconds: number
  readonly ofClients: Cost
}

/** Start some `escrow serve --role api` on one home and database, and let the clients ask, split between them. */
async function measured({ home, token, paths }: Prepared, processes: number): Promise<Outcome> {
  const servers = Array.from({ length: processes }, () => serve(home.home))
  const cpu = async () => (await Promise.all(servers.map(cpuSeconds))).reduce((sum, seconds) => sum + seconds, 0)
  try {
    const load = { urls: await Promise.all(servers.map(addressOf)), token, paths, clients }
    await measureChild<Loaded>('http-load', { ...load, requests: warmUp * processes } satisfies LoadWish)
    const before = await cpu()
    const { result, cost } = await measureChild<Loaded>('http-load', { ...load, requests } satisfies LoadWish)
    const latenciesMs = result.latenciesMs.toSorted((left, right) => left - right)
    return { wallMs: result.wallMs, latenciesMs, ownSeconds: (await cpu()) - before, ofClients: cost }
  } finally {
    await Promise.all(servers.map(ended))
  }
}

function ratiosOf(who: string, { wallMs, latenciesMs, ownSeconds }: Outcome): readonly Ratio[] {
  const at = (part: number) => (latenciesMs[Math.floor(part * (latenciesMs.length - 1))] ?? Number.NaN) / 1000
  return [
    { what: `reads per second, ${who}`, value: (requests * 1000) / wallMs, unit: '/s', target: { bound: 'at least', value: 1000 } },
    { what: `latency, 99th of 100, ${who}`, value: at(0.99), unit: 's', target: { bound: 'at most', value: 0.1 } },
    { what: `latency, median, ${who}`, value: at(0.5), unit: 's', target: null },
    { what: `reads per second of the service's own processor, ${who}`, value: requests / ownSeconds, unit: '/s', target: null },
  ]
}

function costsOf(who: string, { wallMs, ownSeconds, ofClients }: Outcome) {
  return [
    { what: `escrow serve, ${requests} reads, ${who}`, wallMs, cpuMs: ownSeconds * 1000 },
    { what: `${clients} clients in one process, of ${who}`, wallMs: ofClients.wallMs, cpuMs: ofClients.cpuMs },
  ]
}

function serve(home: string): ChildProcess {
  return spawn(process.execPath, [mainProgram, 'serve', '--role', 'api', '--home', home], {
    env: { ...process.env, ESCROW_HTTP_PORT: '0', ESCROW_HTTP_REQUESTS_PER_MINUTE: '10000000' },
    stdio: ['ignore', 'ignore', 'pipe'],
  })
}

async function ended(server: ChildProcess): Promise<void> {
  if (server.exitCode !== null) return
  const exit = once(server, 'exit')
  server.kill('SIGTERM')
  await exit
}

const mainProgram = fileURLToPath(new URL('../src/cli/main.js', import.meta.url))

interface Prepared {
  readonly home: BenchHome
  readonly token: string
  readonly paths: readonly string[]
}

async function prepared(bench: Bench, databaseUrl: string): Promise<Prepared> {
  await measure(['psql', '--quiet', databaseUrl, '-c', 'create database http_reads'])
  const postgresUrl = databaseUrl.replace(/\/[^/]*$/, '/http_reads')
  const remote = `${await bench.folder('http-remote')}/remote.git`
  await makeSyntheticRemote(remote, 1)
  const home = await BenchHome.arm(await bench.folder('http-home'), { url: remote, postgresUrl })
  await measure(['psql', '--quiet', postgresUrl, '-c', seed])
  const { stdout } = await measure([
    'psql',
    '--quiet',
    '--tuples-only',
    '--no-align',
    postgresUrl,
    '-c',
    'select agreement_id from agreement',
  ])
  const agreement = `/v1/agreements/${stdout.trim()}`
  const source = `${agreement}/sources/product`
  const paths = [
    '/v1/agreements',
    agreement,
    `${agreement}/sources`,
    source,
    `${source}/deposits?limit=20`,
    `/v1/deposits/dep_${'a'.repeat(20)}`,
  ]
  return { home, token: (await readFile(await home.token('partner'), 'utf8')).trim(), paths }
}

/** Deposits as an index has them; nothing lies behind them. */
const seed = `
  insert into deposit (deposit_id, agreement_id, source, sequence, kind, base_sequence, epoch, agreement_digest, manifest_digest, refs_digest,
                       ref_count, bundle_digest, bundle_bytes, taken_at, outcome, blocking, leaf_hash)
  select case n when 1 then 'dep_aaaaaaaaaaaaaaaaaaaa' else 'dep_' || lpad(translate(n::text, '0189', 'wxyz'), 20, 'b') end,
         agreement_id, 'product', n, 'full', n, 1, digest, sha256(('m' || n)::bytea), sha256('r'), 12, sha256('b'), 1000, now(), 'pass', false,
         sha256(('l' || n)::bytea)
  from agreement, generate_series(1, ${deposits}) n;
  analyze;`

async function addressOf(server: ChildProcess): Promise<string> {
  if (server.stderr === null) throw new Error('expected the words of the service')
  const lines = createInterface({ input: server.stderr })
  const words: string[] = []
  const url = await new Promise<string>((resolve, reject) => {
    lines.on('line', (line) => {
      words.push(line)
      const [, address] = /service +(http:\S+)/.exec(line) ?? []
      if (address !== undefined) resolve(address)
    })
    server.once('exit', () => reject(new Error(`escrow serve ended: ${words.slice(-5).join('\n')}`)))
  })
  lines.removeAllListeners('line').on('line', () => undefined)
  return url
}

/** User and system time of a process (proc(5), /proc/pid/stat). */
async function cpuSeconds({ pid }: ChildProcess): Promise<number> {
  const fields = (await readFile(`/proc/${pid}/stat`, 'utf8')).split(') ').at(-1)?.split(' ') ?? []
  return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond
}
