// Whole repositories through deposit and restore, with real git on both ends and nothing of ours but the envelope in between.
import { afterEach, beforeEach, expect, test } from 'vitest'
import { GitFixture, addEveryKindOfRef } from '../doubles/git-fixture.js'
import { TestArchive, describeRepository } from '../doubles/test-archive.js'

let archive: TestArchive
let fixture: GitFixture
const fixtures: GitFixture[] = []

beforeEach(async () => {
  archive = await TestArchive.make()
})

afterEach(() => {
  archive.remove()
  for (const made of fixtures.splice(0)) made.remove()
})

function repository(format: 'sha1' | 'sha256' = 'sha1'): GitFixture {
  fixture = new GitFixture(format)
  fixtures.push(fixture)
  return fixture
}

async function expectRestored(): Promise<void> {
  expect(describeRepository(await archive.restore())).toEqual(describeRepository(fixture.path))
  expect(archive.leftovers().scratch).toEqual([])
}

const codesOf = (deposit: { findings: readonly { code: string; severity: string; subject: string }[] }) =>
  deposit.findings.map((finding) => `${finding.code} ${finding.severity} ${finding.subject}`)

test.for(['sha1', 'sha256'] as const)(
  'a %s repository with every kind of ref is restored exactly, full and incremental',
  async (format) => {
    addEveryKindOfRef(repository(format))
    const full = await archive.mustDeposit(fixture)
    expect(full.manifest).toMatchObject({ sequence: 1, kind: 'full', base: 1, previous: null, objectFormat: format, outcome: 'pass' })
    await expectRestored()

    fixture.addCommits('refs/heads/main', 3, { label: 'more' })
    fixture.addCommits('refs/notes/commits', 1, { label: 'note' })
    fixture.addRefs(['refs/tags/late'], fixture.git(['rev-parse', 'refs/heads/main~5']))
    const incremental = await archive.mustDeposit(fixture)
    expect(incremental.manifest).toMatchObject({ sequence: 2, kind: 'incremental', base: 1, outcome: 'pass' })
    expect(incremental.manifest.bundle.objectCount).toBeLessThan(full.manifest.bundle.objectCount)
    await expectRestored()
  },
)

test('an unchanged remote makes no deposit', async () => {
  addEveryKindOfRef(repository())
  await archive.mustDeposit(fixture)
  expect(await archive.deposit(fixture)).toMatchObject({ outcome: 'unchanged' })
  expect((await archive.mustDeposit(fixture, { request: { full: true } })).manifest.kind).toBe('full')
})

test('an empty repository is deposited, and what comes later rests on it', async () => {
  repository()
  const empty = await archive.mustDeposit(fixture)
  expect(codesOf(empty)).toContain('REPOSITORY_EMPTY warning repository')
  expect(empty.manifest).toMatchObject({ kind: 'full', refCount: 0, bundle: { objectCount: 0 }, outcome: 'pass' })
  await expectRestored()
  fixture.addCommits('refs/heads/main', 2)
  expect((await archive.mustDeposit(fixture)).manifest.kind).toBe('incremental')
  await expectRestored()
})

test('a repository that loses every ref is restored empty, and blocks', async () => {
  repository().addCommits('refs/heads/main', 2)
  await archive.mustDeposit(fixture)
  fixture.git(['update-ref', '-d', 'refs/heads/main'])
  const emptied = await archive.mustDeposit(fixture)
  expect(emptied.manifest).toMatchObject({ kind: 'incremental', outcome: 'fail', bundle: { objectCount: 0 } })
  expect(codesOf(emptied)).toEqual(expect.arrayContaining(['REPOSITORY_EMPTY blocking repository', 'REF_DELETED blocking refs/heads/main']))
  await expectRestored()
})

test('two thousand refs are restored exactly', async () => {
  repository().addCommits('refs/heads/main', 20)
  const commits = fixture.git(['rev-list', 'refs/heads/main']).split('\n')
  for (const [index, oid] of commits.entries()) {
    fixture.addRefs(
      Array.from({ length: 100 }, (_, at) => `refs/pull/${index * 100 + at}/head`),
      oid,
    )
  }
  await archive.mustDeposit(fixture)
  fixture.git(['update-ref', '--stdin'], Array.from({ length: 300 }, (_, at) => `delete refs/pull/${at}/head\n`).join(''))
  const pruned = await archive.mustDeposit(fixture)
  expect(pruned.manifest).toMatchObject({ kind: 'incremental', outcome: 'pass', refCount: 1701 })
  // A hundred named the tip of main, which is still there; of the others nothing proves it.
  expect(pruned.manifest.findings).toContainEqual({ code: 'REF_DELETED', severity: 'info', count: 100 })
  expect(pruned.manifest.findings).toContainEqual({ code: 'REF_DELETED', severity: 'warning', count: 200 })
  await expectRestored()
})

test('deleting refs carries the empty pack and no object', async () => {
  addEveryKindOfRef(repository())
  await archive.mustDeposit(fixture)
  fixture.git(['update-ref', '-d', 'refs/tags/nested'])
  fixture.git(['update-ref', '-d', 'refs/heads/a/b'])
  const deposit = await archive.mustDeposit(fixture)
  expect(deposit.manifest.bundle).toMatchObject({ objectCount: 0, packChecksum: '029d08823bd8a8eab510ad6ac75c823cfd3ed31e' })
  expect(codesOf(deposit)).toEqual(expect.arrayContaining(['REF_DELETED blocking refs/tags/nested', 'REF_DELETED blocking refs/heads/a/b']))
  await expectRestored()
})

test('a branch a/b that becomes a is restored', async () => {
  repository().addCommits('refs/heads/main', 1)
  fixture.addCommits('refs/heads/a/b', 2)
  await archive.mustDeposit(fixture)
  fixture.git(['update-ref', '-d', 'refs/heads/a/b'])
  fixture.addCommits('refs/heads/a', 2)
  await archive.mustDeposit(fixture)
  await expectRestored()
  fixture.git(['update-ref', '-d', 'refs/heads/a'])
  fixture.addCommits('refs/heads/a/b/c', 1)
  await archive.mustDeposit(fixture)
  await expectRestored()
})

test('a detached HEAD on a commit of its own comes along, moves, and goes', async () => {
  repository().addCommits('refs/heads/main', 2)
  const alone = fixture.addCommits('refs/heads/alone', 2)
  fixture.git(['update-ref', '--no-deref', 'HEAD', alone])
  fixture.git(['update-ref', '-d', 'refs/heads/alone'])
  await archive.mustDeposit(fixture)
  await expectRestored()
  fixture.addCommits('refs/heads/main', 1, { label: 'later' })
  await archive.mustDeposit(fixture)
  await expectRestored()
  fixture.git(['symbolic-ref', 'HEAD', 'refs/heads/main'])
  const deposit = await archive.mustDeposit(fixture)
  expect(codesOf(deposit)).toEqual(['HEAD_CHANGED warning HEAD', ...codesOf(deposit).slice(1)])
  await expectRestored()
})

test('an incremental whose only new object is a detached HEAD brings it, and the next one may rest on it', async () => {
  repository().addCommits('refs/heads/main', 2)
  await archive.mustDeposit(fixture)
  const alone = fixture.addCommits('refs/heads/alone', 1)
  fixture.git(['update-ref', '--no-deref', 'HEAD', alone])
  fixture.git(['update-ref', '-d', 'refs/heads/alone'])
  await archive.mustDeposit(fixture)
  await expectRestored()
  fixture.addRefs(['refs/heads/named'], alone)
  fixture.addCommits('refs/heads/named', 1, { label: 'after' })
  expect((await archive.mustDeposit(fixture)).manifest.kind).toBe('incremental')
  await expectRestored()
})

test('a HEAD on an unborn branch is restored as it is', async () => {
  repository().addCommits('refs/heads/other', 1)
  await archive.mustDeposit(fixture)
  await expectRestored()
})

test('a forced push blocks, and both histories stay restorable', async () => {
  repository().addCommits('refs/heads/main', 3)
  await archive.mustDeposit(fixture)
  const before = describeRepository(fixture.path)
  fixture.git(['update-ref', '-d', 'refs/heads/main'])
  fixture.addCommits('refs/heads/main', 2, { label: 'rewritten' })
  fixture.git(['gc', '--quiet', '--prune=now'])
  const deposit = await archive.mustDeposit(fixture)
  expect(deposit.manifest).toMatchObject({ kind: 'incremental', outcome: 'fail' })
  expect(codesOf(deposit)).toContain('REFS_REWRITTEN blocking refs/heads/main')
  await expectRestored()
  expect(describeRepository(await archive.restore(1))).toEqual(before)
})

test('a branch that moves forward to a commit the archive holds is no rewrite', async () => {
  repository().addCommits('refs/heads/main', 5)
  fixture.addRefs(['refs/heads/release'], fixture.git(['rev-parse', 'refs/heads/main~3']))
  await archive.mustDeposit(fixture)
  fixture.git(['update-ref', 'refs/heads/release', 'refs/heads/main'])
  expect(codesOf(await archive.mustDeposit(fixture))).not.toContain('REFS_REWRITTEN blocking refs/heads/release')
  await expectRestored()
})

test('a branch that moves back to a commit the archive holds is a rewrite', async () => {
  repository().addCommits('refs/heads/main', 5)
  await archive.mustDeposit(fixture)
  fixture.git(['update-ref', 'refs/heads/main', 'refs/heads/main~2'])
  const deposit = await archive.mustDeposit(fixture)
  expect(codesOf(deposit)).toContain('REFS_REWRITTEN blocking refs/heads/main')
  expect(deposit.manifest.bundle.objectCount).toBe(0)
  await expectRestored()
})

test('a tag that is moved forward blocks all the same', async () => {
  repository().addCommits('refs/heads/main', 2)
  fixture.addRefs(['refs/tags/v1'], fixture.git(['rev-parse', 'refs/heads/main~1']))
  await archive.mustDeposit(fixture)
  fixture.git(['update-ref', 'refs/tags/v1', 'refs/heads/main'])
  expect(codesOf(await archive.mustDeposit(fixture))).toContain('REFS_REWRITTEN blocking refs/tags/v1')
})

test('a merged branch that is deleted loses nothing and does not block', async () => {
  repository().addCommits('refs/heads/main', 2)
  fixture.addCommits('refs/heads/feature', 1, { label: 'feature' })
  await archive.mustDeposit(fixture)
  const tree = fixture.git(['rev-parse', 'refs/heads/main^{tree}'])
  const merge = fixture.git(['commit-tree', tree, '-p', 'refs/heads/main', '-p', 'refs/heads/feature', '-m', 'merge'])
  fixture.git(['update-ref', 'refs/heads/main', merge])
  fixture.git(['update-ref', '-d', 'refs/heads/feature'])
  const deposit = await archive.mustDeposit(fixture)
  expect(deposit.manifest.outcome).toBe('pass')
  expect(codesOf(deposit)).toContain('REF_DELETED info refs/heads/feature')
  await expectRestored()
})

test('a full deposit compares history as well, and notices shrinkage', async () => {
  repository().addCommits('refs/heads/main', 2)
  const tip = fixture.addCommits('refs/heads/big', 12, { files: 20, bytes: 9000, label: 'big' })
  fixture.addRefs(
    Array.from({ length: 20 }, (_, at) => `refs/tags/t${at}`),
    tip,
  )
  await archive.mustDeposit(fixture)
  fixture.addCommits('refs/heads/main', 1, { label: 'on' })
  fixture.git(['update-ref', '--stdin'], Array.from({ length: 20 }, (_, at) => `delete refs/tags/t${at}\n`).join(''))
  fixture.git(['update-ref', '-d', 'refs/heads/big'])
  const deposit = await archive.mustDeposit(fixture, { request: { full: true } })
  expect(codesOf(deposit)).toContain('REFS_SHRUNK blocking repository')
  expect(codesOf(deposit)).not.toContain('REFS_REWRITTEN blocking refs/heads/main')
  await expectRestored()
})

test('when the archive has forgotten an object, a full deposit is made instead', async () => {
  repository().addCommits('refs/heads/main', 4)
  await archive.mustDeposit(fixture)
  fixture.addCommits('refs/heads/main', 1, { label: 'next' })
  const previous = archive.previous({ knownObjects: () => [] })
  const deposit = await archive.mustDeposit(fixture, { request: { previous } })
  expect(deposit.manifest).toMatchObject({ sequence: 2, kind: 'full', base: 2 })
  expect(codesOf(deposit)).toContain('CHAIN_RESTARTED info chain')
  expect(archive.leftovers().objects.filter((path) => path.includes('incremental'))).toEqual([])
  await expectRestored()
})

test('a new vault epoch begins a new chain', async () => {
  repository().addCommits('refs/heads/main', 1)
  await archive.mustDeposit(fixture)
  fixture.addCommits('refs/heads/main', 1, { label: 'next' })
  const { vault } = archive.request()
  const deposit = await archive.mustDeposit(fixture, { request: { vault: { ...vault, epoch: 2 } } })
  expect(deposit.manifest).toMatchObject({ kind: 'full', envelope: { epoch: 2 } })
  expect(codesOf(deposit)).toContain('CHAIN_RESTARTED info chain')
})
