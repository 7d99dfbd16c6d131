// Row 2: the first deposit beside what one would do with tools off the shelf to have the same: clone, fsck, an encrypted backup, read back.
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { BenchRow } from './bench-row.js'
import { firstDeposits, measuredOf } from './first-deposit.js'
import { measure, median, type Cost } from './measure.js'
import { installed } from './tools.js'

export const row: BenchRow = {
  name: 'against-restic',
  title: 'first deposit ÷ (git clone --mirror + git fsck + restic backup + restic check --read-data)',
  async run(bench) {
    if (!(await installed('restic', 'version'))) return { outcome: 'skipped', why: 'restic is not installed' }
    const [local] = await firstDeposits(bench)
    if (local === undefined) return { outcome: 'skipped', why: 'the remote could not be deposited' }
    const folder = await bench.folder('restic')
    const clone = join(folder, 'clone.git')
    const env = { RESTIC_PASSWORD: 'bench', RESTIC_REPOSITORY: join(folder, 'restic'), RESTIC_CACHE_DIR: join(folder, 'cache') }
    bench.say('git fsck and restic')
    const steps: [string, Cost][] = [
      ['git clone --mirror', await measure(['git', 'clone', '--quiet', '--mirror', local.transport.gitUrl, clone])],
      // 8: some links or refs are broken, 1 and 4: objects are; git/git has had such objects for ever.
      ['git fsck', await measure(['git', `--git-dir=${clone}`, 'fsck', '--full', '--no-progress'], { expected: [0, 1, 2, 3, 4, 8] })],
      ['restic init', await measure(['restic', 'init', '--quiet'], { env })],
      ['restic backup', await measure(['restic', 'backup', '--quiet', clone], { env })],
      ['restic check --read-data', await measure(['restic', 'check', '--quiet', '--read-data'], { env })],
    ]
    await rm(folder, { recursive: true })
    const sum = (of: (cost: Cost) => number) => steps.reduce((total, [, cost]) => total + of(cost), 0)
    const deposits = local.deposits.map((deposit) => deposit.cost)
    return {
      outcome: 'measured',
      ratios: [
        {
          what: 'wall',
          value: median(deposits.map((cost) => cost.wallMs)) / sum((cost) => cost.wallMs),
          unit: '×',
          target: { bound: 'at most', value: 0.5 },
        },
        { what: 'processor', value: median(deposits.map((cost) => cost.cpuMs)) / sum((cost) => cost.cpuMs), unit: '×', target: null },
      ],
      measured: [measuredOf('first deposit', deposits), ...steps.map(([what, cost]) => measuredOf(what, [cost]))],
      bound: 'every object is hashed and checked once by us, once by the clone and once more by git fsck',
    }
  },
}
