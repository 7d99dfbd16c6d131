// Row 3: what 50 commits more cost, beside the full deposit that they rest on.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import type { BenchRow } from './bench-row.js'
import type { ChainLink } from './child/take-chain.js'
import { grownRemote } from './grown-remote.js'
import { childCommand, median } from './measure.js'

interface Chain {
  readonly full: ChainLink
  readonly incremental: ChainLink
}

async function takeChain(folder: string, url: string, grow: () => Promise<void>): Promise<Chain> {
  const [program = '', ...args] = childCommand('take-chain', { folder, url })
  const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'inherit'] })
  const links: ChainLink[] = []
  for await (const line of createInterface({ input: child.stdout })) {
    links.push(JSON.parse(line) as ChainLink)
    if (links.length > 1) child.stdin.end('done\n')
    else {
      await grow()
      child.stdin.write('again\n')
    }
  }
  if (child.exitCode === null) await once(child, 'close')
  const [full, incremental] = links
  if (full === undefined || incremental?.kind !== 'incremental') throw new Error('expected a full and an incremental deposit')
  return { full, incremental }
}

export const row: BenchRow = {
  name: 'incremental',
  title: 'incremental of 50 commits ÷ the full deposit before it',
  async run(bench) {
    const remote = await grownRemote(bench)
    const chains: Chain[] = []
    for (let round = 1; round <= bench.rounds; round += 1) {
      bench.say(`incremental, round ${round} of ${bench.rounds}`)
      await remote.shrink()
      chains.push(await takeChain(await bench.folder('chain'), remote.path, remote.grow))
    }
    const [first] = chains
    if (first === undefined) return { outcome: 'skipped', why: 'no round was run' }
    const { envelopeBytes, bundleBytes, documentBytes } = first.incremental
    const line = (what: string, link: (chain: Chain) => ChainLink) => ({
      what,
      wallMs: median(chains.map((chain) => link(chain).own.wallMs)),
      cpuMs: median(chains.map((chain) => link(chain).own.cpuMs)),
      bytes: link(first).bundleBytes,
    })
    return {
      outcome: 'measured',
      ratios: [
        {
          what: `wall, ${remote.commits} commits`,
          value: 100 * median(chains.map(({ full, incremental }) => incremental.own.wallMs / full.own.wallMs)),
          unit: '%',
          target: { bound: 'at most', value: 3 },
        },
        { what: 'sealed bytes ÷ bundle', value: envelopeBytes / bundleBytes, unit: '×', target: { bound: 'at most', value: 1.1 } },
        {
          what: 'the same with inventory and known objects',
          value: (envelopeBytes + documentBytes) / bundleBytes,
          unit: '×',
          target: null,
        },
      ],
      measured: [line('full (own processor time)', (chain) => chain.full), line('incremental', (chain) => chain.incremental)],
      bound: 'starts of git: upload-pack, index-pack, cat-file, fsck',
    }
  },
}
