// A hundred thousand refs in one push, as a monorepo with a tag for each build has them: one deposit.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { digestRefs } from '../../src/format/refs-digest.js'
import { listLocalRefs, readHead } from '../../src/git/restore-repository.js'
import { GitFixture } from '../doubles/git-fixture.js'
import { packOf, PushHouse } from '../doubles/push-client.js'

const refs = 100_000
const vendor = new GitFixture()
let house: PushHouse

beforeAll(async () => {
  const tips = [1, 2, 3].map((number) => vendor.addCommits('refs/heads/main', 1, { label: `commit ${number}` }))
  vendor.git(['pack-refs', '--all'])
  // As git writes it: a hundred thousand loose files would take longer than the push.
  const lines = Array.from({ length: refs - 1 }, (_, at) => `${tips[at % tips.length]} refs/tags/build/${String(at).padStart(6, '0')}\n`)
  const main = `${tips.at(-1)} refs/heads/main\n`
  writeFileSync(join(vendor.path, 'packed-refs'), `# pack-refs with: peeled fully-peeled sorted \n${main}${lines.join('')}`)
  house = await PushHouse.open()
}, 300_000)
afterAll(async () => {
  await house.close()
  vendor.remove()
})

/** What a restored repository would be compared with. */
const digest = async () =>
  digestRefs({ objectFormat: 'sha1' as const, head: await readHead(vendor.path), refs: await listLocalRefs(vendor.path) })

test('all of them are in one deposit', async () => {
  const listed = await listLocalRefs(vendor.path)
  // By hand: over HTTP git itself compares every ref with every other before it sends a byte.
  const commands = listed.map(({ name, oid }) => `${'0'.repeat(40)} ${oid} ${name}`)
  const report = await house.post('product', commands, packOf(vendor.path))
  expect(report.match(/ok refs\//g)).toHaveLength(refs)
  const deposit = await house.latest('product')
  expect([deposit?.sequence, deposit?.refCount, deposit?.refsDigest]).toEqual([1, refs, await digest()])
  expect(house.scratch()).toEqual([])
})
