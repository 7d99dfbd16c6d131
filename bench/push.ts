// What it costs to deposit by push: `git push` beside the same push to a bare repository, a sealed push beside what one would write by hand, and
// the memory of the service while it takes a large one.
import { rm } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import type { Bench } from './bench.js'
import type { BenchRow, Measured } from './bench-row.js'
import { measuredOf, medianRatio } from './first-deposit.js'
import { BenchHome } from './home.js'
import { measure, type Cost } from './measure.js'
import { serveHome } from './served.js'
import { makeSyntheticRemote } from './synthetic-remote.js'
import { installed, postgres } from './tools.js'

const smallMiB = 20
const largeMiB = 2048
const bytesPerMiB = 1024 * 1024

/** A home in which nothing was deposited yet, and a service of it, for one measurement. */
async function withService<T>(
  bench: Bench,
  work: (on: {
    readonly home: BenchHome
    readonly url: string
    readonly tokenFile: string
    readonly peakRss: () => Promise<number>
  }) => Promise<T>,
  postgresUrl?: string,
): Promise<T> {
  const folder = await bench.folder('push-home')
  const home = await BenchHome.arm(folder, postgresUrl === undefined ? {} : { postgresUrl })
  const tokenFile = await home.token('vendor')
  const served = await serveHome(home.home)
  try {
    return await work({ home, url: served.url, tokenFile, peakRss: () => served.peakRssBytes() })
  } finally {
    await served.stop()
    await rm(folder, { recursive: true })
  }
}

const push = (repository: string, to: string) =>
  measure(['git', '-c', 'safe.directory=*', '-C', repository, 'push', '--quiet', '--mirror', to])

async function pushToGit(bench: Bench, repository: string): Promise<Cost> {
  const folder = await bench.folder('pushed')
  const bare = join(folder, 'bare.git')
  await measure(['git', 'init', '--quiet', '--bare', bare])
  for (const [key, value] of [
    ['http.receivepack', 'true'],
    ['receive.autogc', 'false'],
  ] as const) {
    await measure(['git', '-C', bare, 'config', key, value])
  }
  const origin = await bench.serve('git-server', { root: dirname(bare) })
  const cost = await push(repository, `${origin}/${basename(bare)}`)
  await rm(folder, { recursive: true })
  return cost
}

export const gitPush: BenchRow = {
  name: 'git-push',
  title: 'git push --mirror to the service ÷ the same to a bare repository behind git http-backend',
  async run(bench) {
    const repository = bench.remotePath
    if (repository === null) return { outcome: 'skipped', why: 'the remote is not on this machine' }
    const [theirs, ours, peaks]: [Cost[], Cost[], number[]] = [[], [], []]
    for (let round = 1; round <= bench.rounds; round += 1) {
      bench.say(`git push, round ${round} of ${bench.rounds}`)
      theirs.push(await pushToGit(bench, repository))
      await withService(bench, async ({ home, url, tokenFile, peakRss }) => {
        ours.push(await push(repository, await home.pushAddress(url, tokenFile)))
        peaks.push(await peakRss())
      })
    }
    return {
      outcome: 'measured',
      ratios: [
        { what: 'wall', value: medianRatio(ours, theirs, (cost) => cost.wallMs), unit: '×', target: { bound: 'at most', value: 1.2 } },
      ],
      measured: [
        measuredOf('git push to git http-backend (processor: the client)', theirs),
        measuredOf('git push to the service (processor: the client; memory with PGlite)', ours, { peakRssBytes: Math.max(...peaks) }),
      ],
      bound: 'git index-pack at both ends; here with --strict, and the seal is checked before git push ends',
    }
  },
}

/** What a careful person would script: a bundle, sealed, and sent. */
async function bundleByHand(bench: Bench, repository: string, recipient: string): Promise<Cost> {
  const folder = await bench.folder('by-hand')
  const sink = await bench.folder('sink')
  const url = await bench.serve('upload-sink', { folder: sink })
  const script = `set -e; git -c safe.directory='*' -C "$1" bundle create --quiet - --all | age -r "$2" > "$3/bundle.age"
    curl --silent --fail --request PUT --upload-file "$3/bundle.age" "$4/bundle" > /dev/null`
  const cost = await measure(['sh', '-c', script, 'by-hand', repository, recipient, folder, url])
  for (const path of [folder, sink]) await rm(path, { recursive: true })
  return cost
}

export const sealedPush: BenchRow = {
  name: 'sealed-push',
  title: 'escrow deposit --sealed --url ÷ (git bundle create | age, then curl)',
  async run(bench) {
    const repository = bench.remotePath
    if (repository === null) return { outcome: 'skipped', why: 'the remote is not on this machine' }
    for (const program of ['age', 'curl']) {
      if (!(await installed(program, '--version'))) return { outcome: 'skipped', why: `${program} is not installed` }
    }
    const [byHand, sealed, own]: [Cost[], Cost[], Measured[]] = [[], [], []]
    for (let round = 1; round <= bench.rounds; round += 1) {
      bench.say(`sealed push, round ${round} of ${bench.rounds}`)
      await withService(bench, async ({ home, url, tokenFile }) => {
        byHand.push(await bundleByHand(bench, repository, await home.recipient()))
        const one = await home.sealed(repository, { url, tokenFile, state: join(await bench.folder('state'), 'state') })
        sealed.push(one.cost)
        own.push({ what: '  of it in Node', ...one.own })
      })
    }
    return {
      outcome: 'measured',
      ratios: [
        { what: 'wall', value: medianRatio(sealed, byHand, (cost) => cost.wallMs), unit: '×', target: { bound: 'at most', value: 1.3 } },
        { what: 'processor', value: medianRatio(sealed, byHand, (cost) => cost.cpuMs), unit: '×', target: null },
      ],
      measured: [measuredOf('git bundle create | age, curl', byHand), measuredOf('escrow deposit --sealed --url', sealed), ...own],
      bound: 'git index-pack --strict: a bundle by hand is sent as it is, and nobody has looked at its objects',
    }
  },
}

async function peakOf(bench: Bench, databaseUrl: string, sizeMiB: number): Promise<{ readonly cost: Cost; readonly peakRssBytes: number }> {
  bench.say(`push memory: ${sizeMiB} MiB`)
  const folder = await bench.folder('push-memory')
  const repository = join(folder, 'repository.git')
  await makeSyntheticRemote(repository, sizeMiB)
  const database = `push_memory_${sizeMiB}`
  await measure(['psql', '--quiet', databaseUrl, '-c', `create database ${database}`])
  const found = await withService(
    bench,
    async ({ home, url, tokenFile, peakRss }) => {
      const cost = await push(repository, await home.pushAddress(url, tokenFile))
      return { cost, peakRssBytes: await peakRss() }
    },
    databaseUrl.replace(/\/[^/]*$/, `/${database}`),
  )
  await rm(folder, { recursive: true })
  return found
}

export const pushMemory: BenchRow = {
  name: 'push-memory',
  title: `memory of the service: a push of ${largeMiB} MiB beside one of ${smallMiB} MiB`,
  async run(bench) {
    const databaseUrl = await postgres(bench)
    if (databaseUrl === null) return { outcome: 'skipped', why: 'PostgreSQL is not installed' }
    const small = await peakOf(bench, databaseUrl, smallMiB)
    const large = await peakOf(bench, databaseUrl, largeMiB)
    const line = (what: string, { cost, peakRssBytes }: typeof small, sizeMiB: number): Measured => ({
      what,
      wallMs: cost.wallMs,
      cpuMs: cost.cpuMs,
      bytes: sizeMiB * bytesPerMiB,
      peakRssBytes,
    })
    return {
      outcome: 'measured',
      ratios: [
        {
          what: 'peak of the large minus the small',
          value: (large.peakRssBytes - small.peakRssBytes) / bytesPerMiB,
          unit: 'MiB',
          target: { bound: 'at most', value: 100 },
        },
      ],
      measured: [line('git push, small', small, smallMiB), line('git push, large', large, largeMiB)],
      bound: 'modules of the service, then parts of 8 MiB that are read back',
    }
  },
}
