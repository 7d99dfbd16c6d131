// What a hostile repository may hold: the real git pushes it. Either it is refused in words and leaves nothing, or it is a deposit that says what is odd
// about it, and nothing of it is ever checked out or run here. Packs that no git would make are sent by hand.
import { createHash } from 'node:crypto'
import { deflateSync } from 'node:zlib'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { gitEnvironment, GitFixture } from '../doubles/git-fixture.js'
import { PushHouse, run, runGit } from '../doubles/push-client.js'

let house: PushHouse
const made: GitFixture[] = []
const sources = ['dot-git', 'names', 'links', 'modules', 'wide', 'long', 'zeros', 'deep', 'bomb', 'broken'] as const
beforeAll(async () => {
  house = await PushHouse.open([...sources])
})
afterAll(async () => {
  await house.close()
  for (const fixture of made) fixture.remove()
})

/** A repository whose only commit has this tree. */
function repositoryOf(entries: readonly (readonly [mode: string, name: string, content: string | Uint8Array])[]): GitFixture {
  const fixture = new GitFixture()
  made.push(fixture)
  const tree = entries.map(([mode, name, content]) => {
    const oid = mode === '40000' ? String(content) : fixture.writeRaw('blob', content)
    return Buffer.concat([Buffer.from(`${mode} ${name}\0`), Buffer.from(oid, 'hex')])
  })
  commit(fixture, fixture.writeRaw('tree', Buffer.concat(tree)))
  return fixture
}

function commit(fixture: GitFixture, tree: string): void {
  const who = 'Eve <eve@example.org> 1700000000 +0000'
  const oid = fixture.writeRaw('commit', `tree ${tree}\nauthor ${who}\ncommitter ${who}\n\nhostile\n`)
  fixture.git(['update-ref', 'refs/heads/main', oid])
}

/** Push by the real git. @returns what it printed; a deposit was made. */
async function pushed(fixture: GitFixture, source: (typeof sources)[number]): Promise<string> {
  const ran = await house.git(fixture.path, 'push', '--mirror', house.address(source))
  expect(ran.exitCode, ran.text).toBe(0)
  expect(house.scratch()).toEqual([])
  return ran.text
}

test('a tree with .git in it, in every spelling, is a deposit with a warning', async () => {
  const fixture = repositoryOf([
    ['100644', '.GIT', 'x'],
    ['100644', '.git', 'gitdir: /tmp/evil\n'],
    ['100755', 'git~1', '#!/bin/sh\ntouch /tmp/evil\n'],
  ])
  expect(await pushed(fixture, 'dot-git')).toMatch(/warning: FSCK_MESSAGE \(\d+\) [0-9a-f]{40}: hasDotgit/)
})

test('names that are there twice, in one case or in two, and names with a slash or dots, are told', async () => {
  const fixture = repositoryOf([
    ['100644', '..', 'up'],
    ['100644', 'README', 'one'],
    ['100644', 'README', 'two'],
    ['100644', 'a/b', 'path'],
    ['100644', 'readme', 'three'],
  ])
  const text = await pushed(fixture, 'names')
  expect(text).toMatch(/warning: FSCK_MESSAGE \([3-9]\)/)
})

test('symbolic links out of the tree are carried and followed by nobody', async () => {
  const fixture = repositoryOf([
    ['120000', 'LICENSE', '/etc/passwd'],
    ['120000', 'passwd', '/etc/passwd'],
    ['120000', 'up', '../../../../root/.ssh/id_ed25519'],
  ])
  expect(await pushed(fixture, 'links')).toMatch(/deposit 1 \(full\)/)
  const shadow = (await runGit(['--git-dir', fixture.path, 'cat-file', '-p', 'main:passwd'])).text
  expect(shadow).toBe('/etc/passwd')
})

test('a .gitmodules whose URLs would run programs is a warning, and nobody fetches from them', async () => {
  const fixture = repositoryOf([
    [
      '100644',
      '.gitmodules',
      '[submodule "a"]\n\tpath = a\n\turl = -u./payload\n[submodule "../../hooks"]\n\tpath = b\n\turl = ext::sh -c touch% /tmp/evil\n[submodule "c"]\n\tpath = c\n\turl = http://169.254.169.254/latest\n',
    ],
  ])
  expect(await pushed(fixture, 'modules')).toMatch(/warning: FSCK_MESSAGE \(\d+\) [0-9a-f]{40}: gitmodules(?:Url|Name)/)
})

test('a tree of 100,000 entries and folders 2,000 deep are deposits', async () => {
  const wide = new GitFixture()
  made.push(wide)
  const blob = Buffer.from(wide.writeRaw('blob', 'x'), 'hex')
  const names = Array.from({ length: 100_000 }, (_, index) => `f${String(index).padStart(6, '0')}`)
  commit(wide, wide.writeRaw('tree', Buffer.concat(names.map((name) => Buffer.concat([Buffer.from(`100644 ${name}\0`), blob])))))
  expect(await pushed(wide, 'wide')).toMatch(/deposit 1 \(full\)/)
  const long = new GitFixture()
  made.push(long)
  let lines = 'commit refs/heads/main\ncommitter Eve <eve@example.org> 1700000000 +0000\ndata 1\nx\n'
  lines += `M 100644 inline ${'d/'.repeat(2000)}file\ndata 1\nx\n`
  long.git(['fast-import', '--quiet'], lines)
  // Refused or taken: in words, and without a crash.
  const ran = await house.git(long.path, 'push', '--mirror', house.address('long'))
  expect(ran.text).toMatch(/deposit 1 \(full\)|nothing was stored: .* \[[A-Z_]+\]/)
  expect(house.scratch()).toEqual([])
})

test('600 MB of zeros in 600 KB pass through without filling memory', async () => {
  const fixture = new GitFixture()
  made.push(fixture)
  const script = `head -c 600000000 /dev/zero | git --git-dir "$1" hash-object -w --stdin`
  const { text: blob } = await run('sh', ['-c', script, 'zeros', fixture.path], gitEnvironment)
  commit(fixture, fixture.writeRaw('tree', Buffer.concat([Buffer.from('100644 zeros\0'), Buffer.from(blob.trim(), 'hex')])))
  const before = process.memoryUsage().rss
  expect(await pushed(fixture, 'zeros')).toMatch(/deposit 1 \(full\)/)
  expect(process.memoryUsage().rss - before).toBeLessThan(300_000_000)
})

test('a chain of 5,000 deltas is taken', async () => {
  const { pack, commit: tip } = chainOf(5000)
  expect(await send('deep', pack, tip)).toContain('ok refs/heads/main')
})

test('a delta of twenty bytes that makes an object of three gigabytes is refused before git takes the memory', async () => {
  const size = 3 * 1024 ** 3
  const base = blobEntry(Buffer.from('a blob'))
  const pack = packOf([base, ofsDelta(base.length, Buffer.concat([varint(6), varint(size), Buffer.from([0x90, 6])]))])
  const answer = await house.post('bomb', [`${'0'.repeat(40)} ${'a'.repeat(40)} refs/heads/main`], pack)
  expect(answer).toMatch(/ng refs\/heads\/main .*attempting to allocate 3221225473 over limit 2147483648/)
  expect(house.scratch()).toEqual([])
  expect(await house.latest('bomb')).toBeNull()
})

test.for([
  ['more objects than it says', (pack: Buffer) => withCount(pack, 1)],
  ['four thousand million objects, it says', (pack: Buffer) => withCount(pack, 0xff_ff_ff_ff)],
  ['a delta on itself', () => packOf([ofsDelta(0, Buffer.from([1, 1, 0x90, 1]))])],
  [
    'a delta that copies from behind its base',
    () => packOf([blobEntry(Buffer.from('ab')), ofsDelta(11, Buffer.from([2, 200, 0xb0, 200]))]),
  ],
] as const)('a pack with %s is refused', async ([, spoil]) => {
  const { pack, commit: tip } = chainOf(2)
  const answer = await send('broken', spoil(pack), tip)
  expect(answer).toMatch(/ng refs\/heads\/main /)
  expect(house.scratch()).toEqual([])
  expect(await house.latest('broken')).toBeNull()
})

const send = (source: string, pack: Buffer, tip: string) => house.post(source, [`${'0'.repeat(40)} ${tip} refs/heads/main`], pack)

/**
 * A pack by hand: a blob, each further one a delta on the one before, and a commit whose tree has the last of them. * Each delta appends one byte.
 */
function chainOf(length: number): { readonly pack: Buffer; readonly commit: string } {
  let content = Buffer.from('a blob')
  const entries = [blobEntry(content)]
  for (let index = 1; index < length; index += 1) {
    const size = content.length
    const copy = Buffer.from([0x80 | 0x70, size & 255, (size >> 8) & 255, (size >> 16) & 255])
    const delta = Buffer.concat([varint(size), varint(size + 1), copy, Buffer.from([1, 120])])
    entries.push(ofsDelta(entries.at(-1)?.length ?? 0, delta))
    content = Buffer.concat([content, Buffer.from('x')])
  }
  const tree = Buffer.concat([Buffer.from('100644 file\0'), Buffer.from(oidOf('blob', content), 'hex')])
  const who = 'Eve <eve@example.org> 1700000000 +0000'
  const text = Buffer.from(`tree ${oidOf('tree', tree)}\nauthor ${who}\ncommitter ${who}\n\nchain\n`)
  return { pack: packOf([...entries, entry(2, tree), entry(1, text)]), commit: oidOf('commit', text) }
}

const oidOf = (type: string, content: Uint8Array) => createHash('sha1').update(`${type} ${content.length}\0`).update(content).digest('hex')
const blobEntry = (content: Buffer) => entry(3, content)

/** gitformat-pack: type and size in one varint, then zlib. */
function entry(type: number, content: Uint8Array, between: Uint8Array = Buffer.alloc(0)): Buffer {
  let rest = content.length >> 4
  const head = [(type << 4) | (content.length & 15) | (rest > 0 ? 128 : 0)]
  for (; rest > 0; rest >>= 7) head.push((rest & 127) | (rest > 127 ? 128 : 0))
  return Buffer.concat([Buffer.from(head), between, deflateSync(content)])
}

/** @param back - bytes from this entry back to its base. */
function ofsDelta(back: number, delta: Uint8Array): Buffer {
  const bytes = [back & 127]
  for (let rest = back >> 7; rest > 0; rest >>= 7) bytes.unshift(128 | (--rest & 127))
  return entry(6, delta, Buffer.from(bytes))
}

function varint(value: number): Buffer {
  const bytes: number[] = []
  let rest = value
  for (; rest > 127; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 128)
  return Buffer.from([...bytes, rest])
}

function packOf(entries: readonly Buffer[]): Buffer {
  const head = Buffer.alloc(12)
  head.write('PACK')
  head.writeUInt32BE(2, 4)
  head.writeUInt32BE(entries.length, 8)
  const body = Buffer.concat([head, ...entries])
  return Buffer.concat([body, createHash('sha1').update(body).digest()])
}

function withCount(pack: Buffer, count: number): Buffer {
  const body = Buffer.from(pack.subarray(0, -20))
  body.writeUInt32BE(count, 8)
  return Buffer.concat([body, createHash('sha1').update(body).digest()])
}
