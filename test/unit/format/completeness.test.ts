import { expect, test } from 'vitest'
import { parseCanonical } from '../../../src/format/canonical-json.js'
import { CHECK_LIST, checkListEdition, WHAT_TO_ADD } from '../../../src/format/check-list.js'
import { Completeness, reportCompleteness, type CompletenessSources } from '../../../src/format/completeness.js'
import type { DependencyFile } from '../../../src/format/contents.js'
import { looseManifests, unlockedManifests } from '../../../src/format/dependency-locks.js'
import { FindingCode, Inventory, Manifest, type Finding } from '../../../src/format/manifest.js'
import { digestOf } from '../../../src/format/signed-document.js'
import vectors from '../../vectors/completeness.json' with { type: 'json' }

const parsed = (text: string): unknown => parseCanonical(new TextEncoder().encode(text))
const [first] = vectors.reports
const manifest = Manifest.parse(parsed(first?.manifest ?? ''))
const inventory = Inventory.parse(parsed(first?.inventory ?? ''))

function sources(changes: Partial<CompletenessSources> & { readonly found?: readonly Finding[] } = {}): CompletenessSources {
  const { found = [], ...rest } = changes
  const counts = found.map(({ code, severity }) => ({ code, severity, count: 1 }))
  const of = { ...manifest, findings: counts, tools: { ...manifest.tools, checklist: '1' } }
  return { manifest: of, manifestDigest: digestOf(of), receipted: true, inventory: null, explained: [], attachments: [], ...rest }
}
const finding = (code: FindingCode, severity: Finding['severity'] = 'warning', subject = 'x'): Finding => ({
  code,
  severity,
  subject,
  detail: '',
})
const outcomes = (report: Completeness) => Object.fromEntries(report.checks.map(({ check, outcome }) => [check, outcome]))

test('vector: reports with names and without', () => {
  for (const { manifest: text, inventory: names, receipted, explained, attachments, report } of vectors.reports) {
    const body = Manifest.parse(parsed(text))
    const known = names === null ? null : Inventory.parse(parsed(names))
    const made = reportCompleteness({ manifest: body, manifestDigest: digestOf(body), inventory: known, receipted, explained, attachments })
    expect(made).toEqual(report)
    expect(Completeness.parse(made)).toEqual(made)
  }
})

test('a deposit without findings reaches L2, and each finding of a level keeps it below', () => {
  expect(reportCompleteness(sources()).level).toBe('L2')
  for (const check of CHECK_LIST) {
    for (const code of check.codes) {
      const below = check.level === 'L1' ? 'L0' : 'L1'
      const report = reportCompleteness(sources({ found: [finding(code, check.from)] }))
      const outcome = check.unlooked.includes(code) ? 'unknown' : 'fail'
      expect([code, report.level, outcomes(report)[check.check]]).toEqual([code, below, outcome])
    }
  }
  expect(reportCompleteness(sources({ receipted: false })).level).toBeNull()
  expect(reportCompleteness(sources({ receipted: null })).level).toBeNull()
})

test('what git was not let look at is not known, but what it found elsewhere still counts', () => {
  const unlooked = reportCompleteness(sources({ found: [finding('PACK_NOT_CHECKED')] }))
  expect(outcomes(unlooked)).toMatchObject({ connected: 'unknown', fsck: 'unknown', head: 'pass' })
  const bad = reportCompleteness(sources({ found: [finding('PACK_NOT_CHECKED'), finding('FSCK_MESSAGE')] }))
  expect(outcomes(bad)).toMatchObject({ connected: 'unknown', fsck: 'fail' })
})

test('every finding that a check knows says what to add, and belongs to one check', () => {
  const codes = CHECK_LIST.flatMap((check) => check.codes)
  expect(new Set(codes).size).toBe(codes.length)
  expect(Object.keys(WHAT_TO_ADD).sort()).toEqual(codes.toSorted())
  expect(new Set(CHECK_LIST.map(({ check }) => check)).size).toBe(CHECK_LIST.length)
})

test('what is less severe than the check asks about is not held against the deposit', () => {
  const found = [finding('FSCK_MESSAGE', 'info'), finding('REFS_REWRITTEN', 'warning'), finding('CHAIN_RESTARTED', 'info')]
  expect(reportCompleteness(sources({ found })).level).toBe('L2')
})

test('an explained rewrite is not held against the deposit; another finding of the same code is', () => {
  const found = [finding('REFS_REWRITTEN', 'blocking')]
  expect(reportCompleteness(sources({ found })).level).toBe('L0')
  expect(reportCompleteness(sources({ found, explained: ['REFS_REWRITTEN'] })).level).toBe('L2')
  expect(reportCompleteness(sources({ found, explained: ['REF_DELETED'] })).level).toBe('L0')
})

test('an attached bill of materials answers for the one that is missing, an attachment of another kind does not', () => {
  const found = [finding('SBOM_MISSING', 'info')]
  expect(reportCompleteness(sources({ found, attachments: [{ kind: 'image' }] })).level).toBe('L1')
  expect(reportCompleteness(sources({ found, attachments: [{ kind: 'sbom' }] })).level).toBe('L2')
})

test.for(['', '0', 'x', '-1', '1e400'])(
  'a deposit of before the list (checklist %j) is not said to pass what nobody looked at',
  (checklist) => {
    const tools: Record<string, string> = checklist === '' ? {} : { checklist }
    const old = { ...manifest, findings: [], tools }
    const report = reportCompleteness(sources({ manifest: old }))
    expect(outcomes(report)).toMatchObject({ sbom: 'unknown', submodules: 'unknown', recipe: 'pass', history: 'pass' })
    expect(report.level).toBe('L0')
  },
)

test('a deposit that a later edition looked at has answered every question of this one', () => {
  const later = { ...manifest, findings: [], tools: { checklist: String(checkListEdition + 1) } }
  expect(reportCompleteness(sources({ manifest: later })).level).toBe('L2')
})

test('the order of findings does not show', () => {
  const found = ['b', 'a', 'c'].map((subject) => finding('BINARY_WITHOUT_SOURCE', 'warning', subject))
  const counted = { ...manifest, findings: [{ code: 'BINARY_WITHOUT_SOURCE' as const, severity: 'warning' as const, count: 3 }] }
  const report = (findings: readonly Finding[]) =>
    reportCompleteness(sources({ manifest: counted, inventory: { ...inventory, findings: [...findings] } }))
  expect(report(found.toReversed())).toEqual(report(found))
  const named = report(found).checks.find(({ check }) => check === 'binaries')?.findings[0]?.named
  expect(named?.map(({ subject }) => subject)).toEqual(['a', 'b', 'c'])
})

const declares = (path: string, ecosystem: DependencyFile['ecosystem'], declared: number | null = 1, loose = 0): DependencyFile => ({
  role: 'manifest',
  path,
  ecosystem,
  declared,
  loose,
})
const lock = (path: string, ecosystem: DependencyFile['ecosystem']): DependencyFile => ({ role: 'lockfile', path, ecosystem })

test.for<[string, readonly DependencyFile[], readonly string[]]>([
  ['beside it', [declares('package.json', 'npm'), lock('yarn.lock', 'npm')], []],
  ['above it', [declares('packages/a/package.json', 'npm'), lock('package-lock.json', 'npm')], []],
  ['below it', [declares('package.json', 'npm'), lock('a/package-lock.json', 'npm')], ['package.json']],
  ['in a folder whose name begins the same', [declares('ab/Cargo.toml', 'cargo'), lock('a/Cargo.lock', 'cargo')], ['ab/Cargo.toml']],
  ['of another ecosystem', [declares('package.json', 'npm'), lock('Cargo.lock', 'cargo')], ['package.json']],
  ['nowhere, with nothing declared', [declares('package.json', 'npm', 0)], []],
  ['nowhere, with what nobody could read', [declares('setup.py', 'python', null)], ['setup.py']],
  ['in vendor', [declares('go.mod', 'go'), lock('vendor/modules.txt', 'go')], []],
  ['in the vendor folder of a module', [declares('a/go.mod', 'go'), lock('a/vendor/modules.txt', 'go')], []],
  ['a requirements.txt that pins', [declares('pyproject.toml', 'python'), declares('requirements.txt', 'python', 3)], []],
  [
    'a requirements.txt that does not',
    [declares('pyproject.toml', 'python'), declares('requirements.txt', 'python', 3, 1)],
    ['pyproject.toml', 'requirements.txt'],
  ],
  ['an empty requirements.txt', [declares('setup.py', 'python', null), declares('requirements.txt', 'python', 0)], ['setup.py']],
  ['not known to Maven', [declares('pom.xml', 'maven')], []],
])('a lockfile %s', ([, files, unlocked]) => {
  expect(unlockedManifests(files).map(({ path }) => path)).toEqual(unlocked)
  expect(unlockedManifests(files.toReversed()).map(({ path }) => path)).toEqual(unlocked.toReversed())
})

test('Maven manifests are loose when a version is open, or they cannot be read', () => {
  const files = [declares('a/pom.xml', 'maven'), declares('b/pom.xml', 'maven', 3, 1), declares('c/pom.xml', 'maven', null)]
  expect(looseManifests(files).map(({ path }) => path)).toEqual(['b/pom.xml', 'c/pom.xml'])
})
