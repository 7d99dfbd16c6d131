// A look at a remote that has not changed: what it needs, and what it must not do without.
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { MirrorSource } from '../../src/escrow/deposit/mirror-source.js'
import { GitFixture } from '../doubles/git-fixture.js'
import { ServiceFixture, type AgreedUpon } from '../doubles/service-fixture.js'
import { dayMs } from '../doubles/moments.js'
import { deleteFile, flipBit } from './service-life.js'

let service: ServiceFixture
let repository: GitFixture
let agreed: AgreedUpon

beforeAll(async () => {
  repository = new GitFixture()
  repository.addCommits('refs/heads/main', 2)
  service = await ServiceFixture.open()
  agreed = await service.agree([
    { source: 'engine', url: repository.path },
    { source: 'tools', url: repository.path },
  ])
})
afterAll(async () => {
  await service.close()
  repository.remove()
})

/** Files of a source at both replicas by the end of their names. */
function files(source: string, ending: string): readonly string[] {
  return ['a', 'b'].flatMap((replica) => {
    const folder = join(service.replica(replica), 'agreements', agreed.id, 'sources', source)
    const names = readdirSync(folder, { recursive: true }).map(String)
    return names.filter((name) => name.endsWith(ending)).map((name) => join(folder, name))
  })
}

const events = () => readdirSync(join(service.replica('a'), 'events'), { recursive: true }).filter((name) => String(name).endsWith('.json'))

test('a look at a remote that has not changed needs nothing of the deposit before but its manifest', async () => {
  await service.mirror(agreed, 'engine')
  for (const file of ['.inventory.age', '.known-objects'].flatMap((ending) => files('engine', ending))) deleteFile(file)
  service.clock.advance(dayMs)
  expect(await service.mirror(agreed, 'engine')).toMatchObject({ outcome: 'unchanged', sequence: 1 })
  await expect(service.get(MirrorSource).run({ agreementId: agreed.id, source: 'engine' }, { full: true })).rejects.toMatchObject({
    code: 'OBJECT_MISSING',
  })
})

test('nothing is called unchanged before the manifest of the deposit before was verified', async () => {
  await service.mirror(agreed, 'tools')
  const manifests = files('tools', 'manifest.json')
  expect(manifests).toHaveLength(2)
  for (const file of manifests) flipBit(file)
  service.clock.advance(dayMs)
  const before = events().length
  await expect(service.mirror(agreed, 'tools')).rejects.toMatchObject({ code: 'OBJECT_CORRUPT' })
  // One event: that the look failed.
  expect(events()).toHaveLength(before + 1)
})
