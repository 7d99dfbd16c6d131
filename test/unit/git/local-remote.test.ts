import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { mkdtempSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { LocalRemote } from '../../../src/git/local-remote.js'
import { indexPack } from '../../../src/git/index-pack.js'
import { initRepository } from '../../../src/git/scratch-repository.js'
import { readObjectIds } from '../../../src/git/pack-index.js'
import { addEveryKindOfRef, collect, GitFixture } from '../../doubles/git-fixture.js'

describe.each(['sha1', 'sha256'] as const)('a local %s repository', (objectFormat) => {
  let fixture: GitFixture
  beforeAll(() => {
    fixture = new GitFixture(objectFormat)
    addEveryKindOfRef(fixture)
  })
  afterAll(() => fixture.remove())

  test('lists exactly the refs that for-each-ref knows, in the same order', async () => {
    const listing = await new LocalRemote({ path: fixture.path }).listRefs()
    expect(listing.refs.map((ref) => `${ref.name} ${ref.oid}`)).toEqual(fixture.refs())
    expect(listing.objectFormat).toBe(objectFormat)
    expect(listing.head).toEqual({ kind: 'branch', ref: 'refs/heads/main', oid: fixture.git(['rev-parse', 'main']) })
    const named = new Map(listing.refs.map((ref) => [ref.name, ref]))
    expect(named.get('refs/tags/nested')?.peeled).toBe(fixture.git(['rev-parse', 'main']))
    expect(named.get('refs/tags/of-blob')?.peeled).toBe(fixture.git(['rev-parse', 'plain-blob']))
    expect(named.get('refs/tags/light')?.peeled).toBeUndefined()
    expect(named.get('refs/remotes/origin/HEAD')?.symref).toBe('refs/heads/main')
  })

  test('a listing and a pack leave nothing behind that keeps a process from ending', async () => {
    const timers = () => process.getActiveResourcesInfo().filter((resource) => resource === 'Timeout').length
    const remote = new LocalRemote({ path: fixture.path, idleTimeoutMs: 600_000 })
    const before = timers()
    const { refs } = await remote.listRefs()
    // Timers of other tests may end meanwhile: files share a process.
    expect(timers()).toBeLessThanOrEqual(before)
    await collect(remote.fetchPack({ objectFormat, wants: refs.map((ref) => ref.oid), haves: [] }))
    expect(timers()).toBeLessThanOrEqual(before)
  })

  test('a full pack holds every object that is reachable, and nothing is reported', async () => {
    const remote = new LocalRemote({ path: fixture.path })
    const { refs } = await remote.listRefs()
    const gitDir = join(fixture.folder, 'scratch-full')
    await initRepository(gitDir, objectFormat)
    const pack = remote.fetchPack({ objectFormat, wants: refs.map((ref) => ref.oid), haves: [] })
    const indexed = await indexPack(pack, { gitDir, objectFormat, check: 'full', packBytesMax: 1e9 })
    const ids = (await collect(readObjectIds(indexed.indexPath, objectFormat)))
      .toString('hex')
      .match(objectFormat === 'sha1' ? /.{40}/g : /.{64}/g)
    const reachable = fixture.git(['rev-list', '--objects', '--all', '--no-object-names']).split('\n')
    expect(ids).toEqual(reachable.sort())
    expect(indexed.objectCount).toBe(reachable.length)
    expect(indexed.fsck.listed).toEqual([])
  })

  test('an incremental pack stands alone although the receiver has nothing', async () => {
    const remote = new LocalRemote({ path: fixture.path })
    const before = fixture.git(['rev-parse', 'main'])
    const after = fixture.addCommits('refs/heads/next', 1)
    const gitDir = join(fixture.folder, 'scratch-incremental')
    await initRepository(gitDir, objectFormat)
    const pack = remote.fetchPack({ objectFormat, wants: [after, before], haves: [before] })
    const indexed = await indexPack(pack, { gitDir, objectFormat, check: 'incremental', packBytesMax: 1e9 })
    expect(indexed.objectCount).toBe(5)
    fixture.git(['update-ref', '-d', 'refs/heads/next'])
  })

  test('a linked work tree is the repository that it is linked to, with a HEAD of its own', async () => {
    const path = join(fixture.folder, 'linked')
    fixture.git(['worktree', 'add', '--quiet', '--detach', path, 'refs/heads/a/b'])
    const listing = await new LocalRemote({ path }).listRefs()
    expect(listing.refs.map((ref) => `${ref.name} ${ref.oid}`)).toEqual(fixture.refs())
    expect(listing.head).toEqual({ kind: 'detached', oid: fixture.git(['rev-parse', 'refs/heads/a/b']) })
    const { refs } = listing
    const pack = await collect(new LocalRemote({ path }).fetchPack({ objectFormat, wants: refs.map((ref) => ref.oid), haves: [] }))
    expect(pack.subarray(0, 4).toString()).toBe('PACK')
    fixture.git(['worktree', 'remove', '--force', path])
  })

  test.for([
    '',
    'gitdir: ',
    'gitdir: ../nothing',
    'gitdir: repository.git\0',
    'something else',
    `gitdir: ${'x'.repeat(5000)}`,
    'gitdir: a\nb',
  ])('a .git file with "%s" is no repository', async (content) => {
    const path = mkdtempSync(join(fixture.folder, 'file-'))
    writeFileSync(join(path, '.git'), content)
    await expect(new LocalRemote({ path }).listRefs()).rejects.toMatchObject({ code: 'REMOTE_NOT_FOUND' })
  })
})
