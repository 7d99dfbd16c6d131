// A sealed push beside what one would write by hand: a bundle that nobody has looked at, and one that git has looked at, as `escrow deposit` does
// unless it is told not to.
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { SystemEntropy } from '../src/core/environment.js'
import { encodeIdentity, identityToRecipient } from '../src/crypto/recipient.js'
import { demotableFsckIds, strictOption } from '../src/git/fsck-ids.js'
import type { Bench } from './bench.js'
import { noPostgres, noRemote, type BenchRow, type Measured, type Ratio } from './bench-row.js'
import { measuredOf, medianRatio } from './first-deposit.js'
import type { EscrowCost } from './home.js'
import { measure, type Cost } from './measure.js'
import { withService } from './push.js'
import { freshDatabase, installed } from './tools.js'

/** What one would script: a bundle, sealed, and sent. */
const byHand = `set -e; git -c safe.directory='*' -C "$1" bundle create --quiet - --all | age -r "$2" > "$3/bundle.age"
  curl --silent --fail --request PUT --upload-file "$3/bundle.age" "$4/bundle" > /dev/null`

/** The same by somebody who lets git look at every object before it goes, all at once as far as they can. */
const checkedByHand = `set -e; mkfifo "$3/pack"; git init --quiet --bare "$3/checked.git"
  LC_ALL=C sed '1,/^$/d' < "$3/pack" | git --git-dir "$3/checked.git" index-pack --stdin "$5" > /dev/null 2>&1 & check=$!
  git -c safe.directory='*' -C "$1" bundle create --quiet - --all | tee "$3/pack" | age -r "$2" > "$3/bundle.age"
  wait "$check"
  curl --silent --fail --request PUT --upload-file "$3/bundle.age" "$4/bundle" > /dev/null`

async function bundleByHand(bench: Bench, script: string, repository: string): Promise<Cost> {
  const folder = await bench.folder('by-hand')
  const sink = await bench.folder('sink')
  const url = await bench.serve('upload-sink', { folder: sink })
  const recipient = identityToRecipient(encodeIdentity(new SystemEntropy().bytes(32)))
  // Old repositories have old spellings, on which plain --strict dies: they are warnings, here as there.
  const strict = strictOption(await demotableFsckIds())
  const cost = await measure(['sh', '-c', script, 'by-hand', repository, recipient, folder, url, strict])
  for (const path of [folder, sink]) await rm(path, { recursive: true })
  return cost
}

/** One sealed push to a service that holds nothing yet. */
async function sealOnce(bench: Bench, on: { readonly repository: string; readonly postgresUrl: string }, ...options: readonly string[]) {
  const state = join(await bench.folder('state'), 'state')
  return withService(bench, on.postgresUrl, ({ home, tokenFile, served }) =>
    home.sealed(on.repository, { url: served.url, tokenFile, state }, ...options),
  )
}

export const row: BenchRow = {
  name: 'sealed-push',
  title: 'escrow deposit --sealed --url ÷ (git bundle create | age, then curl)',
  async run(bench) {
    const repository = bench.remotePath
    if (repository === null) return noRemote
    for (const program of ['age', 'curl']) {
      if (!(await installed(program, '--version'))) return { outcome: 'skipped', why: `${program} is not installed` }
    }
    const [plain, checked]: [Cost[], Cost[]] = [[], []]
    const [strict, copied]: [EscrowCost[], EscrowCost[]] = [[], []]
    for (let round = 1; round <= bench.rounds; round += 1) {
      bench.say(`sealed push, round ${round} of ${bench.rounds}`)
      const [first, second] = [await freshDatabase(bench, `copied_${round}`), await freshDatabase(bench, `strict_${round}`)]
      if (first === null || second === null) return noPostgres
      plain.push(await bundleByHand(bench, byHand, repository))
      copied.push(await sealOnce(bench, { repository, postgresUrl: first }, '--no-fsck'))
      checked.push(await bundleByHand(bench, checkedByHand, repository))
      strict.push(await sealOnce(bench, { repository, postgresUrl: second }))
    }
    return {
      outcome: 'measured',
      ratios: [
        ...ratiosOf('--no-fsck ÷ bundle | age', copied, plain),
        ...ratiosOf('checked ÷ bundle | age and index-pack --strict', strict, checked),
        ...ratiosOf('checked ÷ bundle | age', strict, plain),
      ],
      measured: [
        measuredOf('git bundle create | age, curl', plain),
        measuredOf('the same and git index-pack --strict', checked),
        ...measuredBoth('escrow deposit --sealed --no-fsck', copied),
        ...measuredBoth('escrow deposit --sealed', strict),
      ],
      bound: 'git index-pack --strict where it is asked for; else git pack-objects, and the service that stores before it answers',
    }
  },
}

function ratiosOf(what: string, ours: readonly EscrowCost[], theirs: readonly Cost[]): readonly Ratio[] {
  const costs = ours.map(({ cost }) => cost)
  const wall = medianRatio(costs, theirs, (cost) => cost.wallMs)
  const cpu = medianRatio(costs, theirs, (cost) => cost.cpuMs)
  return [
    { what: `wall, ${what}`, value: wall, unit: '×', target: { bound: 'at most', value: 1.3 } },
    { what: `processor, ${what}`, value: cpu, unit: '×', target: null },
  ]
}

function measuredBoth(what: string, costs: readonly EscrowCost[]): readonly Measured[] {
  const whole = costs.map(({ cost }) => cost)
  return [measuredOf(what, whole), ...costs.map(({ own }) => ({ what: '  of it in Node', ...own }))]
}
