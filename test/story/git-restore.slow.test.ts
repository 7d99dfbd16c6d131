import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { RefListing } from '../../src/git/git-remote.js'
import { LocalRemote } from '../../src/git/local-remote.js'
import { listObjects } from '../../src/git/cat-file.js'
import {
  checkConnected,
  cloneBundle,
  fetchBundle,
  listLocalRefs,
  readHead,
  setHead,
  setSymbolicRefs,
  updateRefs,
} from '../../src/git/restore-repository.js'
import { initRepository } from '../../src/git/scratch-repository.js'
import { addEveryKindOfRef, collect, GitFixture } from '../doubles/git-fixture.js'

/** A bundle as a deposit makes it (docs: gitformat-bundle): header, prerequisites, refs, pack. */
async function bundle(fixture: GitFixture, name: string, previous: RefListing | null): Promise<{ path: string; listing: RefListing }> {
  const remote = new LocalRemote({ path: fixture.path })
  const listing = await remote.listRefs()
  const haves = previous?.refs.map((ref) => ref.oid) ?? []
  const commits = new Set(
    previous?.refs.map((ref) => ref.peeled ?? ref.oid).filter((oid) => fixture.git(['cat-file', '-t', oid]) === 'commit'),
  )
  const pack = await collect(remote.fetchPack({ objectFormat: fixture.objectFormat, wants: listing.refs.map((ref) => ref.oid), haves }))
  const lines = [
    fixture.objectFormat === 'sha1' ? '# v2 git bundle\n' : '# v3 git bundle\n@object-format=sha256\n',
    ...[...commits].map((oid) => `-${oid} \n`),
    ...listing.refs.map((ref) => `${ref.oid} ${ref.name}\n`),
    '\n',
  ]
  const path = join(fixture.folder, name)
  writeFileSync(path, Buffer.concat([Buffer.from(lines.join('')), pack]))
  return { path, listing }
}

describe.each(['sha1', 'sha256'] as const)('a chain of %s bundles', (objectFormat) => {
  let fixture: GitFixture
  let restored: string
  beforeAll(() => {
    fixture = new GitFixture(objectFormat)
    restored = join(fixture.folder, 'restored.git')
    addEveryKindOfRef(fixture)
  })
  afterAll(() => fixture.remove())

  const expectSame = async (listing: RefListing) => {
    await setSymbolicRefs(
      restored,
      listing.refs.flatMap(({ name, symref }) => (symref === undefined ? [] : [{ name, symref }])),
    )
    await setHead(restored, listing.head)
    const refs = await listLocalRefs(restored)
    expect(refs.map(({ type: _type, peeledType: _peeledType, ...ref }) => ref)).toEqual(listing.refs)
    expect(await readHead(restored)).toEqual(listing.head)
    await checkConnected(restored)
  }

  test('restores refs of every kind, then renames across a folder, deletions and a detached head', async () => {
    const full = await bundle(fixture, '1.bundle', null)
    await cloneBundle(restored, full.path)
    fixture.git(['update-ref', '-d', 'refs/heads/a/b'])
    fixture.git(['update-ref', '-d', 'refs/tags/nested'])
    fixture.addCommits('refs/heads/a', 3)
    const tip = fixture.addCommits('refs/heads/main', 2, { label: 'later' })
    fixture.git(['update-ref', '--no-deref', 'HEAD', tip])
    const incremental = await bundle(fixture, '2.bundle', full.listing)
    await fetchBundle(restored, incremental.path)
    await expectSame(incremental.listing)
    expect(incremental.listing.head).toEqual({ kind: 'detached', oid: tip })
    expect(incremental.listing.refs.map((ref) => ref.name)).toContain('refs/heads/a')
    const here: string[] = []
    for await (const object of listObjects(restored)) here.push(object.oid)
    const reachable = fixture.git(['rev-list', '--objects', '--all', '--no-object-names']).split('\n')
    expect(reachable.filter((oid) => !here.includes(oid))).toEqual([])
  })

  test('an unborn branch is restored as one', async () => {
    await setHead(restored, { kind: 'branch', ref: 'refs/heads/not-yet', oid: null })
    expect(await readHead(restored)).toEqual({ kind: 'branch', ref: 'refs/heads/not-yet', oid: null })
  })

  test('a bundle whose prerequisites are not there is refused with the words of git', async () => {
    const { listing } = await bundle(fixture, 'all.bundle', null)
    fixture.addCommits('refs/heads/main', 1, { label: 'newest' })
    const incremental = await bundle(fixture, 'late.bundle', listing)
    const empty = join(fixture.folder, 'empty.git')
    await initRepository(empty, objectFormat)
    await expect(fetchBundle(empty, incremental.path)).rejects.toMatchObject({
      code: 'GIT_FAILED',
      message: expect.stringContaining('prerequisite') as string,
    })
    expect(await listLocalRefs(empty)).toEqual([])
  })

  test('types and peeled types are told', async () => {
    const types = new Map((await listLocalRefs(fixture.path)).map((ref) => [ref.name, [ref.type, ref.peeledType]]))
    expect(types.get('refs/tags/of-tree')).toEqual(['tag', 'tree'])
    expect(types.get('refs/tags/plain-blob')).toEqual(['blob', undefined])
    expect(types.get('refs/heads/main')).toEqual(['commit', undefined])
  })

  test('hundreds of refs are set in one step, or none of them', async () => {
    const oid = fixture.git(['rev-parse', 'main'])
    const target = join(fixture.folder, 'many.git')
    await initRepository(target, objectFormat)
    await fetchBundle(target, (await bundle(fixture, 'many.bundle', null)).path)
    const before = (await listLocalRefs(target)).length
    const many = Array.from({ length: 300 }, (_, at) => ({ name: `refs/pull/${at + 10}/head`, oid }))
    await expect(updateRefs(target, [...many, { name: 'refs/pull/10/head/below', oid }])).rejects.toMatchObject({ code: 'GIT_FAILED' })
    expect(await listLocalRefs(target)).toHaveLength(before)
    await updateRefs(target, many)
    expect(await listLocalRefs(target)).toHaveLength(before + 300)
  })
})
