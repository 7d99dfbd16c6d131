import { expect, test } from 'vitest'
import { packShrunkBytesMin, refsShrunkMin } from '../../../src/core/limits.js'
import { CommitGraph } from '../../../src/deposit/commit-graph.js'
import { changedRefs, compareDeposits, comparePackSizes, type History } from '../../../src/deposit/compare-deposits.js'
import { FindingLedger } from '../../../src/deposit/findings.js'
import type { Inventory } from '../../../src/format/manifest.js'
import type { RemoteRef } from '../../../src/git/git-remote.js'

const oid = (digit: string) => digit.repeat(40)
const ref = (name: string, digit: string) => ({ name, oid: oid(digit) })
const main: Inventory['head'] = { kind: 'branch', ref: 'refs/heads/main', oid: oid('1') }

function compare(
  before: readonly RemoteRef[],
  after: readonly RemoteRef[],
  known: {
    histories?: readonly [string, History][]
    contained?: readonly string[]
    heads?: readonly [Inventory['head'], Inventory['head']]
  } = {},
): string[] {
  const [headBefore, headAfter] = known.heads ?? [main, main]
  const findings = compareDeposits({
    before: { refs: before, head: headBefore },
    after: { objectFormat: 'sha1', refs: after, head: headAfter },
    changes: changedRefs(before, after),
    histories: new Map(known.histories ?? []),
    contained: new Set(known.contained ?? []),
  })
  return findings.map((finding) => `${finding.code} ${finding.severity} ${finding.subject}`)
}

const many = (count: number) => Array.from({ length: count }, (_, at) => ref(`refs/heads/b${at}`, '1'))

test('history that only grew gives no findings', () => {
  const histories = [['refs/heads/main', 'forward']] as const
  const after = [ref('refs/heads/main', '2'), ref('refs/tags/new', '2')]
  expect(compare([ref('refs/heads/main', '1')], after, { histories: [...histories] as [string, History][] })).toEqual([])
})

test.for<[string, History, string[]]>([
  ['refs/heads/main', 'rewritten', ['REFS_REWRITTEN blocking refs/heads/main']],
  ['refs/heads/main', 'unproven', ['REFS_REWRITTEN blocking refs/heads/main']],
  ['refs/tags/v1', 'forward', ['REFS_REWRITTEN blocking refs/tags/v1']],
  ['refs/pull/1/head', 'rewritten', ['REFS_REWRITTEN warning refs/pull/1/head']],
  ['refs/pull/1/head', 'unproven', ['REFS_REWRITTEN info refs/pull/1/head']],
  ['refs/notes/commits', 'forward', []],
])('%s whose history is %s', ([name, history, expected]) => {
  expect(compare([ref(name, '1')], [ref(name, '2')], { histories: [[name, history]] })).toEqual(expected)
})

test('a moved branch of which nothing is known counts as rewritten', () => {
  expect(compare([ref('refs/heads/main', '1')], [ref('refs/heads/main', '2')])).toEqual(['REFS_REWRITTEN blocking refs/heads/main'])
})

test.for<[string, boolean, string]>([
  ['refs/heads/gone', false, 'blocking'],
  ['refs/heads/gone', true, 'info'],
  ['refs/tags/gone', true, 'blocking'],
  ['refs/pull/9/head', false, 'warning'],
])('deleting %s, its commit kept elsewhere: %s', ([name, kept, severity]) => {
  const stays = ref('refs/heads/main', '1')
  expect(compare([stays, ref(name, '2')], [stays], { contained: kept ? [oid('2')] : [] })).toEqual([`REF_DELETED ${severity} ${name}`])
})

test.for([
  [refsShrunkMin - 1, 1, false],
  [refsShrunkMin, refsShrunkMin / 2, false],
  [refsShrunkMin, refsShrunkMin / 2 - 1, true],
  [100, 49, true],
] as const)('from %i refs to %i', ([before, after, shrunk]) => {
  const codes = compare(many(before), many(before).slice(0, after), { contained: [oid('1')] })
  expect(codes.includes('REFS_SHRUNK blocking repository')).toBe(shrunk)
})

test('losing every ref blocks, from one ref on', () => {
  expect(compare(many(1), [], { contained: [oid('1')] })).toContain('REPOSITORY_EMPTY blocking repository')
  expect(compare([], [])).toEqual([])
})

test('HEAD may follow its branch, but not another', () => {
  const other: Inventory['head'] = { kind: 'branch', ref: 'refs/heads/other', oid: oid('1') }
  const detached = (digit: string): Inventory['head'] => ({ kind: 'detached', oid: oid(digit) })
  expect(compare([], [], { heads: [main, { ...main, oid: oid('2') }] })).toEqual([])
  expect(compare([], [], { heads: [main, other] })).toEqual(['HEAD_CHANGED warning HEAD'])
  expect(compare([], [], { heads: [main, { kind: 'none' }] })).toEqual(['HEAD_CHANGED warning HEAD'])
  expect(compare([], [], { heads: [detached('1'), detached('2')] })).toEqual(['HEAD_CHANGED info HEAD'])
})

test.for([
  [packShrunkBytesMin - 1, 0, 0],
  [packShrunkBytesMin, packShrunkBytesMin / 2, 0],
  [packShrunkBytesMin, packShrunkBytesMin / 2 - 1, 1],
  [packShrunkBytesMin, 2 * packShrunkBytesMin, 0],
] as const)('a full pack of %i bytes that becomes %i', ([before, after, count]) => {
  expect(comparePackSizes({ before, after })).toHaveLength(count)
})

test('a walk says forward, rewritten or unproven, and nothing more than the pack shows', () => {
  const graph = new CommitGraph()
  graph.add('c', ['b', 'm'])
  graph.add('b', ['a'])
  graph.add('m', ['outside'])
  graph.add('r', [])
  expect(graph.historyOf({ from: 'a', to: 'c' })).toBe('forward')
  expect(graph.historyOf({ from: 'outside', to: 'c' })).toBe('forward')
  expect(graph.historyOf({ from: 'x', to: 'c' })).toBe('unproven')
  expect(graph.historyOf({ from: 'x', to: 'r' })).toBe('rewritten')
  expect(graph.historyOf({ from: 'a', to: 'not carried' })).toBe('unproven')
  expect([...graph.reachable(['b'])].sort()).toEqual(['a', 'b'])
})

test('the ledger counts everything and keeps the first of each code', () => {
  const ledger = new FindingLedger()
  for (let at = 0; at < 1000; at += 1) ledger.add({ code: 'LFS_POINTER', severity: 'warning', subject: `${at}`, detail: 'x'.repeat(9999) })
  ledger.count('FSCK_MESSAGE', 'info', 5)
  ledger.count('FSCK_MESSAGE', 'info', 0)
  expect(ledger.counts()).toEqual([
    { code: 'FSCK_MESSAGE', severity: 'info', count: 5 },
    { code: 'LFS_POINTER', severity: 'warning', count: 1000 },
  ])
  expect(ledger.listed()).toHaveLength(200)
  expect(ledger.listed()[0]?.detail).toHaveLength(4096)
  expect(ledger.outcome()).toBe('pass')
  ledger.add({ code: 'REF_DELETED', severity: 'blocking', subject: 'refs/heads/x', detail: '' })
  expect(ledger.outcome()).toBe('fail')
})
