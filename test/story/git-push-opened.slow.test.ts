// A vendor's CI pushes every day, and force-pushes once; a partner opens each day's state from the archive alone, and builds it.
import { execFileSync } from 'node:child_process'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { EscrowHome } from '../doubles/escrow-home.js'
import { addEveryKindOfRef, gitEnvironment, GitFixture } from '../doubles/git-fixture.js'
import { runGit } from '../doubles/push-client.js'
import { serving } from '../doubles/serving.js'
import { describeRepository } from '../doubles/test-archive.js'

const vendor = new GitFixture()
let home: EscrowHome
/** What the vendor had after each push. */
const states: ReturnType<typeof describeRepository>[] = []
const said: string[] = []

beforeAll(async () => {
  home = await EscrowHome.make(['  - source: product', '    mode: push'])
  await home.token()
  await serving(home.home, async (url) => {
    for (const work of days) {
      work()
      const ran = await runGit(['--git-dir', vendor.path, 'push', '--mirror', home.pushAddress(url)])
      expect(ran.exitCode, ran.text).toBe(0)
      said.push(ran.text)
      states.push(describeRepository(vendor.path))
    }
  })
})
afterAll(async () => {
  await home.remove()
  vendor.remove()
})

const tag = (name: string, target: string): string => {
  vendor.git(['-c', 'user.name=Ada', '-c', 'user.email=ada@example.org', 'tag', '-a', '-m', name, name, target])
  return vendor.git(['rev-parse', `refs/tags/${name}`])
}
let inner = ''
const days: readonly (() => void)[] = [
  () => {
    addEveryKindOfRef(vendor)
    // A client pushes the id that a symbolic ref leads to, no more.
    vendor.git(['symbolic-ref', '-d', 'refs/remotes/origin/HEAD'])
    commitRecipe(1)
    inner = tag('inner', 'refs/heads/main')
    tag('outer', inner)
    vendor.git(['update-ref', '-d', 'refs/tags/inner'])
  },
  () => {
    commitRecipe(2)
    // What the client does not send, because the archive holds it, and what nobody says of it.
    vendor.git(['update-ref', 'refs/heads/stable', 'refs/heads/main~3'])
    vendor.git(['update-ref', 'refs/tags/named-again', inner])
    vendor.git(['update-ref', 'refs/tags/light-old', 'refs/heads/main~4'])
  },
  () => {
    vendor.git(['update-ref', 'refs/heads/stable', 'refs/heads/main'])
    vendor.git(['update-ref', '-d', 'refs/heads/a/b'])
    vendor.git(['update-ref', 'refs/heads/a', 'refs/heads/main'])
    tag('around-an-old-one', inner)
  },
  () => {
    vendor.git(['update-ref', 'refs/heads/main', 'refs/heads/main~1'])
    commitRecipe(4)
  },
]

/** A build that shows which day it is of. */
function commitRecipe(day: number): void {
  const build = `echo built day ${day}\n`
  const lines = [
    'commit refs/heads/main',
    `committer Ada <ada@example.org> ${1_700_100_000 + day} +0000`,
    `data 3\nday`,
    'from refs/heads/main^0',
  ]
  vendor.git(
    ['fast-import', '--quiet', '--force'],
    `${[...lines, 'M 100644 inline build.sh', `data ${build.length}\n${build}`].join('\n')}\n`,
  )
}

test('only the day of the force-push blocks', () => {
  expect(said.map((text) => /deposit (\d) \((\w+)\)/.exec(text)?.slice(1))).toEqual([
    ['1', 'full'],
    ['2', 'incremental'],
    ['3', 'incremental'],
    ['4', 'incremental'],
  ])
  expect(said[0]).not.toContain('blocking')
  expect(said[1]).not.toContain('blocking')
  expect(said[2]).toMatch(/blocking: REF_DELETED \(1\) refs\/heads\/a\/b/)
  expect(said[2]).not.toContain('REFS_REWRITTEN')
  expect(said[3]).toMatch(/blocking: REFS_REWRITTEN \(1\) refs\/heads\/main/)
  for (const text of said) expect(text).toMatch(/remote: receipt [0-9a-f]{64}/)
})

test('every day is opened exactly as it was pushed, and builds', async () => {
  const shares = await home.release()
  for (const [index, state] of states.entries()) {
    const day = index + 1
    const target = home.at(`day-${day}.git`)
    await home.must(...home.opening(home.replica), ...shares, '--sequence', String(day), '--to', target)
    expect(describeRepository(target)).toEqual({ ...state, head: 'refs/heads/main' })
    const checkout = home.at(`day-${day}`)
    execFileSync('git', ['clone', '-q', target, checkout], { env: gitEnvironment })
    expect(execFileSync('sh', ['build.sh'], { cwd: checkout }).toString()).toBe(`built day ${day === 3 ? 2 : day}\n`)
  }
})
