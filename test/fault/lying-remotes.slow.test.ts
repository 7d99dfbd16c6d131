// A remote that answers, and lies: what it sends is no pack, or not the pack of what it lists. And a scratch disk that is full.
// Before the first deposit and after it; the last test takes a good one and restores all of them.
import { execFileSync } from 'node:child_process'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { ArchiveTree } from '../doubles/archive-tree.js'
import { fillDisk } from '../doubles/full-disk.js'
import { addEveryKindOfRef, GitFixture, gitEnvironment } from '../doubles/git-fixture.js'
import { GitHttpServer } from '../doubles/git-http-server.js'
import { lie } from '../doubles/lying-remote.js'
import { allowLoopback, EscrowHome, pulled } from '../doubles/escrow-home.js'
import { describeRepository } from '../doubles/test-archive.js'
import { expectNothingOf } from './expect-refused.js'

let fixture: GitFixture
let server: GitHttpServer
let home: EscrowHome
let objects: readonly string[]
/** The folder that the newest commits have changed. */
let newest = 'refs-heads-main'
/** A commit that no git can parse, and its tree. */
let broken: readonly string[]
const undo: (() => unknown)[] = []

beforeAll(async () => {
  fixture = new GitFixture()
  undo.push(() => fixture.remove())
  addEveryKindOfRef(fixture)
  server = await GitHttpServer.start(fixture.folder)
  undo.push(() => server.close())
  const url = `${server.origin}/repository.git`
  home = await EscrowHome.make(pulled('product', url), { configure: allowLoopback })
  undo.push(() => home.remove())
  objects = fixture.git(['rev-list', '--objects', 'refs/heads/main', '--no-object-names']).split('\n')
  const tree = fixture.git(['rev-parse', 'refs/heads/main^{tree}'])
  const parent = fixture.git(['rev-parse', 'refs/heads/main'])
  const name = 'A\0da <a@example.org> 1 +0000'
  broken = [fixture.writeRaw('commit', `tree ${tree}\nparent ${parent}\nauthor ${name}\ncommitter Ada <a@example.org> 1 +0000\n\nx`), tree]
})
afterAll(async () => {
  for (const step of undo.toReversed()) await step()
})
afterEach(() => server.reset())

function packOf(ids: readonly string[]): Buffer {
  return execFileSync('git', ['--git-dir', fixture.path, 'pack-objects', '--stdout', '-q'], {
    input: ids.map((id) => `${id}\n`).join(''),
    env: gitEnvironment,
  })
}

const main = () => fixture.git(['rev-parse', 'refs/heads/main'])
const flipped = (pack: Buffer, at: number) => pack.map((byte, place) => (place === at ? byte ^ 1 : byte))
const without = (revision: string) => {
  const id = fixture.git(['rev-parse', revision])
  expect(objects).toContain(id)
  return packOf(objects.filter((object) => object !== id))
}

interface Sent {
  readonly refs?: readonly string[]
  readonly pack: Uint8Array
  readonly words?: string
}
const lies: Readonly<Record<string, readonly [() => Sent, code: string, words: RegExp]>> = {
  'a pack that is cut short': [() => ({ pack: packOf(objects).subarray(0, -300) }), 'PACK_CORRUPT', /`git fsck` at the remote/],
  'a pack without its trailer': [() => ({ pack: packOf(objects).subarray(0, -20) }), 'PACK_CORRUPT', /`git fsck` at the remote/],
  'no pack at all': [() => ({ pack: Buffer.alloc(0) }), 'PACK_CORRUPT', /`git fsck` at the remote/],
  'a pack with a flipped bit': [() => ({ pack: flipped(packOf(objects), 400) }), 'PACK_CORRUPT', /`git fsck` at the remote/],
  'something else than a pack': [
    () => ({ pack: Buffer.from('<html>Login</html>'.repeat(100)) }),
    'PACK_CORRUPT',
    /`git fsck` at the remote/,
  ],
  'bytes after the end of a pack': [
    () => ({ pack: Buffer.concat([packOf(objects), Buffer.alloc(5000)]) }),
    'PACK_CORRUPT',
    /`git fsck` at the remote/,
  ],
  'a pack that lacks a blob': [
    () => ({ pack: without(`refs/heads/main:${newest}/file-0.txt`) }),
    'PACK_INCOMPLETE',
    /`git fsck` at the remote/,
  ],
  'a pack that lacks a tree': [() => ({ pack: without('refs/heads/main~1^{tree}') }), 'PACK_INCOMPLETE', /`git fsck` at the remote/],
  'a pack that lacks a commit in the middle': [
    () => ({ pack: without('refs/heads/main~1') }),
    'PACK_INCOMPLETE',
    /`git fsck` at the remote/,
  ],
  'a pack that lacks the tip': [() => ({ pack: without('refs/heads/main') }), 'PACK_INCOMPLETE', /`git fsck` at the remote/],
  'a pack with an object that cannot be parsed': [
    () => ({ refs: [`${broken[0]} refs/heads/main`], pack: packOf([...objects, ...broken]) }),
    'PACK_CORRUPT',
    /`git fsck` at the remote/,
  ],
  'half a pack, and then its own words': [
    () => ({ pack: packOf(objects).subarray(0, 500), words: 'remote: out of memory, try again tomorrow' }),
    'REMOTE_BROKEN',
    /out of memory, try again tomorrow/,
  ],
}

async function expectRefused(kind: string, deposits: number): Promise<void> {
  const [sent, code, words] = lies[kind] ?? []
  if (sent === undefined) throw new Error(`no such lie: ${kind}`)
  lie(server, { refs: [`${main()} refs/heads/main`], ...sent() })
  const ended = await home.run('mirror')
  server.reset()
  expectNothingOf(home, ended, 'product', { code: code ?? '', exitCode: 4, words: words ?? /never/, deposits })
}

/** From nothing free to almost enough: whoever writes to scratch first finds it full first. */
async function expectFull(deposits: number): Promise<void> {
  for (const freeBytes of [0, 1500]) {
    const empty = await fillDisk(home.at('service', 'scratch'), freeBytes)
    const ended = await home.run('mirror')
    empty()
    expectNothingOf(home, ended, 'product', { code: 'SCRATCH_FULL', exitCode: 5, words: /add space at the scratch folder/, deposits })
  }
}

test.for(Object.keys(lies))('first of all, %s', (kind) => expectRefused(kind, 0))
test('first of all, a scratch disk without room', () => expectFull(0))

const again = ['no pack at all', 'a pack with a flipped bit', 'a pack that lacks a blob', 'a pack that lacks a commit in the middle']

test('then a good deposit, and after it lies again: the chain stays as it is', async () => {
  await home.must('mirror')
  const first = describeRepository(fixture.path)
  fixture.addCommits('refs/heads/main', 3, { label: 'later' })
  newest = 'later'
  objects = fixture.git(['rev-list', '--objects', 'refs/heads/main', '--no-object-names']).split('\n')
  for (const kind of again) await expectRefused(kind, 1)
  await expectFull(1)
  const second = describeRepository(fixture.path)
  await home.must('mirror')
  await home.must('check', '--all')
  expect(await home.must('repair')).toBe('nothing to repair')
  for (const replica of ['a', 'b'] as const) {
    const restored: unknown[] = []
    new ArchiveTree(home, replica).restoreEach('product', (_, gitDir) => void restored.push(describeRepository(gitDir)))
    expect(restored).toEqual([first, second])
  }
})
