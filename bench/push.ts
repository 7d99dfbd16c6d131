// What it costs to deposit by push: `git push` beside the same push to a bare repository, and the memory of the service while it takes a large one.
import { rm } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import type { Bench } from './bench.js'
import { noPostgres, noRemote, type BenchRow } from './bench-row.js'
import { measuredOf, medianRatio } from './first-deposit.js'
import { BenchHome } from './home.js'
import { largeBesideSmall, largeMiB, smallMiB } from './large-beside-small.js'
import { cpuMsOf, measure, type Cost } from './measure.js'
import { serveHome, type Served } from './served.js'
import { freshDatabase } from './tools.js'

/** A home in which nothing was deposited yet, and a service of it, for one measurement. @param postgresUrl - an empty database. */
export async function withService<T>(
  bench: Bench,
  postgresUrl: string,
  work: (on: { readonly home: BenchHome; readonly tokenFile: string; readonly served: Served }) => Promise<T>,
): Promise<T> {
  const folder = await bench.folder('push-home')
  const home = await BenchHome.arm(folder, { postgresUrl })
  const tokenFile = await home.token('vendor')
  const served = await serveHome(home.home)
  try {
    return await work({ home, tokenFile, served })
  } finally {
    await served.stop()
    await rm(folder, { recursive: true })
  }
}

/** `git push --mirror`, with the processor time of both ends. @param cpuMs - of the server so far. */
async function push(repository: string, to: string, cpuMs: () => Promise<number>): Promise<Cost> {
  const before = await cpuMs()
  const cost = await measure(['git', '-c', 'safe.directory=*', '-C', repository, 'push', '--quiet', '--mirror', to])
  return { ...cost, cpuMs: cost.cpuMs + (await cpuMs()) - before }
}

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
  const { said: origin, pid } = await bench.start('git-server', { root: dirname(bare) })
  const cost = await push(repository, `${origin}/${basename(bare)}`, () => cpuMsOf(pid))
  await rm(folder, { recursive: true })
  return cost
}

export const gitPush: BenchRow = {
  name: 'git-push',
  title: 'git push --mirror to the service ÷ the same to a bare repository behind git http-backend',
  async run(bench) {
    const repository = bench.remotePath
    if (repository === null) return noRemote
    const [theirs, ours, peaks]: [Cost[], Cost[], number[]] = [[], [], []]
    for (let round = 1; round <= bench.rounds; round += 1) {
      bench.say(`git push, round ${round} of ${bench.rounds}`)
      theirs.push(await pushToGit(bench, repository))
      const postgresUrl = await freshDatabase(bench, `git_push_${round}`)
      if (postgresUrl === null) return noPostgres
      await withService(bench, postgresUrl, async ({ home, tokenFile, served }) => {
        ours.push(await push(repository, await home.pushAddress(served.url, tokenFile), () => served.cpuMs()))
        peaks.push(await served.peakRssBytes())
      })
    }
    return {
      outcome: 'measured',
      ratios: [
        { what: 'wall', value: medianRatio(ours, theirs, (cost) => cost.wallMs), unit: '×', target: { bound: 'at most', value: 1.2 } },
        {
          what: 'processor of both ends, PostgreSQL left out',
          value: medianRatio(ours, theirs, (cost) => cost.cpuMs),
          unit: '×',
          target: null,
        },
      ],
      measured: [
        measuredOf('git push to git http-backend', theirs),
        measuredOf('git push to the service', ours, { peakRssBytes: Math.max(...peaks) }),
      ],
      bound: 'git index-pack at both ends; here with --strict, and the seal is checked before git push ends',
    }
  },
}

export const pushMemory: BenchRow = {
  name: 'push-memory',
  title: `memory of the service: a push of ${largeMiB} MiB beside one of ${smallMiB} MiB`,
  run: (bench) =>
    largeBesideSmall(bench, { name: 'git push' }, (repository, postgresUrl) =>
      withService(bench, postgresUrl, async ({ home, tokenFile, served }) => {
        const cost = await push(repository, await home.pushAddress(served.url, tokenFile), () => served.cpuMs())
        return { cost, peakRssBytes: await served.peakRssBytes() }
      }),
    ),
}
