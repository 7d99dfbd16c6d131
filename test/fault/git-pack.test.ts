import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { fsckObjects } from '../../src/git/fsck.js'
import { indexPack, startPackIndexer, type IndexPackOptions, type IndexProgress } from '../../src/git/index-pack.js'
import { readObjectIds, readPackIndexSummary } from '../../src/git/pack-index.js'
import { initRepository } from '../../src/git/scratch-repository.js'
import { withTimeLimit } from '../../src/jobs/time-limit.js'
import { collect, gitEnvironment, GitFixture, inChunks } from '../doubles/git-fixture.js'

let fixture: GitFixture
let objects: string[]
let scratches = 0

beforeAll(() => {
  fixture = new GitFixture()
  fixture.addCommits('refs/heads/main', 30, { files: 3, bytes: 3000 })
  objects = fixture.git(['rev-list', '--objects', '--all', '--no-object-names']).split('\n')
})
afterAll(() => fixture.remove())

function packOf(ids: readonly string[], ...flags: readonly string[]): Buffer {
  return execFileSync('git', ['--git-dir', fixture.path, 'pack-objects', '--stdout', '-q', ...flags], {
    input: ids.map((id) => `${id}\n`).join(''),
    env: gitEnvironment,
    maxBuffer: 1e8,
  })
}

async function options(more: Partial<IndexPackOptions> = {}): Promise<IndexPackOptions> {
  scratches += 1
  const gitDir = join(fixture.folder, `scratch-${scratches}`)
  await initRepository(gitDir, 'sha1')
  return { gitDir, objectFormat: 'sha1', check: 'full', packBytesMax: 1e8, ...more }
}

/** Packs that somebody could take for good; git leaves `tmp_pack_*`, which goes with the scratch folder. */
function leftovers(gitDir: string): string[] {
  return readdirSync(join(gitDir, 'objects'), { recursive: true })
    .map(String)
    .filter((name) => /pack\/pack-/.test(name))
}

test('a sound pack is indexed, with its checksum, its size and its progress', async () => {
  const pack = packOf(objects)
  const seen: IndexProgress[] = []
  const indexed = await indexPack(inChunks(pack, 1000), await options({ onProgress: (progress) => seen.push(progress) }))
  expect(indexed.packChecksum).toBe(pack.subarray(-20).toString('hex'))
  expect([indexed.objectCount, indexed.sizeBytes]).toEqual([objects.length, pack.length])
  expect(seen).toContainEqual({ phase: 'receiving', done: objects.length, total: objects.length })
  expect(seen.some((progress) => progress.phase === 'resolving')).toBe(true)
})

test('the empty pack is a pack', async () => {
  const indexed = await indexPack(inChunks(packOf([]), 100), await options())
  expect([indexed.objectCount, indexed.sizeBytes]).toEqual([0, 32])
  expect(await collect(readObjectIds(indexed.indexPath, 'sha1'))).toHaveLength(0)
})

test.for(['truncated', 'empty', 'flipped bit', 'flipped trailer', 'garbage'])(
  'a pack that is damaged (%s) is PACK_CORRUPT and leaves no pack',
  async (how) => {
    const pack = Buffer.from(packOf(objects))
    const flip = (at: number) => pack.fill((pack[at] ?? 0) ^ 0x10, at, at + 1)
    const ways: Readonly<Record<string, () => Buffer>> = {
      truncated: () => pack.subarray(0, pack.length - 500),
      empty: () => Buffer.alloc(0),
      'flipped bit': () => flip(pack.length >> 1),
      'flipped trailer': () => flip(pack.length - 3),
      garbage: () => Buffer.alloc(5000, 'not a pack'),
    }
    const damaged = ways[how]?.()
    const target = await options()
    await expect(indexPack(inChunks(damaged ?? pack, 4096), target)).rejects.toMatchObject({ code: 'PACK_CORRUPT' })
    expect(leftovers(target.gitDir)).toEqual([])
  },
)

// From a pipe git stops reading at the end of the pack; the bytes after it would be sealed without having been seen.
test.for([1, 4096, 5_000_000])('%i bytes after the end of a pack are PACK_CORRUPT', async (count) => {
  const pack = packOf(objects)
  const target = await options()
  await expect(indexPack(inChunks(Buffer.concat([pack, Buffer.alloc(count)]), 65_536), target)).rejects.toMatchObject({
    code: 'PACK_CORRUPT',
  })
})

test('a full pack that lacks an object is PACK_INCOMPLETE with the id of the object', async () => {
  const blob = fixture.git(['rev-parse', 'main:refs-heads-main/file-0.txt'])
  const pack = packOf(objects.filter((id) => id !== blob))
  const fault = indexPack(inChunks(pack, 4096), await options())
  await expect(fault).rejects.toMatchObject({ code: 'PACK_INCOMPLETE', message: expect.stringContaining(blob) as string })
})

test('a thin pack is PACK_INCOMPLETE, in either check', async () => {
  const base = fixture.git(['rev-parse', 'main~1'])
  const thin = packOf(['main', `^${base}`], '--thin', '--revs', '--delta-base-offset')
  for (const check of ['full', 'incremental'] as const) {
    await expect(indexPack(inChunks(thin, 4096), await options({ check }))).rejects.toMatchObject({ code: 'PACK_INCOMPLETE' })
  }
})

test('a pack that is too long is DEPOSIT_TOO_LARGE', async () => {
  const pack = packOf(objects)
  await expect(indexPack(inChunks(pack, 512), await options({ packBytesMax: pack.length - 1 }))).rejects.toMatchObject({
    code: 'DEPOSIT_TOO_LARGE',
  })
  expect((await indexPack(inChunks(pack, 512), await options({ packBytesMax: pack.length }))).sizeBytes).toBe(pack.length)
})

test('messages of fsck are findings, not refusals, in a full and in an incremental deposit', async () => {
  const tree = fixture.git(['rev-parse', 'main^{tree}'])
  const odd = fixture.writeRaw(
    'commit',
    `tree ${tree}\nauthor Ada ada@example.org 1 +0000\ncommitter Ada <ada@example.org> 1 +0000\n\nodd\n`,
  )
  const reachable = fixture.git(['rev-list', '--objects', odd, '--no-object-names']).split('\n')
  const full = await indexPack(inChunks(packOf(reachable), 4096), await options())
  expect(full.fsck.listed.map((message) => [message.id, message.oid])).toEqual([['missingEmail', odd]])
  const scratch = await options({ check: 'incremental' })
  await indexPack(inChunks(packOf([odd]), 4096), scratch)
  const report = await fsckObjects(scratch.gitDir)
  expect([...report.counts]).toEqual([['missingEmail', 1]])
  expect(report.listed[0]?.oid).toBe(odd)
})

test('an incremental is not blamed for a .gitmodules that the archive has already', async () => {
  const modules = fixture.writeRaw('blob', '[submodule "a"]\n\tpath = a\n\turl = https://git.example/a\n')
  const tree = fixture.git(['mktree'], `100644 blob ${modules}\t.gitmodules\n`)
  const scratch = await options({ check: 'incremental' })
  await indexPack(inChunks(packOf([tree]), 4096), scratch)
  expect((await fsckObjects(scratch.gitDir)).listed).toEqual([])
})

test.for(['full', 'incremental'] as const)('an object that cannot be parsed refuses a %s deposit', async (check) => {
  const tree = fixture.git(['rev-parse', 'main^{tree}'])
  const broken = fixture.writeRaw(
    'commit',
    `tree ${tree}\nauthor A\0da <a@example.org> 1 +0000\ncommitter Ada <a@example.org> 1 +0000\n\nx`,
  )
  const pack = packOf([broken, tree, ...objects])
  const scratch = await options({ check })
  const attempt = async () => {
    await indexPack(inChunks(pack, 4096), scratch)
    await fsckObjects(scratch.gitDir)
  }
  await expect(attempt()).rejects.toMatchObject({ code: 'PACK_CORRUPT', message: expect.stringContaining(broken) as string })
})

test('writing is refused as soon as git has given up, not only at the end', async () => {
  const indexer = await startPackIndexer(await options())
  const writeForEver = async () => {
    for (;;) await indexer.write(Buffer.alloc(65_536, 'x'))
  }
  await expect(writeForEver()).rejects.toMatchObject({ code: 'PACK_CORRUPT' })
})

test('a source that fails takes git with it', async () => {
  const target = await options()
  async function* broken(): AsyncGenerator<Uint8Array, void, undefined> {
    yield packOf(objects).subarray(0, 2000)
    throw new Error('the network went away')
  }
  await expect(indexPack(broken(), target)).rejects.toThrow('the network went away')
})

test('an abort ends it with its own reason', async () => {
  const abort = new AbortController()
  const indexer = await startPackIndexer(await options(), abort.signal)
  await indexer.write(packOf(objects).subarray(0, 2000))
  abort.abort(new Error('enough'))
  await expect(indexer.end()).rejects.toThrow('enough')
})

/** A git like any other, but that indexing a stream takes it a processor and for ever. */
function spinningGit(): { readonly program: string; readonly pidFile: string } {
  const [program, pidFile] = [join(fixture.folder, 'spinning-git'), join(fixture.folder, 'spinning.pid')]
  const spin = `echo $$ > ${pidFile}; while :; do :; done`
  writeFileSync(program, `#!/bin/sh\ncase "$*" in *'index-pack --stdin'*) ${spin};; *) exec git "$@";; esac\n`, { mode: 0o755 })
  return { program, pidFile }
}

test('a repository that makes git spin is ended by the time limit of its job, and no process is left', async () => {
  const { program, pidFile } = spinningGit()
  const limited = withTimeLimit(
    { timeLimitMs: 1500, stopMs: 20_000 },
    async (signal) => {
      const indexer = await startPackIndexer(await options({ gitProgram: program }), signal)
      await indexer.write(packOf(objects).subarray(0, 2000))
      return indexer.end()
    },
    new AbortController().signal,
  )
  await expect(limited).rejects.toMatchObject({ code: 'JOB_TIMEOUT' })
  const pid = Number(readFileSync(pidFile, 'utf8'))
  expect(pid).toBeGreaterThan(1)
  await vi.waitFor(() => expect(() => process.kill(pid, 0)).toThrow('ESRCH'), 10_000)
  // Whoever had that job goes on with the next one.
  expect((await indexPack(inChunks(packOf(objects), 4096), await options())).objectCount).toBe(objects.length)
})

test('a git that is not there is GIT_MISSING', async () => {
  await expect(startPackIndexer(await options({ gitProgram: '/nonexistent/git' }))).rejects.toMatchObject({ code: 'GIT_MISSING' })
})

test('an index that is cut short or of another kind is refused', async () => {
  const indexed = await indexPack(inChunks(packOf(objects), 4096), await options())
  await expect(readPackIndexSummary(indexed.packPath, 'sha1')).rejects.toMatchObject({ code: 'FORMAT_INVALID' })
  await expect(readPackIndexSummary(indexed.indexPath, 'sha256')).rejects.toMatchObject({ code: 'FORMAT_INVALID' })
  await expect(collect(readObjectIds('/dev/null', 'sha1'))).rejects.toMatchObject({ code: 'FORMAT_INVALID' })
})
