import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { indexPack, type IndexedPack } from '../../../src/git/index-pack.js'
import { LocalRemote } from '../../../src/git/local-remote.js'
import { initRepository } from '../../../src/git/scratch-repository.js'
import { OpinionThread, secondOpinion } from '../../../src/git/second-opinion.js'
import { addEveryKindOfRef, GitFixture } from '../../doubles/git-fixture.js'

const limits = { packBytesMax: 32 * 1024 * 1024 }
const folder = mkdtempSync(join(tmpdir(), 'reduit-opinion-'))
let fixture: GitFixture

beforeAll(() => {
  fixture = new GitFixture()
  addEveryKindOfRef(fixture)
  // Long chains of deltas, a large file, and a file that is a delta of none.
  fixture.addCommits('refs/heads/long', 40, { files: 3, bytes: 5000 })
  fixture.addCommits('refs/heads/large', 2, { files: 1, bytes: 300_000 })
})
afterAll(() => {
  fixture.remove()
  rmSync(folder, { recursive: true, force: true })
})

async function indexed(source = fixture): Promise<IndexedPack & { gitDir: string; objectFormat: 'sha1' | 'sha256' }> {
  const { objectFormat } = source
  const gitDir = mkdtempSync(join(folder, 'scratch-'))
  await initRepository(gitDir, objectFormat)
  const remote = new LocalRemote({ path: source.path })
  const wants = (await remote.listRefs()).refs.map(({ oid }) => oid)
  const pack = remote.fetchPack({ objectFormat, wants, haves: [] })
  return { gitDir, objectFormat, ...(await indexPack(pack, { gitDir, objectFormat, check: 'full', packBytesMax: 1e9 })) }
}

test('both implementations come to the same ids', async () => {
  expect(await secondOpinion(await indexed(), limits)).toBe('agreed')
})

test('several at once get an opinion each', async () => {
  const packs = [await indexed(), await indexed(), await indexed()]
  expect(await Promise.all(packs.map((pack) => secondOpinion(pack, limits)))).toEqual(['agreed', 'agreed', 'agreed'])
})

describe('a disagreement is SECOND_OPINION_DIFFERS', () => {
  /** The pack beside git's index says something else than when git read it. */
  async function changed(change: (pack: Buffer) => Buffer) {
    const pack = await indexed()
    const path = join(folder, 'changed.pack')
    writeFileSync(path, change(readFileSync(pack.packPath)))
    return secondOpinion({ ...pack, packPath: path }, limits)
  }

  test.each([
    ['another pack of as many objects', (_pack: Buffer) => otherPack],
    ['a pack without its end', (pack: Buffer) => pack.subarray(0, pack.length / 2)],
    ['no pack', () => Buffer.from('nothing of the kind')],
    ['no bytes', () => Buffer.alloc(0)],
  ])('on %s', async (_name, change) => {
    await expect(changed(change)).rejects.toMatchObject({ code: 'SECOND_OPINION_DIFFERS' })
  })

  let otherPack: Buffer
  beforeAll(async () => {
    const other = new GitFixture()
    other.addCommits('refs/heads/main', 3, { label: 'other' })
    otherPack = readFileSync((await indexed(other)).packPath)
    other.remove()
  })

  test('and the thread answers the next question', async () => {
    expect(await secondOpinion(await indexed(), limits)).toBe('agreed')
  })
})

describe('nobody is asked', () => {
  test('about a pack beyond the limit', async () => {
    const pack = await indexed()
    expect(await secondOpinion(pack, { packBytesMax: pack.sizeBytes - 1 })).toBe('not-asked')
    expect(await secondOpinion(pack, { packBytesMax: pack.sizeBytes })).toBe('agreed')
  })

  test('about SHA-256, which isomorphic-git does not know', async () => {
    const modern = new GitFixture('sha256')
    modern.addCommits('refs/heads/main', 2)
    expect(await secondOpinion(await indexed(modern), limits)).toBe('not-asked')
    modern.remove()
  })

  test('about an object that unpacks to very much', async () => {
    const bomb = new GitFixture()
    bomb.addRefs(['refs/tags/bomb'], bomb.writeRaw('blob', Buffer.alloc(33 * 1024 * 1024)))
    const pack = await indexed(bomb)
    expect(pack.sizeBytes).toBeLessThan(100_000)
    expect(await secondOpinion(pack, limits)).toBe('not-asked')
    bomb.remove()
  })

  test('for longer than the limit, and afterwards there are opinions again', async () => {
    const pack = await indexed()
    expect(await secondOpinion(pack, { ...limits, timeMaxMs: 0 })).toBe('not-asked')
    expect(await secondOpinion(pack, limits)).toBe('agreed')
  })

  test('but never because the program that has it is missing', async () => {
    const broken = new OpinionThread(new URL('./no-such-program.mjs', import.meta.url))
    await expect(broken.ask(await indexed(), 10_000)).rejects.toThrow('is not there')
  })

  test('once somebody has given up', async () => {
    const pack = await indexed()
    const stop = new AbortController()
    const asked = secondOpinion(pack, limits, stop.signal)
    stop.abort(new Error('enough'))
    await expect(asked).rejects.toThrow('enough')
  })
})
