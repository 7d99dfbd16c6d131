import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { refNameBytesMax } from '../../../src/core/limits.js'
import { encodeBundleHeader, parseBundleHeader, type BundleHeader } from '../../../src/format/bundle-header.js'
import vectors from '../../vectors/bundle-header.json' with { type: 'json' }

const oid = 'a'.repeat(40)
const other = 'b'.repeat(40)
const malformed = expect.objectContaining({ code: 'FORMAT_INVALID' })
const encode = (text: string) => new TextEncoder().encode(text)

test.for(vectors.valid)('vector: $name', ({ text, header }) => {
  expect(parseBundleHeader(encode(`${text}PACK`))).toEqual({ header, packOffset: encode(text).length })
  expect(new TextDecoder().decode(encodeBundleHeader(header as BundleHeader))).toBe(text)
})

test.for(vectors.refused)('refused: $name', ({ hex }) => {
  expect(() => parseBundleHeader(Buffer.from(hex, 'hex'))).toThrow(malformed)
})

test('the words that git writes after a prerequisite are passed over', () => {
  const { header } = parseBundleHeader(encode(`# v2 git bundle\n-${oid} Merge branch 'x' of y\n${other} refs/heads/main\n\n`))
  expect(header).toEqual({ objectFormat: 'sha1', prerequisites: [oid], refs: [{ oid: other, name: 'refs/heads/main' }] })
})

test('a header cut anywhere is refused', () => {
  const bytes = encodeBundleHeader({ objectFormat: 'sha1', prerequisites: [oid], refs: [{ oid: other, name: 'refs/heads/main' }] })
  for (let size = 0; size < bytes.length; size++) expect(() => parseBundleHeader(bytes.subarray(0, size))).toThrow(malformed)
})

test.for([refNameBytesMax - 1, refNameBytesMax])('a ref name of %i bytes is taken', (size) => {
  const header: BundleHeader = { objectFormat: 'sha1', prerequisites: [], refs: [{ oid, name: `refs/${'x'.repeat(size - 5)}` }] }
  expect(parseBundleHeader(encodeBundleHeader(header)).header).toEqual(header)
})

test.for<[string, BundleHeader]>([
  [
    'a ref name that is too long',
    { objectFormat: 'sha1', prerequisites: [], refs: [{ oid, name: `refs/${'x'.repeat(refNameBytesMax)}` }] },
  ],
  ['a line feed in a name', { objectFormat: 'sha1', prerequisites: [], refs: [{ oid, name: `refs/heads/a\n${oid} refs/heads/b` }] }],
  ['an id of the other format', { objectFormat: 'sha256', prerequisites: [], refs: [{ oid, name: 'refs/heads/a' }] }],
  ['a prerequisite of the other format', { objectFormat: 'sha256', prerequisites: [oid], refs: [] }],
  ['an upper-case id', { objectFormat: 'sha1', prerequisites: ['A'.repeat(40)], refs: [] }],
  [
    'a ref given twice',
    {
      objectFormat: 'sha1',
      prerequisites: [],
      refs: [
        { oid, name: 'HEAD' },
        { oid: other, name: 'HEAD' },
      ],
    },
  ],
])('%s is not written', ([, header]) => {
  expect(() => encodeBundleHeader(header)).toThrow(malformed)
})

describe.each(['sha1', 'sha256'] as const)('git itself reads our bundles of a %s repository', (objectFormat) => {
  let folder: string
  const git = (where: string, args: readonly string[], input?: string): Buffer =>
    execFileSync('git', ['-C', join(folder, where), ...args], { input, stdio: ['pipe', 'pipe', 'pipe'], env: gitEnvironment })
  const lines = (where: string, args: readonly string[], input?: string): readonly string[] =>
    git(where, args, input)
      .toString()
      .trim()
      .split('\n')
      .filter((line) => line !== '')
  const refsOf = (where: string) =>
    lines(where, ['for-each-ref', '--format=%(objectname) %(refname)']).map((line) => ({
      oid: line.slice(0, line.indexOf(' ')),
      name: line.slice(line.indexOf(' ') + 1),
    }))
  const writeBundle = (name: string, header: BundleHeader) => {
    const revisions = [...header.refs.map((ref) => ref.oid), ...header.prerequisites.map((id) => `^${id}`)].join('\n')
    const pack = git('source', ['pack-objects', '--revs', '--stdout', '--quiet'], `${revisions}\n`)
    writeFileSync(join(folder, name), Buffer.concat([encodeBundleHeader(header), pack]))
  }
  const commit = (message: string) => {
    git('source', ['commit', '--quiet', '--allow-empty', '--message', message])
    return lines('source', ['rev-parse', 'HEAD']).join('')
  }

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'bundle-header-'))
    execFileSync('git', ['init', '--quiet', '--initial-branch=main', `--object-format=${objectFormat}`, join(folder, 'source')])
    commit('first')
    git('source', ['tag', '--annotate', '--message', 'a tag', 'v1'])
    git('source', ['branch', 'naïve/ünïcode'])
  })
  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  test('a full one and an incremental one restore every ref', () => {
    const first = lines('source', ['rev-parse', 'main']).join('')
    writeBundle('1.bundle', { objectFormat, prerequisites: [], refs: refsOf('source') })
    expect(lines('.', ['bundle', 'list-heads', '1.bundle'])).toEqual(refsOf('source').map((ref) => `${ref.oid} ${ref.name}`))
    execFileSync('git', ['clone', '--quiet', '--mirror', join(folder, '1.bundle'), join(folder, 'restored')], { stdio: 'pipe' })
    expect(refsOf('restored')).toEqual(refsOf('source'))

    commit('second')
    git('source', ['branch', '--delete', '--force', 'naïve/ünïcode'])
    writeBundle('2.bundle', { objectFormat, prerequisites: [first], refs: refsOf('source') })
    git('restored', ['bundle', 'verify', '--quiet', join(folder, '2.bundle')])
    git('restored', ['fetch', '--quiet', '--prune', join(folder, '2.bundle'), '+refs/*:refs/*'])
    expect(refsOf('restored')).toEqual(refsOf('source'))
    git('restored', ['fsck', '--full', '--strict'])
  })

  test('a bundle that git made is read as git reads it', () => {
    commit('third')
    git('source', ['bundle', 'create', '--quiet', join(folder, 'theirs.bundle'), '--all', '^main~1'])
    const bytes = readFileSync(join(folder, 'theirs.bundle'))
    const { header, packOffset } = parseBundleHeader(bytes)
    expect(header.objectFormat).toBe(objectFormat)
    expect(header.refs.map((ref) => `${ref.oid} ${ref.name}`)).toEqual(lines('.', ['bundle', 'list-heads', 'theirs.bundle']))
    expect(header.prerequisites).toEqual(lines('source', ['rev-parse', 'main~1']))
    expect(bytes.toString('latin1', packOffset, packOffset + 4)).toBe('PACK')
  })
})

const gitEnvironment = {
  ...process.env,
  GIT_CONFIG_GLOBAL: '/dev/null',
  GIT_CONFIG_SYSTEM: '/dev/null',
  GIT_AUTHOR_NAME: 'A',
  GIT_AUTHOR_EMAIL: 'a@example.org',
  GIT_COMMITTER_NAME: 'A',
  GIT_COMMITTER_EMAIL: 'a@example.org',
}
