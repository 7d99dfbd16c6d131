import { expect, test } from 'vitest'
import { gitmodulesBytesMax } from '../../../src/core/limits.js'
import { isBuildRecipe, isLicence, showName } from '../../../src/deposit/file-names.js'
import { parseGitmodules } from '../../../src/deposit/gitmodules.js'
import { parseLfsPointer } from '../../../src/deposit/lfs-pointer.js'
import { parseCommit, parseTagTarget, parseTree, visitLinks } from '../../../src/deposit/object-links.js'
import { OidSet } from '../../../src/deposit/oid-set.js'

const sha = 'ab'.repeat(20)
const raw = Buffer.from(sha, 'hex')
const entry = (mode: string, name: string, oid: Buffer = raw) => Buffer.concat([Buffer.from(`${mode} ${name}\0`), oid])

test('a tree lists files, folders, links and submodules, and links to all but the last', () => {
  const body = Buffer.concat([
    entry('100644', 'a b'),
    entry('40000', 'd'),
    entry('120000', 'l'),
    entry('160000', 's'),
    entry('100664', 'old'),
  ])
  expect(parseTree(body, 20).map((found) => found.kind)).toEqual(['blob', 'tree', 'symlink', 'gitlink', 'blob'])
  let links = 0
  visitLinks({ type: 'tree', body }, 20, (bytes, offset) => {
    expect(bytes.subarray(offset, offset + 20)).toEqual(raw)
    links += 1
  })
  expect(links).toBe(4)
  expect(parseTree(Buffer.alloc(0), 20)).toEqual([])
})

test.for<[string, Buffer]>([
  ['without a mode', Buffer.concat([Buffer.from(' a\0'), raw])],
  ['with a mode that is not octal', entry('10064x', 'a')],
  ['with an endless mode', entry('1'.repeat(9), 'a')],
  ['without a name', Buffer.concat([Buffer.from('100644 \0'), raw])],
  ['without the end of a name', Buffer.from('100644 aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa')],
  ['whose id is cut', entry('100644', 'a', raw.subarray(1))],
  ['with bytes after the last entry', Buffer.concat([entry('100644', 'a'), Buffer.from('1')])],
])('a tree %s is refused', ([, body]) => {
  expect(() => parseTree(body, 20)).toThrow(expect.objectContaining({ code: 'PACK_CORRUPT' }) as Error)
})

test('a commit names its tree and its parents, and nothing from its message', () => {
  const text = `tree ${sha}\nparent ${sha}\nparent ${sha}\nauthor a\n\nparent ${sha}\n`
  expect(parseCommit(Buffer.from(text), 20)).toEqual({ tree: sha, parents: [sha, sha] })
  expect(parseCommit(Buffer.from(`tree ${sha}\nauthor a\n`), 20).parents).toEqual([])
})

test.for([
  '',
  'tree',
  `tree ${sha}`,
  `tree ${sha.slice(1)}\n`,
  `tree ${sha.toUpperCase()}\n`,
  `parent ${sha}\ntree ${sha}\n`,
  `tree ${sha}00\n`,
])('a commit that begins %j is refused', (text) => {
  expect(() => parseCommit(Buffer.from(text), 20)).toThrow(expect.objectContaining({ code: 'PACK_CORRUPT' }) as Error)
})

test.for(['', `object ${sha}\n`, `object ${sha}\ntype thing\n`, `type commit\nobject ${sha}\n`, `object ${sha}\ntype commit`])(
  'a tag that begins %j is refused',
  (text) => {
    expect(() => parseTagTarget(Buffer.from(text), 20)).toThrow(expect.objectContaining({ code: 'PACK_CORRUPT' }) as Error)
    expect(parseTagTarget(Buffer.from(`object ${sha}\ntype tree\ntag x\n`), 20)).toEqual({ oid: sha, type: 'tree' })
  },
)

test('a set of ids holds each once, also with equal beginnings, while it grows', () => {
  const set = new OidSet(20)
  const id = (at: number) => {
    const bytes = Buffer.alloc(20)
    bytes.writeUInt32BE(at % 7, 0)
    bytes.writeUInt32BE(at, 16)
    return bytes
  }
  for (let round = 0; round < 2; round += 1) for (let at = 0; at < 3000; at += 1) set.add(Buffer.concat([Buffer.alloc(3), id(at)]), 3)
  expect(set.size).toBe(3000)
  expect(set.has(id(2999))).toBe(true)
  expect(set.has(id(3000))).toBe(false)
  expect(new Set([...set].map((oid) => oid.toString('hex'))).size).toBe(3000)
})

const pointer = `version https://git-lfs.github.com/spec/v1\noid sha256:${'c'.repeat(64)}\nsize 12345\n`

test('an LFS pointer is recognised', () => {
  expect(parseLfsPointer(Buffer.from(pointer))).toEqual({ oid: 'c'.repeat(64), sizeBytes: 12345 })
  const extended = pointer.replace('oid', `ext-0-foo sha256:${'d'.repeat(64)}\noid`)
  expect(parseLfsPointer(Buffer.from(extended))?.sizeBytes).toBe(12345)
})

test.for([
  '',
  pointer.replace('v1', 'v9'),
  pointer.replace('c', 'C'),
  pointer.replace('12345', '-1'),
  pointer.replace('12345', '9'.repeat(30)),
  pointer.replace(/size.*/, ''),
  `${pointer}${'x'.repeat(2000)}`,
  ` ${pointer}`,
])('%j is no LFS pointer', (text) => {
  expect(parseLfsPointer(Buffer.from(text))).toBeNull()
})

test('URLs of submodules are read by path, and other sections passed over', () => {
  const text = `[core]\n\tpath = no\n\turl = no\n[submodule "a"]\n\tpath = libs/a ; where\n\turl = "https://x/\\"a\\""\n[SUBMODULE "b"]\n path=b\n`
  expect([...parseGitmodules(Buffer.from(text))]).toEqual([['libs/a', 'https://x/"a"']])
  const long = Buffer.concat([Buffer.from('[submodule "x"]\npath = p\nurl = u\n'), Buffer.alloc(gitmodulesBytesMax, '#')])
  expect([0, 1].map((more) => parseGitmodules(long.subarray(0, gitmodulesBytesMax + more)).size)).toEqual([1, 0])
  expect(parseGitmodules(Buffer.from('[submodule "x"]\npath = p\nurl = --upload-pack=touch /tmp/x\n')).get('p')).toBe(
    '--upload-pack=touch /tmp/x',
  )
})

test.for<[Buffer, string]>([
  [Buffer.from('plain name.txt'), 'plain name.txt'],
  [Buffer.from('Straße'), 'Straße'],
  [Buffer.from([0x66, 0xff, 0x6f]), 'f\\377o'],
  [Buffer.from('a\nb\u001b[31m'), 'a\\012b\\033[31m'],
  [Buffer.from('a\\b'), 'a\\134b'],
  [Buffer.from('\u202egpj.exe'), '\\342\\200\\256gpj.exe'],
])('the name %j is shown as %j', ([name, shown]) => {
  expect(showName(name)).toBe(shown)
})

test('build recipes and licences are known by name', () => {
  expect(['Makefile', 'CMakeLists.txt', 'package.json', 'app.csproj', 'Cargo.toml'].every(isBuildRecipe)).toBe(true)
  expect(['makefile.txt', 'README.md', 'package-lock.json', ''].some(isBuildRecipe)).toBe(false)
  expect(['LICENSE', 'LICENCE.md', 'COPYING', 'LICENSE-MIT'].every(isLicence)).toBe(true)
  expect(['licenses', 'license_check.py', 'unlicensed'].some(isLicence)).toBe(false)
})
