// Row 6: `escrow open` of a chain, beside `age -d` and git by hand on the same envelopes (docs/RECOVERY.md).
import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { BenchRow } from './bench-row.js'
import { measuredOf, medianRatio } from './first-deposit.js'
import { grownRemote } from './grown-remote.js'
import { BenchHome } from './home.js'
import { measure, type Cost } from './measure.js'
import { installed } from './tools.js'

export const row: BenchRow = {
  name: 'restore-chain',
  title: 'escrow open of a chain ÷ (age -d + git clone, then git fetch) of the same bundles',
  async run(bench) {
    if (!(await installed('age', '--version'))) return { outcome: 'skipped', why: 'age is not installed' }
    const remote = await grownRemote(bench)
    const home = await BenchHome.arm(await bench.folder('restore'), { url: remote.path })
    await home.mirror()
    await remote.grow()
    await home.mirror()
    await home.release()
    const folder = await bench.folder('restored')
    const identityFile = join(folder, 'identity.txt')
    await writeFile(identityFile, `${await home.identity()}\n`, { mode: 0o600 })
    const byHand: Cost[] = []
    const opened: Cost[] = []
    for (let round = 1; round <= bench.rounds; round += 1) {
      bench.say(`restore, round ${round} of ${bench.rounds}`)
      const target = join(folder, `by-hand-${round}`)
      byHand.push(await restoreByHand(await home.envelopes(), { identityFile, target }))
      const to = join(folder, `opened-${round}.git`)
      opened.push((await home.open(to)).cost)
      for (const path of [target, to]) await rm(path, { recursive: true, force: true })
    }
    return {
      outcome: 'measured',
      ratios: [
        { what: 'wall', value: medianRatio(opened, byHand, (cost) => cost.wallMs), unit: '×', target: { bound: 'at most', value: 1.3 } },
        { what: 'processor', value: medianRatio(opened, byHand, (cost) => cost.cpuMs), unit: '×', target: null },
      ],
      measured: [measuredOf('escrow open', opened), measuredOf('age -d + git', byHand)],
      bound: 'git index-pack; besides, every envelope is hashed and every ref and object compared with the inventory',
    }
  },
}

/** The commands of docs/RECOVERY.md, as one script. */
async function restoreByHand(
  envelopes: readonly string[],
  { identityFile, target }: { readonly identityFile: string; readonly target: string },
): Promise<Cost> {
  const script = `set -e
    identity=$1 target=$2; shift 2; mkdir "$target"; n=0
    for envelope in "$@"; do
      n=$((n + 1)); age -d -i "$identity" -o "$target/$n.bundle" "$envelope"
      if [ $n = 1 ]; then git clone --quiet --mirror "$target/1.bundle" "$target/restored.git"
      else git --git-dir="$target/restored.git" fetch --quiet --prune "$target/$n.bundle" '+refs/*:refs/*'; fi
    done`
  return measure(['sh', '-c', script, 'restore', identityFile, target, ...envelopes])
}
