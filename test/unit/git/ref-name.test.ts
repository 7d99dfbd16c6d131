import { spawnSync } from 'node:child_process'
import { expect, test } from 'vitest'
import { checkRefName, checkRefNamesTogether, compareRefNames, refNameProblem } from '../../../src/git/ref-name.js'
import { gitEnvironment } from '../../doubles/git-fixture.js'

const good = [
  'refs/heads/main',
  'refs/heads/a/b',
  'refs/pull/1/head',
  'refs/tags/v1.0-rc.1',
  'refs/heads/ünïcode-🌲',
  'refs/heads/-dash',
  'refs/heads/@',
  'refs/heads/a.lock.b',
  'refs/stash',
  'refs/heads/{x}',
  'refs/heads/a@b',
  'refs/x',
]
const bad = [
  'refs/heads/.hidden',
  'refs/heads/a/.b',
  'refs/heads/a..b',
  'refs/heads/a b',
  'refs/heads/a\tb',
  'refs/heads/a\nb',
  'refs/heads/a\u007f',
  'refs/heads/a~1',
  'refs/heads/a^',
  'refs/heads/a:b',
  'refs/heads/a?',
  'refs/heads/a*',
  'refs/heads/a[b',
  'refs/heads/a\\b',
  'refs/heads/a/',
  'refs/heads//a',
  'refs//heads',
  'refs/heads/a.',
  'refs/heads/a.lock',
  'refs/heads/a.lock/b',
  'refs/heads/a@{1}',
  'refs/',
]

test.each([...good, ...bad])('%j is judged as git judges it', (name) => {
  const verdict = spawnSync('git', ['check-ref-format', name], { env: gitEnvironment })
  expect(refNameProblem(name) === null).toBe(verdict.status === 0)
  expect(refNameProblem(name) === null).toBe(good.includes(name))
})

test.each(['HEAD', 'main', '', 'heads/main', '../refs/heads/x', '--upload-pack=x', 'refs/heads/a\0b', `refs/${'a'.repeat(4092)}`])(
  '%j is not a ref of a deposit',
  (name) => {
    expect(() => checkRefName(name)).toThrow(expect.objectContaining({ code: 'REF_NAME_INVALID' }))
  },
)

test('a name of exactly 4096 bytes passes', () => {
  expect(checkRefName(`refs/${'a'.repeat(4091)}`)).toHaveLength(4096)
})

test.each([[['refs/a', 'refs/b', 'refs/a']], [['refs/heads/a', 'refs/heads/a/b']], [['refs/heads/a/b/c', 'refs/heads/a']]])(
  '%j cannot exist together',
  (names) => {
    expect(() => checkRefNamesTogether(names)).toThrow(expect.objectContaining({ code: 'REF_NAME_INVALID' }))
  },
)

test('neighbours that only look alike exist together', () => {
  expect(() => checkRefNamesTogether(['refs/heads/a', 'refs/heads/ab', 'refs/heads/a-b/c', 'refs/tags/a/b'])).not.toThrow()
})

test('names sort by bytes, where UTF-16 would not', () => {
  expect(['refs/\u{1f332}', 'refs/\uffee', 'refs/b', 'refs/a/b', 'refs/a'].sort(compareRefNames)).toEqual([
    'refs/a',
    'refs/a/b',
    'refs/b',
    'refs/\uffee',
    'refs/\u{1f332}',
  ])
})
