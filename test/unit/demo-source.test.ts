// What the demo takes for its vendor's repository, and what it says where there is none.
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { DemoSource } from '../../src/cli/demo/demo-source.js'
import { GitFixture } from '../doubles/git-fixture.js'
import { escrow } from '../doubles/escrow-command.js'

let folder: string
let repository: GitFixture
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'reduit-demo-'))
  repository = new GitFixture()
  repository.addCommits('refs/heads/main', 1)
})
afterAll(() => {
  repository.remove()
  rmSync(folder, { recursive: true, force: true })
})

const copy = (from: string, name: string) => DemoSource.copyOf(from, join(folder, name), new AbortController().signal)

test.for(['outside', 'missing'])('a path that is %s of every repository: the demo says what to name, and how', async (name) => {
  const away = join(folder, name)
  if (name === 'outside') mkdirSync(away)
  const ended = await escrow(['demo', away])
  expect(ended.exitCode).toBe(2)
  expect(ended.text).toContain(`expected a git repository at ${away}, got none; name one: \`npm run demo -- <path or URL>\``)
  expect(ended.text).toContain('[ARGUMENT_INVALID]')
  expect(ended.text).not.toContain('fatal:')
})

test('a folder within a checkout stands for the checkout, and the copy equals it', async () => {
  const checkout = join(folder, 'checkout')
  repository.git(['worktree', 'add', '-q', checkout, 'main'])
  mkdirSync(join(checkout, 'deep', 'down'), { recursive: true })
  const source = await copy(join(checkout, 'deep', 'down'), 'copy.git')
  expect(await source.compareWith(repository.path)).toMatchObject({ equal: true, refs: 1 })
})

test('what git says of a repository that is broken is passed on', async () => {
  const broken = join(folder, 'broken.git')
  cpSync(repository.path, broken, { recursive: true })
  writeFileSync(join(broken, 'config'), '[core\n')
  await expect(copy(broken, 'never.git')).rejects.toMatchObject({ code: 'GIT_FAILED' })
})
