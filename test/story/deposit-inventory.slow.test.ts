import { afterEach, beforeEach, expect, test } from 'vitest'
import { TestArchive } from '../doubles/test-archive.js'
import { GitFixture } from '../doubles/git-fixture.js'

let archive: TestArchive
let fixture: GitFixture

beforeEach(async () => {
  archive = await TestArchive.make()
  fixture = new GitFixture()
})

afterEach(() => {
  archive.remove()
  fixture.remove()
})

/** A commit on main whose tree is given line by line, as `git mktree` reads it. */
function commitTree(lines: readonly string[]): void {
  const tree = fixture.git(['mktree', '--missing'], lines.map((line) => `${line}\n`).join(''))
  const parents = fixture.refs().flatMap((ref) => (ref.startsWith('refs/heads/main ') ? ['-p', 'refs/heads/main'] : []))
  fixture.git(['update-ref', 'refs/heads/main', fixture.git(['commit-tree', tree, ...parents, '-m', 'tree'])])
}

const blob = (text: string) => fixture.writeRaw('blob', text)
const pointer = `version https://git-lfs.github.com/spec/v1\noid sha256:${'c'.repeat(64)}\nsize 12345\n`

test('the inventory lists what is in HEAD, and an incremental carries over what did not change', async () => {
  const kept = fixture.git(['mktree'], `100644 blob ${blob('x'.repeat(5000))}\tbig.bin\n100644 blob ${blob(pointer)}\tmovie.mp4\n`)
  const modules = blob('[submodule "lib"]\n\tpath = lib\n\turl = https://example.org/lib.git\n')
  const others = [
    `040000 tree ${kept}\tassets`,
    `100644 blob ${modules}\t.gitmodules`,
    `160000 commit ${'d'.repeat(40)}\tlib`,
    `100644 blob ${blob('MIT')}\tLICENSE`,
  ]
  commitTree([...others, `100644 blob ${blob('all:\n')}\tMakefile`])
  const siblings = {
    list: async () => [{ source: 'lib', url: 'git@example.org:lib' }],
    holds: async (_: string, commits: readonly string[]) => new Set(commits),
  }
  const full = await archive.mustDeposit(fixture, { request: { siblings } })
  const files = {
    lfs: [{ path: 'assets/movie.mp4', oid: 'c'.repeat(64), sizeBytes: 12345 }],
    submodules: [{ path: 'lib', url: 'https://example.org/lib.git', commit: 'd'.repeat(40), source: 'lib', held: true }],
    buildRecipes: ['Makefile'],
    licences: ['LICENSE'],
  }
  expect(full.inventory.plain).toMatchObject(files)
  expect(full.inventory.plain.largestFiles[0]).toEqual({ path: 'assets/big.bin', sizeBytes: 5000 })
  const found = (...codes: readonly string[]) => codes.map((code) => expect.objectContaining({ code, count: 1 }))
  expect(full.manifest.findings).toEqual(found('DOCUMENTATION_MISSING', 'LFS_POINTER', 'SBOM_MISSING'))

  commitTree([...others, `100644 blob ${blob('all: more\n')}\tMakefile`])
  const absent = { ...siblings, holds: async () => new Set<string>() }
  const incremental = await archive.mustDeposit(fixture, { request: { siblings: absent } })
  expect(incremental.manifest.bundle.objectCount).toBe(3)
  expect(incremental.manifest.findings).toEqual(found('DOCUMENTATION_MISSING', 'LFS_POINTER', 'SBOM_MISSING', 'SUBMODULE_COMMIT_MISSING'))
  expect(incremental.inventory.plain).toMatchObject({ ...files, submodules: [{ ...files.submodules[0], held: false }] })
  expect(incremental.inventory.plain.largestFiles[0]).toEqual({ path: 'assets/big.bin', sizeBytes: 5000 })

  commitTree([`100644 blob ${blob('all: more\n')}\tMakefile`])
  const removed = await archive.mustDeposit(fixture)
  expect(removed.inventory.plain).toMatchObject({ lfs: [], submodules: [], licences: [], buildRecipes: ['Makefile'] })
})

test('what fsck says is a finding, in full and in incremental deposits', async () => {
  const identity = 'Ada <ada@example.org> 1700000000 +0000'
  const odd = (message: string, parent = '') => {
    const tree = fixture.git(['mktree'], '')
    const oid = fixture.writeRaw(
      'commit',
      `tree ${tree}\n${parent}author ${identity.replace(' <', '<')}\ncommitter ${identity}\n\n${message}\n`,
    )
    fixture.git(['update-ref', 'refs/heads/main', oid])
    return oid
  }
  const first = odd('first')
  const full = await archive.mustDeposit(fixture)
  expect(full.findings).toContainEqual(expect.objectContaining({ code: 'FSCK_MESSAGE', severity: 'info', subject: first }))
  const second = odd('second', `parent ${first}\n`)
  const incremental = await archive.mustDeposit(fixture)
  expect(incremental.manifest.kind).toBe('incremental')
  expect(incremental.findings).toContainEqual(expect.objectContaining({ code: 'FSCK_MESSAGE', severity: 'info', subject: second }))
})

test('a scratch on disk is a finding unless its volume is ephemeral', async () => {
  fixture.addCommits('refs/heads/main', 1)
  const deposit = await archive.mustDeposit(fixture, { tools: { scratch: { root: archive.scratch, ephemeral: false } } })
  const onDisk = deposit.findings.some((finding) => finding.code === 'SCRATCH_ON_DISK')
  const { inspectScratch } = await import('../../src/deposit/scratch.js')
  expect(onDisk).toBe((await inspectScratch(archive.scratch)).kind === 'disk')
})
