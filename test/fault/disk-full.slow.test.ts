// A scratch disk that is really full: git and we write to it by turns, and whoever is first meets the end of it. From almost nothing
// to enough; every run in between is refused in the same words and leaves nothing, and the first that has room takes the deposit.
// Where nobody may mount a disk (some containers), one that only pretends, in this process, takes its place, and says so.
import { spawnSync } from 'node:child_process'
import { createCipheriv } from 'node:crypto'
import { mkdirSync } from 'node:fs'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { scratchBytesMin } from '../../src/core/limits.js'
import { ArchiveTree } from '../doubles/archive-tree.js'
import { BuiltEscrow } from '../doubles/built-escrow.js'
import { fillDisk } from '../doubles/full-disk.js'
import { GitFixture } from '../doubles/git-fixture.js'
import type { Ended } from '../doubles/escrow-command.js'
import { EscrowHome, pulled } from '../doubles/escrow-home.js'
import { describeRepository } from '../doubles/test-archive.js'
import { expectNothingOf } from './expect-refused.js'

/** Twice on scratch, as a pack and sealed: beyond what must be free before a deposit begins. */
const blobBytes = 36 * 1024 * 1024
/** Almost nothing, just enough to begin, more, and enough. */
const disksKiB = [16, ...[400, 5_000, 16_000].map((more) => scratchBytesMin / 1024 + more)]
/** The same for a disk that only pretends: it counts what we write, and git writes past it. */
const pretendedKiB = [16, 4_000, 32_000, 160_000]
let built: BuiltEscrow | null = null
let fixture: GitFixture
let home: EscrowHome

beforeAll(async () => {
  const mount = spawnSync('unshare', ['--map-root-user', '--mount', 'mount', '-t', 'tmpfs', 'tmpfs', '/mnt'], { encoding: 'utf8' })
  if (mount.status === 0) built = BuiltEscrow.build()
  else process.stderr.write(`no disk may be mounted here (${mount.stderr.trim()}): one that only pretends to be full is tried instead\n`)
  fixture = new GitFixture()
  fixture.addCommits('refs/heads/main', 3)
  fixture.addRefs(['refs/tags/large'], fixture.writeRaw('blob', incompressible(blobBytes)))
  home = await EscrowHome.make(pulled('product', fixture.path), { database: 'folder' })
}, 600_000)
afterAll(async () => {
  await home?.remove()
  fixture?.remove()
  built?.remove()
})

test('a scratch disk that fills up at any point of a deposit, and then has room', async () => {
  // Something is in the log, so that it can be read.
  await home.must('log')
  let refused = 0
  const sizes = built === null ? pretendedKiB : disksKiB
  for (const sizeKiB of sizes) {
    const ended = await mirrorWith(sizeKiB)
    if (ended.exitCode === 0) break
    expectNothingOf(home, ended, 'product', { code: 'SCRATCH_FULL', exitCode: 5, words: /add space at the scratch folder/ })
    refused += 1
  }
  // A real disk refuses the first before it begins, and the others in the middle.
  expect(refused).toBeGreaterThan(2)
  expect(refused).toBeLessThan(sizes.length)
  for (const replica of ['a', 'b'] as const) {
    const restored: unknown[] = []
    new ArchiveTree(home, replica).restoreEach('product', (_, gitDir) => void restored.push(describeRepository(gitDir)))
    expect(restored).toEqual([describeRepository(fixture.path)])
  }
}, 600_000)

/** Mirror with a scratch disk of this size. */
async function mirrorWith(sizeKiB: number): Promise<Ended> {
  const folder = home.at('service', 'scratch')
  mkdirSync(folder, { recursive: true })
  if (built !== null) return built.onSmallDisk({ folder, sizeKiB }, ['mirror', '--home', home.home])
  const giveBack = await fillDisk(folder, sizeKiB * 1024)
  try {
    return await home.run('mirror')
  } finally {
    giveBack()
  }
}

function incompressible(sizeBytes: number): Uint8Array {
  return createCipheriv('aes-128-ctr', Buffer.alloc(16), Buffer.alloc(16)).update(Buffer.alloc(sizeBytes))
}
