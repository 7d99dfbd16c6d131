// Row 1: the first deposit of the remote, beside a clone of it that is neither sealed nor stored twice nor checked.
import { cp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Bench, Transport } from './bench.js'
import type { BenchRow, Measured } from './bench-row.js'
import type { TakenDeposit } from './child/take-deposit.js'
import { BenchHome } from './home.js'
import { measure, measureChild, median, medianCost, type Cost } from './measure.js'

/** Both sides, run alternately over one transport. */
export interface FirstDeposits {
  readonly transport: Transport
  readonly clones: readonly Cost[]
  readonly deposits: readonly { readonly cost: Cost; readonly result: TakenDeposit }[]
}

/** The comparison over every transport, made once for all rows. */
export function firstDeposits(bench: Bench): Promise<readonly FirstDeposits[]> {
  return bench.once('first-deposits', async () => {
    const found: FirstDeposits[] = []
    for (const transport of await bench.transports()) found.push(await compare(bench, transport))
    return found
  })
}

async function compare(bench: Bench, transport: Transport): Promise<FirstDeposits> {
  const clones: Cost[] = []
  const deposits: FirstDeposits['deposits'][number][] = []
  for (let round = 1; round <= bench.rounds; round += 1) {
    bench.say(`first deposit over ${transport.name}, round ${round} of ${bench.rounds}`)
    const clone = join(await bench.folder('clone'), 'clone.git')
    clones.push(await measure(['git', 'clone', '--quiet', '--mirror', transport.gitUrl, clone]))
    await rm(clone, { recursive: true })
    const folder = await bench.folder('deposit')
    deposits.push(await measureChild<TakenDeposit>('take-deposit', { folder, url: transport.ownUrl }))
    await rm(folder, { recursive: true })
  }
  return { transport, clones, deposits }
}

/** `escrow mirror` with its start, its database and the publication, from a home that is armed but holds nothing. */
async function wholeMirrors(bench: Bench): Promise<readonly Cost[]> {
  const [transport] = await bench.transports()
  if (transport === undefined) return []
  const folder = await bench.folder('home')
  const home = await BenchHome.arm(folder, { url: transport.ownUrl })
  const costs: Cost[] = []
  for (let round = 1; round <= bench.rounds; round += 1) {
    bench.say(`escrow mirror, round ${round} of ${bench.rounds}`)
    // Only the home moves from round to round: its configuration names no path outside.
    const armed = `${home.home}-armed`
    if (round === 1) await cp(home.home, armed, { recursive: true })
    else await rm(home.home, { recursive: true }).then(() => cp(armed, home.home, { recursive: true }))
    costs.push((await home.mirror()).cost)
  }
  await rm(folder, { recursive: true })
  return costs
}

/** @returns a line of the table for several rounds of one thing. */
export function measuredOf(what: string, costs: readonly Pick<Cost, 'wallMs' | 'cpuMs'>[], more: Partial<Measured> = {}): Measured {
  return { what, ...medianCost(costs), ...more }
}

/** Median of ratios within each round: the two sides of a round met the same machine. */
export function medianRatio<A, B>(ours: readonly A[], theirs: readonly B[], of: (cost: A | B) => number): number {
  return median(ours.flatMap((one, index) => (theirs[index] === undefined ? [] : [of(one) / of(theirs[index])])))
}

export const row: BenchRow = {
  name: 'first-deposit',
  title: 'first deposit (steps 1-6, two replicas) ÷ git clone --mirror',
  async run(bench) {
    const compared = await firstDeposits(bench)
    const mirrors = await wholeMirrors(bench)
    const ratios = compared.flatMap(({ transport, clones, deposits }) => {
      const costs = deposits.map((deposit) => deposit.cost)
      return [
        {
          what: `wall, over ${transport.name}`,
          value: medianRatio(costs, clones, (cost) => cost.wallMs),
          unit: '×' as const,
          target: { bound: 'at most' as const, value: 1.15 },
        },
        {
          what: `processor, over ${transport.name}`,
          value: medianRatio(costs, clones, (cost) => cost.cpuMs),
          unit: '×' as const,
          target: null,
        },
      ]
    })
    const local = compared[0]?.clones ?? []
    ratios.push({
      what: `wall of a whole escrow mirror, over ${compared[0]?.transport.name}`,
      value: medianRatio(mirrors, local, (cost) => cost.wallMs),
      unit: '×',
      target: null,
    })
    const measured = compared.flatMap(({ transport, clones, deposits }) => [
      measuredOf(`git clone --mirror, ${transport.name}`, clones),
      measuredOf(
        `first deposit, ${transport.name}`,
        deposits.map((deposit) => deposit.cost),
        { bytes: deposits[0]?.result.bundleBytes ?? 0, peakRssBytes: median(deposits.map((deposit) => deposit.result.own.peakRssBytes)) },
      ),
      measuredOf(
        `  of it in Node, ${transport.name}`,
        deposits.map((deposit) => deposit.result.own),
      ),
    ])
    measured.push(measuredOf('escrow mirror, whole', mirrors))
    return { outcome: 'measured', ratios, measured, bound: 'git index-pack --strict, which hashes and checks every object' }
  },
}
