// A repository of the depositor's own, packed without being hashed again: what git itself does not let pass, and what our settings add to that.
import { execFileSync } from 'node:child_process'
import { chmodSync, copyFileSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { deflateSync } from 'node:zlib'
import { afterAll, afterEach, beforeEach, expect, test } from 'vitest'
import { indexPack } from '../../src/git/index-pack.js'
import { LocalRemote } from '../../src/git/local-remote.js'
import { startPacking, type PackingRequest } from '../../src/git/pack-repository.js'
import { initRepository } from '../../src/git/scratch-repository.js'
import { addEveryKindOfRef, collect, gitEnvironment, GitFixture, inChunks } from '../doubles/git-fixture.js'

const folder = mkdtempSync(join(tmpdir(), 'reduit-own-pack-'))
let source: GitFixture
let scratches = 0
beforeEach(() => void (source = new GitFixture()))
afterEach(() => source.remove())
afterAll(() => rmSync(folder, { recursive: true }))

const tipsOf = ({ refs }: { readonly refs: readonly { readonly oid: string }[] }) => [...new Set(refs.map(({ oid }) => oid))]

async function pack(fixture: GitFixture, changes: Partial<PackingRequest> = {}) {
  const gitDir = join(folder, `scratch-${(scratches += 1)}.git`)
  const { objectFormat } = fixture
  await initRepository(gitDir, objectFormat)
  const wants = changes.wants ?? tipsOf(await new LocalRemote({ path: fixture.path }).listRefs())
  const request = { from: fixture.path, gitDir, objectFormat, wants, haves: [], packBytesMax: 1e9, ...changes }
  const packing = await startPacking(request)
  try {
    const bytes = await collect(packing.bytes())
    return { bytes, indexed: await packing.end() }
  } catch (error) {
    await packing.abort()
    throw error
  }
}

/** As a worker takes it, or `deposit` without `--no-fsck`. */
async function packStrictly(fixture: GitFixture) {
  const gitDir = join(folder, `strict-${(scratches += 1)}.git`)
  const { objectFormat } = fixture
  await initRepository(gitDir, objectFormat)
  const remote = new LocalRemote({ path: fixture.path })
  const request = { objectFormat, wants: tipsOf(await remote.listRefs()), haves: [] }
  return indexPack(remote.fetchPack(request), { gitDir, objectFormat, check: 'full', packBytesMax: 1e9 })
}

/** The ids that git derives from the bytes of a pack, every link inside it. */
async function hashed({ bytes }: { readonly bytes: Uint8Array }, objectFormat: 'sha1' | 'sha256' = 'sha1'): Promise<readonly string[]> {
  const gitDir = join(folder, `hashed-${(scratches += 1)}.git`)
  await initRepository(gitDir, objectFormat)
  await indexPack(inChunks(bytes, 65_536), { gitDir, objectFormat, check: 'full', packBytesMax: 1e9 })
  const ids = ['--git-dir', gitDir, 'cat-file', '--batch-all-objects', '--batch-check=%(objectname)']
  return execFileSync('git', ids, { env: gitEnvironment }).toString().trim().split('\n')
}

const onlyPack = (fixture: GitFixture, suffix: string): string => {
  const names = readdirSync(join(fixture.path, 'objects', 'pack')).filter((name) => name.endsWith(suffix))
  expect(names).toHaveLength(1)
  return join(fixture.path, 'objects', 'pack', names[0] ?? '')
}

function change(path: string, work: (bytes: Buffer) => void): void {
  const bytes = readFileSync(path)
  work(bytes)
  chmodSync(path, 0o600)
  writeFileSync(path, bytes)
}

/** Two blobs that git cannot make deltas of, in one pack. */
function withBlobs(fixture: GitFixture): { readonly first: string; readonly second: string } {
  const noise = (seed: string) =>
    execFileSync('sh', ['-c', `printf ${seed} | openssl enc -aes-256-ctr -pass stdin -nosalt -in /dev/zero 2>/dev/null | head -c 9000`])
  const [first, second] = ['a', 'b'].map((seed) => fixture.git(['hash-object', '-w', '--stdin'], noise(seed))) as [string, string]
  const tree = fixture.git(['mktree'], `100644 blob ${first}\ta\n100644 blob ${second}\tb\n`)
  fixture.git(['update-ref', 'refs/heads/main', fixture.git(['commit-tree', tree, '-m', 'blobs'])])
  fixture.git(['repack', '-adq'])
  return { first, second }
}

/** Where an object lies in the only pack. */
function offsetOf(fixture: GitFixture, oid: string): number {
  const lines = fixture.git(['show-index'], readFileSync(onlyPack(fixture, '.idx'))).split('\n')
  return Number(lines.find((line) => line.includes(oid))?.split(' ')[0])
}

/** Where a chunk of a commit-graph or multi-pack-index begins (gitformat-chunk). */
function chunkAt(file: Buffer, id: string, tableAt: number): number {
  for (let at = tableAt; at < tableAt + 12 * 20; at += 12)
    if (file.toString('latin1', at, at + 4) === id) return Number(file.readBigUInt64BE(at + 4))
  throw new Error(`no chunk ${id}`)
}

test.for(['sha1', 'sha256'] as const)(
  'every object of a %s repository with every kind of ref is packed, and hashes to its name',
  async (objectFormat) => {
    const every = new GitFixture(objectFormat)
    addEveryKindOfRef(every)
    const packed = await pack(every)
    const tips = tipsOf(await new LocalRemote({ path: every.path }).listRefs())
    const reachable = every.git(['rev-list', '--objects', '--no-object-names', ...tips]).split('\n')
    expect(await hashed(packed, objectFormat)).toEqual(reachable.toSorted())
    expect(packed.indexed).toMatchObject({ objectCount: reachable.length, sizeBytes: packed.bytes.length })
    expect(packed.bytes.equals(readFileSync(packed.indexed.packPath))).toBe(true)
    every.remove()
  },
)

test('only what is new is packed, also when the archive has what the repository has lost', async () => {
  const before = source.addCommits('refs/heads/main', 3)
  source.addCommits('refs/heads/main', 1, { label: 'new' })
  const whole = await pack(source)
  const { indexed } = await pack(source, { haves: [before, 'a'.repeat(40)] })
  expect(indexed.objectCount).toBeLessThan(whole.indexed.objectCount)
  expect(indexed.objectCount).toBe(Number(source.git(['rev-list', '--objects', '--count', 'main', `^${before}`])))
  expect((await pack(source, { haves: [source.git(['rev-parse', 'main'])] })).indexed.objectCount).toBe(0)
})

test('a folder with a colon and a quote in its name, a linked work tree and borrowed objects are found', async () => {
  source.addCommits('refs/heads/main', 2)
  const odd = join(folder, 'a:b"c\\d')
  execFileSync('git', ['clone', '-q', '--shared', source.path, odd], { env: gitEnvironment, stdio: 'ignore' })
  execFileSync('git', ['-C', odd, 'worktree', 'add', '-q', join(folder, 'linked'), '-b', 'linked'], {
    env: gitEnvironment,
    stdio: 'ignore',
  })
  const whole = await pack(source)
  for (const path of [odd, join(folder, 'linked')]) {
    const from = await new LocalRemote({ path }).folder()
    const wants = [source.git(['rev-parse', 'main'])]
    expect((await pack(source, { from, wants })).indexed.objectCount, path).toBe(whole.indexed.objectCount)
  }
})

test('a bit that turned in the compressed bytes of a pack is refused, as the strict way refuses it', async () => {
  const { first } = withBlobs(source)
  const at = offsetOf(source, first) + 4000
  change(onlyPack(source, '.pack'), (bytes) => void bytes.writeUInt8(bytes.readUInt8(at) ^ 4, at))
  await expect(pack(source)).rejects.toMatchObject({ code: 'PACK_CORRUPT', message: expect.stringContaining(first) as string })
  await expect(packStrictly(source)).rejects.toMatchObject({ code: expect.stringMatching(/PACK_CORRUPT|REMOTE_BROKEN/) as string })
})

test('a bit that turned in a loose object is refused, as the strict way refuses it', async () => {
  const { first } = withBlobs(source)
  source.git(['unpack-objects', '-q'], moved(onlyPack(source, '.pack')))
  change(join(source.path, 'objects', first.slice(0, 2), first.slice(2)), (bytes) => void bytes.writeUInt8(bytes.readUInt8(4000) ^ 4, 4000))
  for (const take of [pack, packStrictly])
    await expect(take(source)).rejects.toMatchObject({ code: expect.stringMatching(/PACK_(?:CORRUPT|INCOMPLETE)|REMOTE_BROKEN/) as string })
})

/** Take a pack out of its repository. */
function moved(path: string): Buffer {
  const bytes = readFileSync(path)
  rmSync(path)
  rmSync(path.replace('.pack', '.idx'))
  return bytes
}

test('an object that is missing is refused, be it a file, a folder or a commit', async () => {
  source.addCommits('refs/heads/main', 4)
  const objects = ['main~1:refs-heads-main/file-0.txt', 'main~1^{tree}', 'main~1'].map((name) => source.git(['rev-parse', name]))
  source.git(['repack', '-adq'])
  source.git(['unpack-objects', '-q'], moved(onlyPack(source, '.pack')))
  for (const oid of objects) {
    const path = join(source.path, 'objects', oid.slice(0, 2), oid.slice(2))
    copyFileSync(path, join(folder, 'kept'))
    rmSync(path)
    await expect(pack(source), oid).rejects.toMatchObject({ code: 'PACK_INCOMPLETE', message: expect.stringContaining(oid) as string })
    await expect(packStrictly(source), oid).rejects.toMatchObject({
      code: expect.stringMatching(/PACK_INCOMPLETE|REMOTE_BROKEN/) as string,
    })
    copyFileSync(join(folder, 'kept'), path)
  }
  expect((await pack(source)).indexed.objectCount).toBeGreaterThan(4)
})

test('a commit-graph that leaves out history is not believed', async () => {
  source.addCommits('refs/heads/main', 4)
  source.git(['commit-graph', 'write', '--reachable'])
  const commits = source.git(['rev-list', 'main']).split('\n')
  change(join(source.path, 'objects', 'info', 'commit-graph'), (bytes) => {
    const row = chunkAt(bytes, 'CDAT', 8) + commits.toSorted().indexOf(commits[0] ?? '') * 36
    // No parent: what is older would be left behind.
    bytes.writeUInt32BE(0x7000_0000, row + 20)
  })
  expect(source.git(['rev-list', '--count', 'main'])).toBe('1')
  expect(await hashed(await pack(source))).toHaveLength(
    Number(source.git(['-c', 'core.commitGraph=false', 'rev-list', '--objects', '--count', 'main'])),
  )
})

test('a multi-pack-index that takes one folder for another is not believed', async () => {
  withBlobs(source)
  const empty = source.git(['mktree'])
  source.git(['update-ref', 'refs/heads/other', source.git(['commit-tree', empty, '-m', 'nothing'])])
  source.git(['repack', '-adq'])
  source.git(['multi-pack-index', 'write'])
  const folderOid = source.git(['rev-parse', 'main^{tree}'])
  const index = source.git(['show-index'], readFileSync(onlyPack(source, '.idx')))
  const ids = index.split('\n').map((line) => line.split(' ')[1] ?? '')
  change(join(source.path, 'objects', 'pack', 'multi-pack-index'), (bytes) => {
    const [wrong = 0, right = 0] = [folderOid, empty].map((oid) => chunkAt(bytes, 'OOFF', 12) + ids.indexOf(oid) * 8)
    bytes.copy(bytes, wrong, right, right + 8)
  })
  expect(source.git(['cat-file', 'tree', folderOid])).toBe('')
  const wants = [source.git(['rev-parse', 'main'])]
  expect(await hashed(await pack(source, { wants }))).toHaveLength(4)
})

test('an object that lies under another name is what is given up: it is packed here, and refused by whoever hashes it', async () => {
  const { first } = withBlobs(source)
  source.git(['unpack-objects', '-q'], moved(onlyPack(source, '.pack')))
  const path = join(source.path, 'objects', first.slice(0, 2), first.slice(2))
  chmodSync(path, 0o600)
  writeFileSync(path, deflateSync(Buffer.from('blob 5\0other')))
  const packed = await pack(source)
  await expect(hashed(packed)).rejects.toMatchObject({ code: 'PACK_INCOMPLETE' })
  await expect(packStrictly(source)).rejects.toMatchObject({ code: expect.stringMatching(/PACK_INCOMPLETE|REMOTE_BROKEN/) as string })
})

test('a shallow repository is refused with advice, and a pack beyond the limit', async () => {
  source.addCommits('refs/heads/main', 3, { bytes: 4000 })
  const path = join(folder, 'shallow.git')
  execFileSync('git', ['clone', '-q', '--bare', '--depth=1', `file://${source.path}`, path], { env: gitEnvironment, stdio: 'ignore' })
  await expect(pack(source, { from: path })).rejects.toMatchObject({ code: 'REMOTE_SHALLOW' })
  await expect(pack(source, { packBytesMax: 100 })).rejects.toMatchObject({ code: 'DEPOSIT_TOO_LARGE' })
})

/** A git that is the real one but for the pack that it leaves. @param spoil - lines of shell; `$pack` and `$idx` are its files. */
function spoiling(name: string, spoil: string): string {
  const path = join(folder, name)
  const script = `#!/bin/sh\ncase "$*" in *pack-objects*) ;; *) exec git "$@" ;; esac
for last; do :; done
git "$@" > ${path}.out || exit $?
pack="$last-$(cat ${path}.out).pack" idx="$last-$(cat ${path}.out).idx"
chmod u+w "$pack" "$idx"\n${spoil}\ncat ${path}.out\n`
  writeFileSync(path, script)
  chmodSync(path, 0o755)
  return path
}

test('a pack that is cut short or longer on the disk, and an index of another one, are refused', async () => {
  source.addCommits('refs/heads/main', 3)
  const { indexed } = await pack(source)
  const other = new GitFixture()
  other.addCommits('refs/heads/main', 1)
  const another = await pack(other)
  for (const [name, spoil] of [
    ['cut', 'truncate -s -1 "$pack"'],
    ['begun', 'truncate -s 100 "$pack"'],
    ['gone', 'truncate -s 0 "$pack"'],
    ['longer', 'printf x >> "$pack"'],
    ['swapped', `cp ${another.indexed.indexPath} "$idx"`],
    ['other', `cp ${another.indexed.packPath} "$pack"`],
  ] as const)
    await expect(pack(source, { gitProgram: spoiling(name, spoil) }), name).rejects.toMatchObject({ code: 'PACK_CORRUPT' })
  expect((await pack(source, { gitProgram: spoiling('honest', ':') })).indexed.packChecksum).toBe(indexed.packChecksum)
  expect(statSync(indexed.packPath).size).toBe(indexed.sizeBytes)
  other.remove()
})

test('a repository that is repacked between listing and packing is packed all the same', async () => {
  source.addCommits('refs/heads/main', 3)
  const before = await pack(source)
  const repacking = join(folder, 'repacking')
  writeFileSync(repacking, `#!/bin/sh\ncase "$*" in *pack-objects*) git --git-dir ${source.path} repack -adFq ;; esac\nexec git "$@"\n`)
  chmodSync(repacking, 0o755)
  expect((await pack(source, { gitProgram: repacking })).indexed.objectCount).toBe(before.indexed.objectCount)
})

test('whoever gives up leaves no git behind', async () => {
  source.addCommits('refs/heads/main', 2)
  const pid = join(folder, 'pid')
  const slow = join(folder, 'slow')
  writeFileSync(slow, `#!/bin/sh\necho $$ > ${pid}\nexec sleep 60\n`)
  chmodSync(slow, 0o755)
  const gitDir = join(folder, 'given-up.git')
  await initRepository(gitDir, 'sha1')
  const stop = new AbortController()
  const request = {
    from: source.path,
    gitDir,
    objectFormat: 'sha1' as const,
    wants: [source.git(['rev-parse', 'main'])],
    haves: [],
    packBytesMax: 1e9,
  }
  const packing = await startPacking({ ...request, gitProgram: slow }, stop.signal)
  const reading = collect(packing.bytes())
  setTimeout(() => stop.abort(new Error('enough')), 200)
  await expect(reading).rejects.toThrow('enough')
  await packing.abort()
  expect(() => process.kill(Number(readFileSync(pid, 'utf8')), 0)).toThrow('ESRCH')
})
