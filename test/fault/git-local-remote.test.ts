import { execFileSync } from 'node:child_process'
import { chmodSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { gitVersion, runGit, startGit } from '../../src/git/git-command.js'
import { LocalRemote } from '../../src/git/local-remote.js'
import { collect, gitEnvironment, GitFixture } from '../doubles/git-fixture.js'

let fixture: GitFixture
let tip: string
beforeAll(() => {
  fixture = new GitFixture()
  tip = fixture.addCommits('refs/heads/main', 20, { files: 4, bytes: 20_000 })
})
afterAll(() => fixture.remove())

const fetchAll = (remote: LocalRemote, signal?: AbortSignal) => remote.fetchPack({ objectFormat: 'sha1', wants: [tip], haves: [] }, signal)

/** A program in the place of git that says whatever a test wants. */
function pretender(name: string, script: string): string {
  const path = join(fixture.folder, name)
  writeFileSync(path, `#!/bin/sh\n${script}\n`)
  chmodSync(path, 0o755)
  return path
}

const advertisement = `printf '000eversion 2\\n000cls-refs\\n000afetch\\n0000'`

test.each(['/nonexistent', '/dev/null', '/tmp'])('%s is REMOTE_NOT_FOUND', async (path) => {
  await expect(new LocalRemote({ path }).listRefs()).rejects.toMatchObject({ code: 'REMOTE_NOT_FOUND' })
})

test('a work tree is read through its .git folder', async () => {
  const path = join(fixture.folder, 'work-tree')
  execFileSync('git', ['clone', '-q', fixture.path, path], { env: gitEnvironment, stdio: 'ignore' })
  expect((await new LocalRemote({ path }).listRefs()).head).toEqual({ kind: 'branch', ref: 'refs/heads/main', oid: tip })
})

test('an empty repository has an unborn head and no refs', async () => {
  const empty = new GitFixture()
  expect(await new LocalRemote({ path: empty.path }).listRefs()).toEqual({
    objectFormat: 'sha1',
    head: { kind: 'branch', ref: 'refs/heads/main', oid: null },
    refs: [],
  })
  empty.remove()
})

test('a detached head is seen as one', async () => {
  const detached = new GitFixture()
  const oid = detached.addCommits('refs/heads/main', 1)
  detached.git(['update-ref', '--no-deref', 'HEAD', oid])
  expect((await new LocalRemote({ path: detached.path }).listRefs()).head).toEqual({ kind: 'detached', oid })
  detached.remove()
})

test('a shallow repository is REMOTE_SHALLOW', async () => {
  const path = join(fixture.folder, 'shallow.git')
  execFileSync('git', ['clone', '-q', '--bare', '--depth=2', `file://${fixture.path}`, path], { env: gitEnvironment, stdio: 'ignore' })
  await expect(collect(fetchAll(new LocalRemote({ path })))).rejects.toMatchObject({ code: 'REMOTE_SHALLOW' })
})

test('an object that is missing at the remote is REMOTE_BROKEN with its words', async () => {
  const broken = new GitFixture()
  const oid = broken.addCommits('refs/heads/main', 3)
  const blob = broken.git(['rev-parse', 'main~1:refs-heads-main/file-0.txt'])
  broken.git(
    ['unpack-objects', '-q'],
    execFileSync('git', ['--git-dir', broken.path, 'pack-objects', '--stdout', '--all', '-q'], { env: gitEnvironment, input: '' }),
  )
  rmSync(join(broken.path, 'objects', blob.slice(0, 2), blob.slice(2)), { force: true })
  const pack = new LocalRemote({ path: broken.path }).fetchPack({ objectFormat: 'sha1', wants: [oid], haves: [] })
  await expect(collect(pack)).rejects.toMatchObject({ code: 'REMOTE_BROKEN', message: expect.stringContaining(blob) as string })
  broken.remove()
})

test('a want that the remote does not have is REMOTE_BROKEN with its words', async () => {
  const pack = new LocalRemote({ path: fixture.path }).fetchPack({ objectFormat: 'sha1', wants: ['1'.repeat(40)], haves: [] })
  await expect(collect(pack)).rejects.toMatchObject({ code: 'REMOTE_BROKEN', message: expect.stringContaining('not our ref') as string })
})

test('haves by the hundred thousand are sent while the answer is read', async () => {
  const haves = Array.from({ length: 100_000 }, (_, at) => at.toString(16).padStart(40, '0'))
  const remote = new LocalRemote({ path: fixture.path })
  expect((await collect(remote.fetchPack({ objectFormat: 'sha1', wants: [tip], haves }))).subarray(0, 4).toString()).toBe('PACK')
  expect((await collect(remote.fetchPack({ objectFormat: 'sha1', wants: [tip], haves: [...haves, tip] }))).length).toBe(32)
})

test('whoever stops reading early, or aborts, leaves no git behind', async () => {
  const mark = join(fixture.folder, 'pid')
  const slow = pretender('slow-git', `echo $$ > ${mark}; ${advertisement}; exec sleep 60`)
  const remote = new LocalRemote({ path: fixture.path, gitProgram: slow })
  const abort = new AbortController()
  const listing = remote.listRefs(abort.signal)
  setTimeout(() => abort.abort(new Error('enough')), 100)
  await expect(listing).rejects.toThrow('enough')
  for await (const bytes of fetchAll(new LocalRemote({ path: fixture.path }))) {
    expect(bytes.length).toBeGreaterThan(0)
    break
  }
  expect(() =>
    execFileSync('sh', ['-c', `for i in 1 2 3 4 5 6 7 8 9 10; do kill -0 $(cat ${mark}) 2>/dev/null || exit 0; sleep 0.1; done; exit 1`]),
  ).not.toThrow()
})

test('a git that says nothing is given up', async () => {
  const remote = new LocalRemote({ path: fixture.path, gitProgram: pretender('mute-git', 'exec sleep 60'), idleTimeoutMs: 100 })
  await expect(remote.listRefs()).rejects.toMatchObject({ code: 'REMOTE_TIMEOUT' })
})

test('a git that dies mid-way is REMOTE_BROKEN with its words', async () => {
  const remote = new LocalRemote({
    path: fixture.path,
    gitProgram: pretender('dying-git', `${advertisement}; echo 'fatal: disk on fire' >&2; exit 3`),
  })
  await expect(remote.listRefs()).rejects.toMatchObject({
    code: 'REMOTE_BROKEN',
    message: expect.stringContaining('disk on fire') as string,
  })
})

test('hostile ref names of a repository on disk are refused', async () => {
  const remote = new LocalRemote({
    path: fixture.path,
    gitProgram: pretender(
      'hostile-git',
      `${advertisement}; read x; printf '004a${'a'.repeat(40)} refs/heads/../../../etc/cron.d/x\\n0000'`,
    ),
  })
  await expect(remote.listRefs()).rejects.toMatchObject({ code: expect.stringMatching(/REF_NAME_INVALID|REMOTE_PROTOCOL/) as string })
})

test('configuration of the machine and hooks of the repository do not run', async () => {
  const mark = join(fixture.folder, 'owned')
  fixture.git(['config', 'uploadpack.packObjectsHook', `touch ${mark}; exec git`])
  const hook = pretender('hook', `touch ${mark}`)
  fixture.git(['config', 'core.fsmonitor', hook])
  await collect(fetchAll(new LocalRemote({ path: fixture.path })))
  expect(() => execFileSync('test', ['-e', mark])).toThrow()
  const answer = await runGit(['config', '--list', '--show-origin'], { gitDir: fixture.path })
  expect(answer.split('\n').filter((line) => line !== '' && !/^(?:file:[^\t]*repository\.git\/config|command line:)\t/.test(line))).toEqual(
    [],
  )
})

test('a git that is too old, or is not git, is GIT_MISSING', async () => {
  expect(await gitVersion()).toMatch(/^\d+\.\d+/)
  for (const [name, words] of [
    ['old', 'git version 2.38.9'],
    ['other', 'hello'],
  ] as const) {
    await expect(gitVersion({ program: pretender(name, `echo '${words}'`) })).rejects.toMatchObject({ code: 'GIT_MISSING' })
  }
  expect(await gitVersion({ program: pretender('new', `echo 'git version 3.0.1 (Apple Git-9)'`) })).toBe('3.0.1')
})

test.each([
  ['echo "error: write error: No space left on device" >&2; exit 128', 'SCRATCH_FULL'],
  ['echo "fatal: something" >&2; exit 128', 'GIT_FAILED'],
  ['kill -9 $$', 'GIT_FAILED'],
])('git that ends with %j is %s', async (script, code) => {
  await expect(runGit(['version'], { program: pretender('failing', script) })).rejects.toMatchObject({ code })
})

test('stderr without end is kept to its last 4 KiB', async () => {
  const run = startGit(['x'], { program: pretender('chatty', 'yes "a long line of words" | head -c 3000000 >&2; exit 1') })
  run.stdin.end()
  run.stdout.resume()
  await expect(run.ended).rejects.toMatchObject({ code: 'GIT_FAILED' })
  expect(run.words.toString().length).toBeLessThanOrEqual(4200)
})
