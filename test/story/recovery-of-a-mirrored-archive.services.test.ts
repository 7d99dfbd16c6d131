import { execFileSync, spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { keyFileNames } from '../../src/format/key-file.js'
import { openAgreement } from '../../src/format/signed-agreement.js'
import { EscrowHome } from '../doubles/escrow-home.js'
import { addEveryKindOfRef, GitFixture } from '../doubles/git-fixture.js'
import { describeRepository } from '../doubles/test-archive.js'

/**
 * The transcript of docs/RECOVERY.md, run as it is printed, over a bucket that `escrow mirror` has written: full, incremental, and an
 * incremental with a deleted branch, an `a/b` that became `a`, and a detached HEAD.
 */

const root = new URL('../..', import.meta.url).pathname
const shareIndices = [1, 3, 5]
const custodians = ['notary', 'chamber', 'foundation'] as const
let fixture: GitFixture
let home: EscrowHome
let folder = ''

beforeAll(async () => {
  fixture = new GitFixture()
  addEveryKindOfRef(fixture)
  // A symbolic ref is in no bundle: `escrow open` sets it from the inventory, the transcript does not.
  fixture.git(['symbolic-ref', '--delete', 'refs/remotes/origin/HEAD'])
  home = await EscrowHome.make(['  - source: core', `    url: ${fixture.path}`])
  await home.must('mirror')
  fixture.addCommits('refs/heads/main', 3, { label: 'second' })
  await home.must('mirror')
  fixture.git(['update-ref', '-d', 'refs/heads/a/b'])
  fixture.git(['update-ref', 'refs/heads/a', 'refs/heads/main'])
  fixture.git(['update-ref', '--no-deref', 'HEAD', 'refs/heads/main~1'])
  await home.must('mirror')
  folder = home.at('by-hand')
  mkdirSync(folder)
  cpSync(home.replica, join(folder, 'bucket'), { recursive: true })
  cpSync(join(home.party('partner'), keyFileNames.identity), join(folder, 'beneficiary.key'))
  cpSync(join(root, 'docs/recover.py'), join(folder, 'recover.py'))
  await home.release(custodians)
  for (const [place, name] of custodians.entries())
    cpSync(home.at('released', `${name}-1.age`), join(folder, `share-${shareIndices[place]}.age`))
}, 120_000)
afterAll(async () => {
  await home.remove()
  fixture.remove()
})

test('age, python3, git and sha256sum restore what escrow has mirrored', () => {
  const page = readFileSync(join(root, 'docs/RECOVERY.md'), 'utf8')
  const transcript = [...page.matchAll(/^```sh\n(.*?)^```$/gms)].map((block) => block[1]).join('\n')
  const agreement = openAgreement(readFileSync(home.agreement)).body.agreement
  const env = { PATH: process.env['PATH'], HOME: tmpdir(), TZ: 'UTC', LANG: 'C.UTF-8', GIT_CONFIG_NOSYSTEM: '1', agreement, source: 'core' }
  const { status, stdout, stderr } = spawnSync('bash', ['-c', transcript], { cwd: folder, env, encoding: 'utf8' })
  expect([status, stderr]).toEqual([0, expect.not.stringContaining('recover.py')])
  expect(stdout).toContain('restored 0000000003-incremental')
  expect(describeRepository(join(folder, 'repository.git'))).toEqual(describeRepository(fixture.path))
  const { recipient } = JSON.parse(readFileSync(home.at('vault', 'vault.json'), 'utf8')).epochs[0] as { recipient: string }
  expect(execFileSync('age-keygen', ['-y', join(folder, 'vault.key')], { encoding: 'utf8' }).trim()).toBe(recipient)
}, 60_000)
