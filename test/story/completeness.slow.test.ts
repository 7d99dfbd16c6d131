// What is missing from a deposit, as the operator and each party sees it; the tests are one story, in order.
import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Completeness } from '../../src/format/completeness.js'
import { EscrowHome } from '../doubles/escrow-home.js'
import { GitFixture } from '../doubles/git-fixture.js'

let product: GitFixture
let library: GitFixture
let home: EscrowHome
let agreement: string
let tip: string

beforeAll(async () => {
  product = new GitFixture()
  library = new GitFixture()
  tip = library.addCommits('refs/heads/main', 2)
  const pulled = (source: string, { path }: GitFixture) => [`  - source: ${source}`, '    mode: pull', `    url: ${path}`]
  home = await EscrowHome.make([...pulled('library', library), ...pulled('product', product), '  - source: sealed', '    mode: sealed'])
  agreement = (await home.json<{ agreements: { agreement: { agreement: string } }[] }>('agreement', 'show')).agreements[0]!.agreement
    .agreement
}, 120_000)
afterAll(async () => {
  await home.remove()
  for (const fixture of [product, library]) fixture.remove()
})

/** A commit of the product with these files, and the library as a submodule. */
function commit(files: Readonly<Record<string, string>>, pinned: string): void {
  const before = product.refs().length > 0 ? 'from refs/heads/main^0\n' : ''
  const lines = Object.entries(files).map(([path, text]) => `M 100644 inline ${path}\ndata ${Buffer.byteLength(text)}\n${text}\n`)
  const head = `commit refs/heads/main\ncommitter Ada <ada@example.org> 1700000000 +0000\ndata 4\nwork\n${before}deleteall\n`
  product.git(['fast-import', '--quiet', '--force'], `${head}${lines.join('')}M 160000 ${pinned} lib\n`)
}

const whole = () => ({
  'README.md': 'make',
  LICENSE: 'MIT',
  Makefile: 'all:',
  'bom.json': '{"bomFormat": "CycloneDX"}',
  'package.json': '{"dependencies":{"a":"^1"}}',
  'package-lock.json': '{}',
  '.gitmodules': `[submodule "lib"]\n\tpath = lib\n\turl = ${library.path}\n`,
})
const asParty = (name: string) => ['--agreement', home.agreement, '--as', home.party(name), '--from', home.replica]
const report = (...who: readonly string[]) => home.json<Completeness>('completeness', '--source', 'product', ...who)
const failed = ({ checks }: Completeness) => checks.filter(({ outcome }) => outcome === 'fail').map(({ check }) => check)

test('a deposit with everything reaches L2, and operator and beneficiary see the same report', async () => {
  commit(whole(), tip)
  await home.must('mirror')
  const own = await report('--agreement', agreement)
  expect([own.level, failed(own)]).toEqual(['L2', []])
  expect(own.files?.submodules).toEqual([{ path: 'lib', url: library.path, commit: tip, source: 'library', held: true }])
  expect(await report(...asParty('partner'))).toEqual(own)
  expect(await home.must('completeness', '--source', 'product', ...asParty('vendor'), '--demand', 'L2')).toContain('L2: what is needed')
})

test('who may see no names sees levels and counts', async () => {
  const seen = await report(...asParty('notary'))
  expect([seen.level, seen.files]).toEqual(['L2', null])
  expect(await home.must('completeness', '--source', 'product', ...asParty('notary'))).toContain('file names are sealed')
})

test('what went missing is named with what to add, by the next deposit, and an older one says what it said', async () => {
  const { 'package-lock.json': _, ...rest } = whole()
  commit(rest, 'd'.repeat(40))
  await home.must('mirror', '--source', 'product')
  const now = await report(...asParty('partner'))
  expect([now.sequence, now.level, failed(now)]).toEqual([2, 'L0', ['submodules', 'dependencies']])
  const text = await home.run('completeness', '--source', 'product', ...asParty('partner'), '--demand', 'L1')
  expect(text.exitCode).toBe(3)
  for (const words of ['SUBMODULE_COMMIT_MISSING', 'package.json: 1 dependency', 'commit the lockfile']) expect(text.out).toContain(words)
  expect((await report(...asParty('partner'), '--sequence', '1')).level).toBe('L2')
  const none = await home.run('completeness', '--source', 'product', ...asParty('partner'), '--sequence', '9')
  expect(none.err).toContain('NOT_FOUND')
})

test('the page for people is a file of its own', async () => {
  const out = home.at('report.html')
  await home.must('completeness', '--source', 'product', ...asParty('partner'), '--format', 'html', '--out', out)
  const page = readFileSync(out, 'utf8')
  expect(page).toMatch(/^<!doctype html>/)
  expect(page).toContain('package.json')
  expect((await home.run('completeness', '--source', 'product', ...asParty('partner'), '--format', 'html', '--out', out)).err).toContain(
    'FILE_EXISTS',
  )
})

test('without keys only the operator asks, and of one place at a time', async () => {
  const asked = async (...argv: readonly string[]) => (await home.run('completeness', '--source', 'product', ...argv)).err
  expect(await asked('--agreement', home.agreement, '--from', home.replica)).toContain('ARGUMENT_INVALID')
  expect(await asked('--agreement', home.agreement, '--as', home.party('partner'))).toContain('ARGUMENT_INVALID')
  expect(await asked('--agreement', agreement, '--sequence', '9')).toContain('NOT_FOUND')
})

test('in sealed mode the depositor matches submodules by the annex, and the operator sees levels and counts alone', async () => {
  await home.must(...home.sealing(product.path, 'sealed'), '--out', home.at('out'), '--annex', home.at('agreement', 'annex.age'))
  await home.must('receive', home.at('out'))
  await home.must('log')
  const own = await home.json<Completeness>('completeness', '--source', 'sealed', ...asParty('vendor'))
  expect(own.files?.submodules).toEqual([{ path: 'lib', url: library.path, commit: 'd'.repeat(40), source: 'library' }])
  expect([own.level, failed(own)]).toEqual(['L1', ['dependencies']])
  const operator = await home.json<Completeness>('completeness', '--source', 'sealed', '--agreement', agreement)
  expect([operator.level, failed(operator), operator.files]).toEqual(['L1', ['dependencies'], null])
  expect(JSON.stringify(operator)).not.toMatch(/package\.json|lib"/)
})
