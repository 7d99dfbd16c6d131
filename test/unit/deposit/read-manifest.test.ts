import { expect, test } from 'vitest'
import { manifestBytesMax } from '../../../src/core/limits.js'
import { projectFileOf } from '../../../src/deposit/project-files.js'
import { readManifest } from '../../../src/deposit/read-manifest.js'
import { scanToml } from '../../../src/deposit/scan-toml.js'
import { Ecosystem } from '../../../src/format/contents.js'

const untold = { declared: null, loose: 0 }
const some = (declared: number, loose = 0) => ({ declared, loose })

test.for<[Ecosystem, string, string, { declared: number | null; loose: number }]>([
  ['npm', 'package.json', '{"dependencies":{"a":"1","b":"2"},"devDependencies":{"c":"3"},"peerDependencies":{"d":"4"}}', some(3)],
  ['npm', 'package.json', '\uFEFF{"name":"a"}', some(0)],
  ['npm', 'package.json', '{"dependencies":["a"]}', some(0)],
  ['npm', 'package.json', '{"dependencies":', untold],
  ['npm', 'package.json', 'null', untold],
  ['npm', 'package.json', '[1]', untold],
  ['cargo', 'Cargo.toml', '[package]\nname = "a"\n', some(0)],
  ['cargo', 'Cargo.toml', '[dependencies]\nserde = "1"\ntokio = { version = "1", features = [\n  "full",\n] }\n', some(2)],
  ['cargo', 'Cargo.toml', '[dependencies.serde]\nversion = "1"\nfeatures = ["derive"]\n[dev-dependencies]\nx = "1"', some(2)],
  ['cargo', 'Cargo.toml', "[target.'cfg(unix)'.dependencies]\nlibc = '0.2'\n[build-dependencies]\ncc = '1'\n", some(2)],
  ['cargo', 'Cargo.toml', '[features]\ndependencies = ["a"]\n', some(0)],
  ['go', 'go.mod', 'module a\n\ngo 1.22\n', some(0)],
  ['go', 'go.mod', 'module a\nrequire b v1.0.0\nrequire (\n\tc v1.2.3 // indirect\n\n\td v0.1.0\n)\nreplace c => ../c\n', some(3)],
  ['maven', 'pom.xml', '<html/>', untold],
  ['maven', 'pom.xml', '<project><version>1-SNAPSHOT</version></project>', some(0)],
  [
    'maven',
    'pom.xml',
    '<project><parent><version>1</version></parent><dependencies><dependency><artifactId>a</artifactId><version>1.2</version></dependency><dependency><version>[1,2)</version></dependency><dependency><version>2-SNAPSHOT</version></dependency></dependencies></project>',
    some(3, 2),
  ],
  ['maven', 'pom.xml', '<project><build><plugins><plugin><version>LATEST</version></plugin></plugins></build></project>', some(0, 1)],
  [
    'python',
    'pyproject.toml',
    '[project]\ndependencies = [\n  "a>=1", # one\n  "b[extra]==2",\n]\n[build-system]\nrequires = ["c"]\n',
    some(2),
  ],
  [
    'python',
    'pyproject.toml',
    '[tool.poetry.dependencies]\npython = "^3.11"\na = "^1"\n[tool.poetry.group.dev.dependencies]\nb = "1"',
    some(2),
  ],
  ['python', 'pyproject.toml', '[tool.black]\nline-length = 100\n', some(0)],
  ['python', 'Pipfile', '[packages]\na = "*"\n[dev-packages]\nb = "*"\n[requires]\npython_version = "3"', some(2)],
  ['python', 'setup.py', 'setup(name="a")', some(0)],
  ['python', 'setup.py', 'setup(install_requires=read())', untold],
  ['python', 'requirements.txt', '# none\n--index-url https://x\n-r base.txt\n', some(0)],
  ['python', 'requirements.txt', 'a==1.0 \\\n  --hash=sha256:0\nb===2 ; python_version >= "3"\n', some(2)],
  ['python', 'requirements.txt', 'a==1.*\nb>=2\nc\n-e ../d\ne==1\n', some(5, 4)],
])('%s %s %j declares what it declares', ([ecosystem, name, text, declared]) => {
  expect(readManifest(ecosystem, name, Buffer.from(text))).toEqual(declared)
})

test('a manifest beyond the limit tells nothing, nor does one of brackets alone', () => {
  expect(readManifest('npm', 'package.json', Buffer.from('['.repeat(500_000)))).toEqual(untold)
  expect(readManifest('npm', 'package.json', Buffer.alloc(manifestBytesMax + 1, 0x20))).toEqual(untold)
})

test('brackets in strings and comments do not keep a value open', () => {
  expect(scanToml('a = "[" # [\nb = 1\n["x"]\nc = [ "]" ,\n# ]\n ]\nd=2').map(({ section, key }) => `${section}/${key}`)).toEqual([
    '/a',
    '/b',
    'x/',
    'x/c',
    'x/d',
  ])
})

const large = manifestBytesMax
test.for<[string, string]>([
  ['quotes', '"'.repeat(large)],
  ['escaped quotes', `a = "${'\\"'.repeat(large / 2 - 10)}`],
  ['escaped quotes and a lone escape', `a = "${'\\"'.repeat(large / 2 - 10)}\\`],
  ['spaces', `a${' '.repeat(large - 2)}b`],
  ['signs', '='.repeat(large)],
  ['open brackets', 'a=[\n'.repeat(large / 5)],
  ['comments', ' #'.repeat(large / 2)],
  ['open elements', `<project>${'<dependency><version>'.repeat(large / 25)}`],
  ['continued lines', 'a==\\\n'.repeat(large / 5)],
  ['unclosed list', `[project]\ndependencies = [${'"'.repeat(large / 2)}`],
])('a large file of %s is looked through in a moment by every reader', ([, text]) => {
  const body = Buffer.from(text)
  const begun = process.cpuUsage().user
  for (const ecosystem of Ecosystem.options) readManifest(ecosystem, ecosystem === 'python' ? 'pyproject.toml' : 'x', body)
  for (const name of ['requirements.txt', 'setup.py', 'Pipfile']) readManifest('python', name, body)
  // What grew with the square would take minutes.
  expect((process.cpuUsage().user - begun) / 1000).toBeLessThan(4000)
})

test.for<[string, string | null]>([
  ['package.json', 'npm manifest'],
  ['packages/a/package.json', 'npm manifest'],
  ['node_modules/a/package.json', null],
  ['src/testdata/go.mod', null],
  ['constructor', null],
  ['requirements-dev.txt', 'python manifest'],
  ['requirements.in', null],
  ['vendor/modules.txt', 'go lockfile'],
  ['modules.txt', null],
  ['a/b/c/d/e/f/g/h/i/package.json', null],
  ['Cargo.lock', 'cargo lockfile'],
  ['lib/old.JAR', 'binary'],
  ['lib/libc.so.6.1', 'binary'],
  ['gradle/wrapper/gradle-wrapper.jar', null],
  ['exe', null],
  ['bom.json', 'sbom'],
  ['sbom/product.cdx.json', 'sbom'],
  ['a/b/c/bom.json', null],
  ['app.spdx', 'sbom'],
  ['README', 'documentation'],
  ['docs/BUILDING.md', 'documentation'],
  ['readme.exe', 'binary'],
  ['readmes.md', null],
])('%s is %s to the check list', ([path, expected]) => {
  const parts = path.split('/')
  const found = projectFileOf({ path, name: parts.at(-1) ?? '', depth: parts.length - 1 })
  const words = found === null ? null : found.kind === 'dependencies' ? `${found.ecosystem} ${found.role}` : found.kind
  expect(words).toBe(expected)
})
