// `git push` as a vendor's CI runs it: the real git against the service on loopback. What is restored from it: `git-push-opened.slow.test.ts`.
import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { RevokeToken } from '../../src/escrow/token/revoke-token.js'
import { findSource } from '../../src/escrow/archive/source.table.js'
import { addEveryKindOfRef, gitEnvironment } from '../doubles/git-fixture.js'
import { packOf, PushHouse, runGit, tokenOf } from '../doubles/push-client.js'

let house: PushHouse
beforeAll(async () => {
  house = await PushHouse.open(['product', 'shallow', 'raw'])
})
afterAll(() => house.close())

const sourceRow = (source: string) => house.service.database.query((db) => findSource(db, { agreementId: house.agreed.id, source }))

test('a mirror is pushed, pushed again, grows, is rewritten: one deposit each time something is new', async () => {
  const vendor = house.repository()
  addEveryKindOfRef(vendor)
  const first = await house.pushed(vendor, 'product')
  expect(first).toMatch(/remote: deposit 1 \(full\) dep_[a-z2-7]{20}: 13 refs/)
  expect(first).toContain(`remote: receipt ${(await house.latest('product'))?.receiptDigest}`)
  const freshAt = (await sourceRow('product'))?.freshAt

  expect(await house.pushed(vendor, 'product')).toContain('nothing is new since deposit 1; noted that it is up to date')
  expect((await sourceRow('product'))?.freshAt?.getTime()).toBeGreaterThan(freshAt?.getTime() ?? Infinity)
  expect((await house.latest('product'))?.sequence).toBe(1)

  vendor.addCommits('refs/heads/main', 5, { label: 'more' })
  expect(await house.pushed(vendor, 'product')).toMatch(/deposit 2 \(incremental\)/)
  // What a branch moves to lies in the archive already: only the inventories can tell this from a rewrite.
  vendor.git(['update-ref', 'refs/heads/stable', 'refs/heads/main~4'])
  expect(await house.pushed(vendor, 'product')).not.toContain('blocking')
  vendor.git(['update-ref', 'refs/heads/stable', 'refs/heads/main~1'])
  expect(await house.pushed(vendor, 'product')).not.toContain('blocking')

  vendor.git(['update-ref', 'refs/heads/main', 'refs/heads/main~2'])
  vendor.git(['update-ref', '-d', 'refs/heads/a/b'])
  const forced = await house.pushed(vendor, 'product')
  expect(forced).toMatch(/blocking: REFS_REWRITTEN \(1\) refs\/heads\/main: .* does not follow it/)
  expect(forced).toMatch(/blocking: REF_DELETED \(1\) refs\/heads\/a\/b/)
  expect(await house.latest('product')).toMatchObject({ sequence: 5, outcome: 'fail', kind: 'incremental' })
})

test('a shallow clone is refused with advice', async () => {
  const vendor = house.repository()
  vendor.addCommits('refs/heads/main', 5)
  const clone = join(vendor.folder, 'shallow.git')
  execFileSync('git', ['clone', '-q', '--bare', '--depth', '2', `file://${vendor.path}`, clone], { env: gitEnvironment })
  const text = await house.refused(clone, house.address('shallow'), ['refs/heads/main'])
  expect(text).toContain('git fetch --unshallow')
  expect(text).toMatch(/\[remote rejected\] main -> main \(expected a complete repository/)
  expect(await house.latest('shallow')).toBeNull()
})

test('nothing is given back: fetch and clone are refused in words', async () => {
  const vendor = house.repository()
  for (const args of [
    ['fetch', house.address()],
    ['ls-remote', house.address()],
    ['clone', '-q', house.address(), join(vendor.folder, 'x')],
  ]) {
    const ran = await runGit(['--git-dir', vendor.path, ...args])
    expect([ran.exitCode, ran.text]).toEqual([128, expect.stringContaining('gives nothing back') as string])
  }
  const post = await fetch(`${house.origin}/git/${house.agreed.id}/product.git/git-upload-pack`, { method: 'POST', headers: house.basic })
  expect([post.status, await post.text()]).toEqual([409, expect.stringContaining('gives nothing back') as string])
})

test('only a live token of the depositor opens the door, and a stranger does not learn what is behind it', async () => {
  const vendor = house.repository()
  vendor.addCommits('refs/heads/main', 1)
  const attempt = (token: string, source = 'raw') => house.refused(vendor.path, house.address(source, token))
  expect(await attempt('wrong')).toContain('Authentication failed')
  expect(await attempt(await tokenOf(house.service, 'partner'))).toContain('expected a token of the role depositor')
  const other = await tokenOf(house.service, 'vendor')
  await house.service.get(RevokeToken).run(other.split('.')[0] ?? '')
  expect(await attempt(other)).toMatch(/Authentication failed/)
  expect(await attempt(house.token, 'nowhere')).toContain('no source of yours is at')
  expect(await attempt(house.token, 'pulled')).toContain('the agreement says pull')
  const strange = house.address().replace(house.agreed.id, `agr_${'a'.repeat(20)}`)
  expect(await house.refused(vendor.path, strange)).toContain('no source of yours is at')
  const anonymous = await fetch(`${house.origin}/git/${house.agreed.id}/raw.git/info/refs?service=git-receive-pack`)
  expect([anonymous.status, anonymous.headers.get('www-authenticate')]).toEqual([401, expect.stringContaining('Basic') as string])
})

test('a push that rests on what the archive lost is refused, and the next one brings everything', async () => {
  const vendor = house.repository()
  const tip = vendor.addCommits('refs/heads/main', 3)
  await house.pushed(vendor, 'raw')
  // A client that leaves out more than it may: what it claims to be known is not.
  const liar = house.repository()
  liar.addCommits('refs/heads/main', 2, { label: 'elsewhere' })
  const parent = liar.git(['rev-parse', 'refs/heads/main'])
  const tree = liar.git(['rev-parse', `${parent}^{tree}`])
  const child = liar.git(['-c', 'user.name=A', '-c', 'user.email=a@b', 'commit-tree', '-p', parent, '-m', 'child', tree])
  const pack = execFileSync('git', ['--git-dir', liar.path, 'pack-objects', '--stdout', '-q'], { env: gitEnvironment, input: `${child}\n` })
  const answer = await house.post('raw', [`${tip} ${child} refs/heads/main`], pack)
  expect(answer).toContain('ng refs/heads/main expected a push of everything')
  expect((await sourceRow('raw'))?.failureCode).toBe('FULL_NEEDED')
  vendor.addCommits('refs/heads/main', 1, { label: 'next' })
  expect(await house.pushed(vendor, 'raw')).toMatch(/deposit 2 \(full\)/)
})

test('a push made for other deposits than there are is refused whole', async () => {
  const vendor = house.repository()
  const tip = vendor.addCommits('refs/heads/main', 1)
  const next = vendor.addCommits('refs/heads/next', 1)
  const pack = packOf(vendor.path)
  const before = (await house.latest('raw'))?.sequence
  const zero = '0'.repeat(40)
  const answer = await house.post('raw', [`${next} ${tip} refs/heads/main`, `${zero} ${next} refs/heads/fine`], pack)
  expect(answer).toMatch(/ng refs\/heads\/main expected [0-9a-f]{40}, the newest deposit has [0-9a-f]{40}/)
  expect(answer).toContain('ng refs/heads/fine not taken: a push is one deposit, and another ref was refused')
  const marker = await house.post('raw', [`${'1'.repeat(40)} ${zero} refs/escrow/mirror`], null)
  expect(marker).toContain('ng refs/escrow/mirror the deposits of this source')
  expect((await house.latest('raw'))?.sequence).toBe(before)
})
