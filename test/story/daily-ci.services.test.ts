// A vendor's CI pushes every day with the real git and git-lfs: one day it rewrites history, one day it forgets an object of LFS and says so the day
// after. A beneficiary restores each day and builds it, and what comes out is what the vendor built that day.
import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { EscrowHome } from '../doubles/escrow-home.js'
import { LfsVendor } from '../doubles/lfs-vendor.js'
import type { GitRan } from '../doubles/push-client.js'
import { serving } from '../doubles/serving.js'

/** What the vendor built, and what it was built from. */
interface Day {
  readonly product: string
  readonly commit: string
  readonly pushed: string
}

let home: EscrowHome
let vendor: LfsVendor
const days = new Map<number, Day>()

/** A build that needs every file to be what it was: it fails on a pointer in the place of a model. */
const recipe = `set -eu
mkdir -p out
for model in models/*.bin; do
  test "$(wc -c < "$model")" -ge 100000 || { echo "$model is no model" >&2; exit 1; }
done
{ cat src/*.txt; sha256sum models/*.bin; } > out/product.txt
`

beforeAll(async () => {
  vendor = new LfsVendor('models/*.bin')
  vendor.write('build.sh', recipe)
  vendor.write('.gitignore', 'out/\n')
  home = await EscrowHome.make(['  - source: product', '    mode: push'])
  await home.token()
}, 600_000)
afterAll(async () => {
  await home?.remove()
  vendor.remove()
})

/** `make` of this project. @returns what it made; null with a build that failed. */
function build(folder: string): string | null {
  rmSync(join(folder, 'out'), { recursive: true, force: true })
  const ran = spawnSync('sh', ['build.sh'], { cwd: folder, stdio: 'pipe' })
  return ran.status === 0 ? readFileSync(join(folder, 'out', 'product.txt'), 'utf8') : null
}
const model = (seed: number) => Buffer.alloc(200_000, `model ${seed}, `)

/** One day of the vendor: change, commit, build, push. */
async function day(url: string, number: number, change: () => readonly string[], ...config: readonly string[]): Promise<GitRan> {
  const how = change()
  vendor.commit(`day ${number}`, ...how)
  const pushed = await vendor.ranInWork(...config, 'push', '--mirror', home.pushAddress(url))
  days.set(number, { product: build(vendor.work) ?? '', commit: vendor.inWork('rev-parse', 'HEAD').trim(), pushed: pushed.text })
  return pushed
}

test('five days of a CI', async () => {
  await serving(home.home, async (url) => {
    const first = await day(url, 1, () => {
      vendor.write('src/main.txt', 'version 1\n')
      vendor.write('models/a.bin', model(1))
      return []
    })
    expect([first.exitCode, /deposit 1 \(full\)/.test(first.text)], first.text).toEqual([0, true])
    const second = await day(url, 2, () => {
      vendor.write('src/main.txt', 'version 2\n')
      vendor.inWork('tag', 'v1')
      return []
    })
    expect(second.text).toMatch(/deposit 2 \(incremental\)/)
    // The commit of yesterday is written anew.
    const third = await day(url, 3, () => {
      vendor.write('src/main.txt', 'version 2, written again\n')
      vendor.write('models/a.bin', model(3))
      return ['--amend']
    })
    expect(third.text).toMatch(/deposit 3/)
    expect(third.text).toMatch(/blocking: REFS_REWRITTEN/)
    // A new runner has no git-lfs: the pointer is pushed, and what it stands for is not.
    const fourth = await day(
      url,
      4,
      () => {
        vendor.write('src/main.txt', 'version 4\n')
        vendor.write('models/b.bin', model(4))
        return []
      },
      '-c',
      'core.hooksPath=/dev/null',
    )
    expect(fourth.text).toMatch(/LFS_OBJECT_MISSING \(1\) models\/b\.bin/)
    // What the report of the day before asks for: git-lfs by itself looks at new commits alone.
    const late = await vendor.ranInWork('lfs', 'push', '--all', home.pushAddress(url))
    expect(late.exitCode, late.text).toBe(0)
    const fifth = await day(url, 5, () => {
      vendor.write('src/main.txt', 'version 5\n')
      return []
    })
    expect([fifth.exitCode, fifth.text.includes('LFS_OBJECT_MISSING')], fifth.text).toEqual([0, false])
  })
  expect([...days.values()].map(({ product }) => product.split('\n')[0])).toEqual([
    'version 1',
    'version 2',
    'version 2, written again',
    'version 4',
    'version 5',
  ])
}, 600_000)

test('the completeness report of the fourth day names the file; that of the fifth does not', async () => {
  const report = (sequence: number) => {
    const how = ['--agreement', home.agreement, '--source', 'product', '--sequence', String(sequence), '--as', home.party('partner')]
    return home.run('completeness', ...how, '--from', home.replica)
  }
  const [fourth, fifth] = [await report(4), await report(5)]
  expect(fourth.out).toMatch(/LFS_OBJECT_MISSING/)
  expect(fourth.out).toContain('models/b.bin')
  expect(fifth.out).not.toMatch(/LFS_OBJECT_MISSING/)
}, 600_000)

/** Open a day's deposit, and check out what HEAD was. */
async function restored(sequence: number): Promise<string> {
  const to = home.at(`day-${sequence}.git`)
  await home.must(...home.opening(home.replica), ...(await home.release()), '--sequence', String(sequence), '--to', to)
  const folder = home.at(`day-${sequence}`)
  execFileSync('git', ['clone', '-q', to, folder], { env: { ...vendor.environment, GIT_LFS_SKIP_SMUDGE: '1' }, stdio: 'pipe' })
  // An object that is nowhere leaves its pointer.
  spawnSync('git', ['-C', folder, 'lfs', 'pull'], { env: vendor.environment, stdio: 'pipe' })
  return folder
}

test.for([1, 2, 3, 5])('day %i is restored as it was, and builds to what the vendor built', async (number) => {
  const folder = await restored(number)
  expect(vendor.git('-C', folder, 'rev-parse', 'HEAD').trim()).toBe(days.get(number)?.commit)
  expect(build(folder)).toBe(days.get(number)?.product)
})

test('the fourth day alone does not build, as its report said; with the deposit of the day after it does', async () => {
  const alone = await restored(4)
  expect(vendor.git('-C', alone, 'rev-parse', 'HEAD').trim()).toBe(days.get(4)?.commit)
  expect([build(alone), existsSync(join(alone, 'models', 'a.bin'))]).toEqual([null, true])
  const mended = home.at('day-5')
  vendor.git('-C', mended, 'checkout', '-q', days.get(4)?.commit ?? '')
  expect(build(mended)).toBe(days.get(4)?.product)
}, 600_000)

test('what was overwritten on the third day is still in the deposit of the second', async () => {
  const folder = home.at('day-2')
  expect(vendor.git('-C', folder, 'show', 'HEAD:src/main.txt')).toBe('version 2\n')
  expect(vendor.git('-C', home.at('day-3'), 'show', 'HEAD:src/main.txt')).toBe('version 2, written again\n')
  expect(await home.must('verify', home.replica, '--agreement', home.agreement)).toContain('everything that was looked at holds')
}, 600_000)
