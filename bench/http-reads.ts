// Row 9: reads over HTTP, on PostgreSQL: what parties ask for most, each answer for one viewer alone.
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { Bench } from './bench.js'
import type { BenchRow } from './bench-row.js'
import type { Loaded, LoadWish } from './child/http-load.js'
import { BenchHome } from './home.js'
import { measure, measureChild } from './measure.js'
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
    if (databaseUrl === null) return { outcome: 'skipped', why: 'PostgreSQL is not installed' }
    bench.say('reads over HTTP')
    const { home, token, paths } = await prepared(bench, databaseUrl)
    const server = spawn(process.execPath, [mainProgram, 'serve', '--role', 'api', '--home', home.home], {
      env: { ...process.env, ESCROW_HTTP_PORT: '0', ESCROW_HTTP_REQUESTS_PER_MINUTE: '10000000' },
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    try {
      const load = { url: await addressOf(server), token, paths, clients }
      await measureChild<Loaded>('http-load', { ...load, requests: warmUp } satisfies LoadWish)
      const before = await cpuSeconds(server)
      const { result, cost } = await measureChild<Loaded>('http-load', { ...load, requests } satisfies LoadWish)
      const own = (await cpuSeconds(server)) - before
      const latencies = result.latenciesMs.toSorted((left, right) => left - right)
      const at = (part: number) => latencies[Math.floor(part * (latencies.length - 1))] ?? Number.NaN
      return {
        outcome: 'measured',
        ratios: [
          { what: 'reads per second', value: (requests * 1000) / result.wallMs, unit: '/s', target: { bound: 'at least', value: 1000 } },
          { what: 'latency, 99th of 100', value: at(0.99) / 1000, unit: 's', target: { bound: 'at most', value: 0.1 } },
          { what: 'latency, median', value: at(0.5) / 1000, unit: 's', target: null },
          { what: "reads per second of the service's own processor", value: requests / own, unit: '/s', target: null },
        ],
        measured: [
          { what: `escrow serve, ${requests} reads`, wallMs: result.wallMs, cpuMs: own * 1000 },
          { what: `${clients} clients in one process`, wallMs: cost.wallMs, cpuMs: cost.cpuMs },
        ],
        bound:
          'one process on one core: sockets, Node, Express and Nest, one statement for each read; clients and PostgreSQL share the machine',
      }
    } finally {
      server.kill('SIGTERM')
      await once(server, 'exit')
    }
  },
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
