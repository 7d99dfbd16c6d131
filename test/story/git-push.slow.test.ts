// What else real clients do when they push: formats, encodings, versions, odd tags, due dates, races.
import { readFileSync, rmSync } from 'node:fs'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { addEveryKindOfRef, gitEnvironment } from '../doubles/git-fixture.js'
import { packOf, PushHouse, run, runGit } from '../doubles/push-client.js'
import { digestRefs } from '../../src/format/refs-digest.js'
import { listLocalRefs, readHead } from '../../src/git/restore-repository.js'
import { dayMs } from '../doubles/moments.js'

let house: PushHouse
beforeAll(async () => {
  house = await PushHouse.open(['product', 'some-refs', 'sha256', 'due', 'shallow', 'raw', 'head', 'race', 'names', 'recipe'])
})
afterAll(() => house.close())

test('some refs are pushed, moved and deleted by name; what is not named stays', async () => {
  const vendor = house.repository()
  vendor.addCommits('refs/heads/main', 2)
  vendor.addCommits('refs/heads/side', 1)
  expect(await house.pushed(vendor, 'some-refs', ['refs/heads/main', 'refs/heads/side'])).toMatch(/deposit 1 \(full\).*: 2 refs/)
  vendor.addCommits('refs/heads/main', 1, { label: 'next' })
  expect(await house.pushed(vendor, 'some-refs', ['refs/heads/main'])).toMatch(/deposit 2 \(incremental\).*: 2 refs/)
  expect(await house.pushed(vendor, 'some-refs', ['refs/heads/main'])).toContain('Everything up-to-date')
  expect(await house.pushed(vendor, 'some-refs', ['--delete', 'refs/heads/side'])).toMatch(/deposit 3 \(incremental\).*: 1 refs, 0 objects/)
  expect(await house.refused(vendor.path, house.address('some-refs'), ['refs/heads/main:refs/escrow/mine'])).toContain(
    'refs/escrow/ is reserved',
  )
})

test('an amended branch is rewritten, though the new commit rests on an old one', async () => {
  const vendor = house.repository()
  vendor.addCommits('refs/heads/main', 3)
  const before = vendor.git(['rev-parse', 'refs/heads/main'])
  await house.pushed(vendor, 'race')
  vendor.git(['update-ref', 'refs/heads/main', `${before}~1`])
  vendor.addCommits('refs/heads/main', 1, { label: 'amended' })
  expect(await house.pushed(vendor, 'race')).toMatch(/blocking: REFS_REWRITTEN \(1\) refs\/heads\/main: was .* does not follow it/)
})

test('a tag inside a tag, named again later, leads where it led', async () => {
  const vendor = house.repository()
  const tip = vendor.addCommits('refs/heads/main', 1)
  const tag = (name: string, target: string): string => {
    vendor.git(['-c', 'user.name=Ada', '-c', 'user.email=ada@example.org', 'tag', '-a', '-m', name, name, target])
    return vendor.git(['rev-parse', `refs/tags/${name}`])
  }
  const inner = tag('inner', tip)
  tag('outer', inner)
  vendor.git(['update-ref', '-d', 'refs/tags/inner'])
  await house.pushed(vendor, 'names')
  vendor.git(['update-ref', 'refs/tags/again', inner])
  vendor.git(['update-ref', 'refs/tags/light', tip])
  expect(await house.pushed(vendor, 'names')).toMatch(/deposit 2 \(incremental\).*: 4 refs, 0 objects/)
  // Whoever restores compares what git finds with this digest.
  const restored = { objectFormat: 'sha1' as const, head: await readHead(vendor.path), refs: await listLocalRefs(vendor.path) }
  expect((await house.latest('names'))?.refsDigest).toBe(digestRefs(restored))
  const blob = vendor.writeRaw('blob', 'no commit\n')
  vendor.git(['update-ref', 'refs/odd/blob', blob])
  const odd = await house.refused(vendor.path, house.address('names'), ['refs/odd/blob:refs/heads/odd'])
  expect(odd).toContain('expected refs/heads/odd to lead to a commit, got a blob')
  const known = await house.refused(vendor.path, house.address('names'), ['refs/tags/again:refs/heads/odd'])
  expect(known).toContain('to lead to a commit, got a tag')
})

test('HEAD is what -o head= says, and stays', async () => {
  const vendor = house.repository()
  vendor.addCommits('refs/heads/trunk', 1)
  vendor.addCommits('refs/heads/main', 1)
  expect(await house.refused(vendor.path, house.address('head'), ['--mirror', '-o', 'head=refs/heads/none'])).toContain('to name a branch')
  await house.pushed(vendor, 'head', ['--mirror', '-o', 'head=refs/heads/trunk'])
  vendor.addCommits('refs/heads/trunk', 1, { label: 'next' })
  expect(await house.pushed(vendor, 'head')).not.toContain('HEAD_CHANGED')
  const moved = await house.pushed(vendor, 'head', ['--mirror', '-o', 'head=refs/heads/main'])
  expect(moved).toContain('HEAD_CHANGED')
  expect(await house.pushed(vendor, 'head', ['--mirror', '-o', 'head=refs/heads/main'])).toContain('nothing is new')
  await house.pushed(vendor, 'head', ['--mirror', '-o', 'head=refs/heads/trunk'])
  expect(await house.pushed(vendor, 'head', ['-o', 'head=refs/heads/main', '--delete', 'refs/heads/trunk'])).toContain('HEAD_CHANGED')
})

test('a SHA-256 repository has an address of its own until its first deposit, then any will do', async () => {
  const vendor = house.repository('sha256')
  vendor.addCommits('refs/heads/main', 2)
  expect(await house.refused(vendor.path, house.address('sha256'))).toMatch(/hash algorithm|algorithms|object format/i)
  expect(await house.pushed(vendor, 'sha256.sha256')).toMatch(/deposit 1 \(full\)/)
  vendor.addCommits('refs/heads/main', 1, { label: 'more' })
  expect(await house.pushed(vendor, 'sha256')).toMatch(/deposit 2 \(incremental\)/)
})

test('when a full deposit is due git sends everything, and a push of some refs is told so', async () => {
  const vendor = house.repository()
  vendor.addCommits('refs/heads/main', 4)
  vendor.addCommits('refs/heads/side', 1)
  await house.pushed(vendor, 'due')
  house.service.clock.advance(31 * dayMs)
  vendor.addCommits('refs/heads/main', 1, { label: 'next' })
  const some = await house.refused(vendor.path, house.address('due'), ['refs/heads/main'])
  expect(some).toContain('a full deposit is due, so everything is needed: git push --mirror')
  vendor.git(['update-ref', '-d', 'refs/heads/side'])
  const full = await house.pushed(vendor, 'due')
  expect(full).toMatch(/deposit 2 \(full\).*: 1 refs, 25 objects/)
  expect(full).toContain('REF_DELETED (1) refs/heads/side')
  vendor.addCommits('refs/heads/main', 1, { label: 'after' })
  expect(await house.pushed(vendor, 'due')).toMatch(/deposit 3 \(incremental\)/)
})

test('a body comes in gzip too', async () => {
  const vendor = house.repository()
  const tip = vendor.addCommits('refs/heads/main', 1, { label: 'gzip' })
  const command = `${'0'.repeat(40)} ${tip} refs/heads/gzip`
  expect(await house.post('raw', [`${'0'.repeat(40)} ${tip} refs/heads/gzip`], packOf(vendor.path), { gzip: true })).toContain(
    'ok refs/heads/gzip',
  )
  expect(await house.post('raw', [command], null, { gzip: true })).toContain('ng refs/heads/gzip')
})

test.for([
  ['chunks', 'http.postBuffer=1024'],
  ['expect', 'http.extraHeader=Expect: 100-continue'],
] as const)('a body comes with %s too', async ([name, option]) => {
  const vendor = house.repository()
  vendor.addCommits('refs/heads/main', 1, { label: name })
  const ran = await runGit(['-c', option, '--git-dir', vendor.path, 'push', house.address('raw'), `refs/heads/main:refs/heads/${name}`])
  expect(ran.exitCode, ran.text).toBe(0)
})

test('a token comes as a bearer too, and an address without its .git', async () => {
  const vendor = house.repository()
  vendor.addCommits('refs/heads/main', 1, { label: 'bearer' })
  const header = ['-c', `http.extraHeader=Authorization: Bearer ${house.token}`, '--git-dir', vendor.path]
  const address = house.bareAddress('raw').replace(/\.git$/, '')
  const ran = await runGit([...header, 'push', address, 'refs/heads/main:refs/heads/bearer'])
  expect(ran.exitCode, ran.text).toBe(0)
  const wrong = await runGit([
    ...header,
    '-c',
    'http.extraHeader=',
    '-c',
    'http.extraHeader=Authorization: Bearer x',
    'push',
    address,
    'main',
  ])
  expect(wrong.exitCode).toBe(128)
})

test('an option that nobody knows is refused, and names those that there are', async () => {
  const vendor = house.repository()
  vendor.addCommits('refs/heads/main', 1, { label: 'option' })
  const text = await house.refused(vendor.path, house.address('raw'), ['-o', 'ci.skip', 'refs/heads/main:refs/heads/option'])
  expect(text).toContain('expected no push options but -o head= and -o statement=, got "ci.skip"')
})

test.for(['0', '1', '2'])('a client of protocol version %s is understood', async (version) => {
  const vendor = house.repository()
  vendor.addCommits('refs/heads/main', 1, { label: `version ${version}` })
  const command = ['-c', `protocol.version=${version}`, '--git-dir', vendor.path, 'push', house.address('raw')]
  const ran = await runGit([...command, `refs/heads/main:refs/heads/version-${version}`])
  expect(ran.exitCode, ran.text).toBe(0)
})

test('of two pushes at once one is a deposit and the other is told why not', async () => {
  const vendor = house.repository()
  vendor.addCommits('refs/heads/main', 30, { files: 20, bytes: 20_000 })
  const before = (await house.latest('raw'))?.sequence ?? 0
  const one = (name: string) => house.git(vendor.path, 'push', house.address('raw'), `refs/heads/main:refs/heads/${name}`)
  const ran = await Promise.all([one('first'), one('second')])
  const lost = ran.filter(({ exitCode }) => exitCode !== 0)
  for (const { text } of lost) expect(text).toMatch(/is being worked on by|changed since this push began/)
  expect((await house.latest('raw'))?.sequence).toBe(before + 2 - lost.length)
  expect(lost.length).toBeLessThan(2)
  rmSync(vendor.folder, { recursive: true })
})

test('the script of docs/recipes deposits a repository, and shows the token to no process list', async () => {
  const vendor = house.repository()
  addEveryKindOfRef(vendor)
  const [, script = ''] = /```sh\n([^]*?)```/.exec(readFileSync('docs/recipes/README.md', 'utf8')) ?? []
  const environment = {
    ...gitEnvironment,
    SOURCE_URL: `file://${vendor.path}`,
    ESCROW_URL: house.bareAddress('recipe'),
    ESCROW_TOKEN: house.token,
  }
  const ran = await run('sh', ['-c', script], environment)
  expect(ran.exitCode, ran.text).toBe(0)
  expect(ran.text).toMatch(/deposit 1 \(full\)/)
  expect(ran.text).not.toContain(house.token)
  // In double quotes the shell would write the token into the arguments of git.
  for (const [, quote] of readFileSync('docs/recipes/README.md', 'utf8').matchAll(/-c (.)credential\.helper/g)) expect(quote).toBe("'")
})
