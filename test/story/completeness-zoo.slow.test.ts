import { afterAll, beforeAll, expect, test } from 'vitest'
import { fileFindings } from '../../src/deposit/file-findings.js'
import { inventoryFiles } from '../../src/deposit/inventory.js'
import { GitFixture } from '../doubles/git-fixture.js'

/** One repository for all: each animal of the zoo is a branch. */
let fixture: GitFixture
beforeAll(() => {
  fixture = new GitFixture()
})
afterAll(() => fixture.remove())

type Files = Readonly<Record<string, string>>

/** A commit with these files, and what an inventory says of it. */
async function look(files: Files, commitsMore: readonly string[] = []) {
  const quoted = (path: string) => `"${path.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')}"`
  const lines = Object.entries(files).map(([path, text]) => `M 100644 inline ${quoted(path)}\ndata ${Buffer.byteLength(text)}\n${text}\n`)
  const commit = 'commit refs/heads/animal\ncommitter Ada <ada@example.org> 1700000000 +0000\ndata 6\nanimal\ndeleteall\n'
  fixture.git(['fast-import', '--quiet', '--force'], `${commit}${lines.join('')}${commitsMore.join('\n')}\n`)
  const inventory = await inventoryFiles(
    { gitDir: fixture.path, oidBytes: 20, commit: fixture.git(['rev-parse', 'refs/heads/animal']) },
    null,
  )
  return { inventory, findings: fileFindings(inventory) }
}
const found = async (files: Files) => (await look(files)).findings.map(({ code, subject }) => `${code} ${subject}`).sort()

const whole: Files = {
  'README.md': 'make',
  LICENSE: 'MIT',
  Makefile: 'all:',
  'bom.json': '{"bomFormat": "CycloneDX"}',
}

test.for<[string, Files, string]>([
  ['npm', { 'package.json': '{"dependencies":{"a":"^1"}}', 'package-lock.json': '{}' }, 'package-lock.json'],
  ['npm workspace', { 'packages/a/package.json': '{"devDependencies":{"a":"^1"}}', 'pnpm-lock.yaml': 'a' }, 'pnpm-lock.yaml'],
  ['Cargo', { 'Cargo.toml': '[dependencies]\nserde = "1"\n', 'Cargo.lock': 'version = 3' }, 'Cargo.lock'],
  ['Go', { 'go.mod': 'module a\nrequire b v1.0.0\n', 'go.sum': 'b v1.0.0 h1:x' }, 'go.sum'],
  ['Python', { 'pyproject.toml': '[project]\ndependencies = ["a>=1"]\n', 'uv.lock': 'version = 1' }, 'uv.lock'],
])('%s: with its lockfile nothing is missing, without it that is said', async ([, files, lockfile]) => {
  expect(await found({ ...whole, ...files })).toEqual([])
  const { [lockfile]: _, ...rest } = files
  expect(await found({ ...whole, ...rest })).toEqual([`LOCKFILE_MISSING ${Object.keys(rest)[0]}`])
})

test('Maven: every version fixed is whole, a snapshot is not', async () => {
  const pom = (version: string) => `<project><dependencies><dependency><version>${version}</version></dependency></dependencies></project>`
  expect(await found({ ...whole, 'pom.xml': pom('1.2.3') })).toEqual([])
  expect(await found({ ...whole, 'pom.xml': pom('1.3-SNAPSHOT') })).toEqual(['DEPENDENCIES_UNPINNED pom.xml'])
})

test.for<[string, string]>([
  ['README.md', 'DOCUMENTATION_MISSING HEAD'],
  ['LICENSE', 'LICENCE_MISSING HEAD'],
  ['Makefile', 'BUILD_RECIPE_MISSING HEAD'],
  ['bom.json', 'SBOM_MISSING HEAD'],
])('without %s: %s', async ([name, finding]) => {
  const { [name]: _, ...rest } = whole
  expect(await found(rest)).toEqual([finding])
})

test('a bill of materials in name only is none, and an empty README tells nobody how to build', async () => {
  expect(await found({ ...whole, 'bom.json': '{"a": 1}', 'README.md': '' })).toEqual(['DOCUMENTATION_MISSING HEAD', 'SBOM_MISSING HEAD'])
})

test('what is attached answers for the file that is missing', async () => {
  const { 'bom.json': _sbom, 'README.md': _readme, ...rest } = whole
  const { inventory } = await look(rest)
  expect(fileFindings(inventory, [{ kind: 'sbom' }, { kind: 'documentation' }])).toEqual([])
  expect(fileFindings(inventory, [{ kind: 'other' }]).map(({ code }) => code)).toEqual(['DOCUMENTATION_MISSING', 'SBOM_MISSING'])
})

test('compiled files are named, the wrapper of a build tool is not', async () => {
  const files = { ...whole, 'lib/driver.dll': 'MZ', 'gradle/wrapper/gradle-wrapper.jar': 'PK' }
  const { inventory, findings } = await look(files)
  expect(findings).toEqual([{ code: 'BINARY_WITHOUT_SOURCE', severity: 'warning', subject: 'lib/driver.dll', detail: '2 bytes' }])
  expect(inventory.contents).toMatchObject({ edition: 1, whole: true, binaries: [{ path: 'lib/driver.dll', sizeBytes: 2 }] })
})

test('an evil submodule is a name and an address, both shown as text', async () => {
  const modules =
    '[submodule "x"]\n\tpath = x\n\turl = "ext::sh -c touch% /tmp/owned"\n[submodule "y"]\n\tpath = y\n\turl = -u./payload\u001b[2J\n'
  const gitlinks = ['x', 'y', 'z'].map((path) => `M 160000 ${'d'.repeat(40)} ${path}`)
  const { inventory, findings } = await look({ ...whole, '.gitmodules': modules }, gitlinks)
  expect(inventory.submodules.map(({ path, source }) => [path, source])).toEqual([
    ['x', undefined],
    ['y', undefined],
    ['z', undefined],
  ])
  expect(findings.map(({ code, subject }) => `${code} ${subject}`)).toEqual(['x', 'y', 'z'].map((path) => `SUBMODULE_UNMATCHED ${path}`))
  expect(findings.map(({ detail }) => detail).join()).not.toMatch(/[^ -~]/)
})

test('names that try to be something else are shown escaped, and counted as what they are', async () => {
  const evil = 'lib/\u202Elld.exe\n<script>.dll'
  const { findings } = await look({ ...whole, [evil]: 'MZ', 'node_modules/a/package.json': '{"dependencies":{"a":"1"}}' })
  expect(findings.map(({ code }) => code)).toEqual(['BINARY_WITHOUT_SOURCE'])
  expect(findings[0]?.subject).toBe('lib/\\342\\200\\256lld.exe\\012<script>.dll')
})

test('nothing at all is told from everything', async () => {
  const nothing = await inventoryFiles(null, null)
  expect(fileFindings(nothing).map(({ code }) => code)).toEqual([
    'BUILD_RECIPE_MISSING',
    'LICENCE_MISSING',
    'DOCUMENTATION_MISSING',
    'SBOM_MISSING',
  ])
})
