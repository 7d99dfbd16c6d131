// One attachment and the deposits that name it: locked as long as the longest of them, given out with each of them, known again when the index
// was lost.
import { afterAll, beforeAll, expect, test } from 'vitest'
import { sha256Hex } from '../../src/crypto/digest.js'
import { listCopies } from '../../src/escrow/archive/copy.table.js'
import { listObjectsUnder } from '../../src/escrow/archive/object.table.js'
import { StageAttachment, type StagedAttachment } from '../../src/escrow/attachment/stage-attachment.js'
import type { Manifest } from '../../src/format/manifest.js'
import { GrantedObjects } from '../../src/release/grant/granted-objects.js'
import { objectKeys } from '../../src/store/object-key.js'
import { ReplicaSet } from '../../src/store/replica-set.js'
import { RebuildIndex } from '../../src/verify/rebuild-index.js'
import { GitFixture } from '../doubles/git-fixture.js'
import { ServiceFixture, type AgreedUpon } from '../doubles/service-fixture.js'
import { dayMs } from '../doubles/moments.js'
import { dumpIndex } from './service-life.js'

const vendor = new GitFixture()
let service: ServiceFixture
let agreed: AgreedUpon
const manifests: Manifest[] = []
const sbom = Buffer.from('{"spdxVersion":"SPDX-2.3"}')

async function* blocks(bytes: Buffer) {
  for (let at = 0; at < bytes.length; at += 7) yield bytes.subarray(at, at + 7)
}
const stage = (name: string, bytes: Buffer, file = { sha256: sha256Hex(bytes), sizeBytes: bytes.length }): Promise<StagedAttachment> =>
  service.get(StageAttachment).run({
    key: { agreementId: agreed.id, source: 'engine' },
    kind: 'sbom',
    name,
    fileName: name,
    file,
    bytes: () => blocks(bytes),
  })
async function mirror(): Promise<Manifest> {
  const mirrored = await service.mirror(agreed, 'engine')
  if (mirrored.outcome !== 'deposited') throw new Error('expected a deposit')
  manifests.push(mirrored.manifest)
  return mirrored.manifest
}
const keyOf = (manifest: Manifest) => objectKeys.attachment(agreed.id, 'engine', manifest.attachments[0]?.sha256 ?? '')
const locksOf = async (key: string) => {
  const [object] = await service.database.query((db) => listObjectsUnder(db, [key]))
  const copies = await service.database.query((db) => listCopies(db, object!.objectId))
  return copies.map((copy) => copy.retainUntil.getTime())
}

beforeAll(async () => {
  vendor.addCommits('refs/heads/main', 1)
  service = await ServiceFixture.open()
  agreed = await service.agree([{ source: 'engine', url: vendor.path, fullEveryDays: 4 }])
}, 300_000)
afterAll(async () => {
  await service.close()
  vendor.remove()
})

test('what waits is locked for a while, and bytes that are not those promised leave nothing', async () => {
  const wrong = [
    { sha256: sha256Hex(Buffer.from('other')), sizeBytes: sbom.length },
    { sha256: sha256Hex(sbom), sizeBytes: sbom.length + 1 },
  ]
  for (const file of wrong) await expect(stage('sbom', sbom, file)).rejects.toMatchObject({ code: 'DIGEST_MISMATCH' })
  await expect(stage('sbom', sbom, { sha256: sha256Hex(sbom), sizeBytes: 3 })).rejects.toMatchObject({ code: 'DEPOSIT_TOO_LARGE' })
  const { waitUntil } = await stage('sbom', sbom)
  expect(waitUntil.getTime() - service.clock.now().getTime()).toBeGreaterThan(29 * dayMs)
})

test('an attachment is locked as long as the longest deposit that names it', async () => {
  const first = await mirror()
  const early = await locksOf(keyOf(first))
  service.clock.advance(5 * dayMs)
  vendor.addCommits('refs/heads/main', 1, { label: 'second' })
  const second = await mirror()
  expect([second.kind, keyOf(second)]).toEqual(['full', keyOf(first)])
  const folder = { agreement: agreed.id, source: 'engine', sequence: 2, kind: 'full' as const }
  const manifestLocks = await locksOf(objectKeys.manifest(folder))
  const late = await locksOf(keyOf(second))
  expect(late).toHaveLength(2)
  expect(Math.min(...late)).toBeGreaterThanOrEqual(Math.max(...manifestLocks))
  expect(Math.min(...late)).toBeGreaterThan(Math.max(...early))
  // As the stores themselves say.
  for (const { store } of service.get(ReplicaSet).replicas) {
    expect((await store.stat(keyOf(second)))?.retainUntil?.getTime()).toBeGreaterThanOrEqual(Math.max(...manifestLocks))
  }
})

test('it is given out with every deposit that names it, and with no other', async () => {
  await stage('sbom', Buffer.from('{"spdxVersion":"SPDX-3.0"}'))
  await mirror()
  const objects = service.get(GrantedObjects)
  const row = { agreementId: agreed.id, version: 1 }
  const grant = (sequence: number, key: string) => objects.find(row, { deposits: [{ source: 'engine', sequence }], key })
  const [old, , fresh] = manifests.map(keyOf)
  expect((await grant(1, old!))?.key).toBe(old)
  expect((await grant(2, old!))?.key).toBe(old)
  expect(await grant(1, fresh!)).toBeNull()
  expect((await grant(3, fresh!))?.key).toBe(fresh)
  const chain = await objects.chain(agreed.id, { source: 'engine', sequence: 2 })
  expect((await objects.of(chain)).map(({ key }) => key)).toContain(old)
})

test('a rebuilt index knows which deposit names what, and learns what is in it', async () => {
  await service.publish()
  const before = await dumpIndex(service.database)
  expect(before['deposit_attachment']).toHaveLength(3)
  await service.loseDatabase()
  await service.get(RebuildIndex).run()
  expect(await dumpIndex(service.database)).toEqual(before)
  const again = await stage('sbom again', Buffer.from('{"spdxVersion":"SPDX-3.0"}'))
  expect(again.sealed.sha256).toBe(manifests[2]?.attachments[0]?.sha256)
  const last = await mirror()
  expect(last.attachments).toHaveLength(1)
})
