import { expect, test } from 'vitest'
import { parseCanonical } from '../../../src/format/canonical-json.js'
import { checkChain, checkManifest, type DatedManifest } from '../../../src/format/check-manifest.js'
import { Manifest } from '../../../src/format/manifest.js'
import { digestOf } from '../../../src/format/signed-document.js'
import vectors from '../../vectors/manifest.json' with { type: 'json' }

const chain: readonly DatedManifest[] = vectors.manifests.map(({ text, digest }) => ({
  manifest: Manifest.parse(parseCanonical(new TextEncoder().encode(text))),
  digest,
}))
const [first, second, third] = chain as readonly [DatedManifest, DatedManifest, DatedManifest]
const broken = expect.objectContaining({ code: 'CHAIN_BROKEN' })
const changed = (link: DatedManifest, change: Partial<Manifest>): DatedManifest => ({ ...link, manifest: { ...link.manifest, ...change } })

test('vector: a full deposit, an incremental with a rewritten branch, and another full one', () => {
  for (const { manifest, digest } of chain) {
    expect(digestOf(manifest)).toBe(digest)
    expect(() => checkManifest(manifest)).not.toThrow()
  }
  expect(() => checkChain(chain)).not.toThrow()
})

test('a chain may begin with any full deposit, and may be empty', () => {
  expect(() => checkChain([third])).not.toThrow()
  expect(() => checkChain([])).not.toThrow()
})

test.for<[string, readonly DatedManifest[]]>([
  ['begins with an incremental', [second, third]],
  ['has a gap', [first, third]],
  ['is out of order', [second, first]],
  ['has one deposit twice', [first, first]],
  ['mixes sources', [first, changed(second, { source: 'other' })]],
  ['names another manifest before', [{ ...first, digest: '0'.repeat(64) }, second]],
  ['rests on another base', [first, second, changed(third, { kind: 'incremental', base: 2 })]],
  [
    'changes the object format',
    [first, changed(second, { objectFormat: 'sha256', bundle: { ...second.manifest.bundle, packChecksum: 'a'.repeat(64) } })],
  ],
  ['changes the epoch before the next full deposit', [first, changed(second, { envelope: { ...second.manifest.envelope, epoch: 2 } })]],
  ['changes the recipient', [first, changed(second, { envelope: { ...second.manifest.envelope, recipient: `age1${'q'.repeat(58)}` } })]],
])('a chain that %s is broken', ([, links]) => {
  expect(() => checkChain(links)).toThrow(broken)
})

const { manifest } = first
const { envelope } = manifest
const [part] = envelope.partSha256
test.for<[string, Partial<Manifest>]>([
  ['a first deposit with a previous one', { previous: '0'.repeat(64) }],
  ['a later deposit without a previous one', { sequence: 2, base: 2 }],
  ['a full deposit on another base', { base: 2 }],
  ['an incremental on itself', { kind: 'incremental' }],
  ['a SHA-1 pack with a SHA-256 checksum', { bundle: { ...manifest.bundle, packChecksum: 'a'.repeat(64) } }],
  ['a part too few', { envelope: { ...envelope, partSha256: envelope.partSha256.slice(1) } }],
  ['a part too many', { envelope: { ...envelope, partSha256: [...envelope.partSha256, part ?? ''] } }],
  ['parts of no bytes', { envelope: { ...envelope, partBytes: 0 } }],
  ['one part that is not the whole', { envelope: { ...envelope, sizeBytes: 10, partSha256: ['0'.repeat(64)] } }],
  ['a key that climbs', { envelope: { ...envelope, key: '../a.bundle.age' } }],
  ['a key in another folder', { inventory: { ...manifest.inventory, key: '/etc/passwd' } }],
  ['a key that reads as a hidden file', { knownObjects: { ...manifest.knownObjects, key: '.x' } }],
  ['an attachment that climbs', { attachments: [{ key: 'attachments/../x', sha256: '0'.repeat(64), sizeBytes: 1 }] }],
  ['one key for two files', { inventory: { ...manifest.inventory, key: envelope.key } }],
  ['a blocking finding that passes', { findings: [{ code: 'REF_DELETED', severity: 'blocking', count: 1 }] }],
  ['a failure without a finding', { outcome: 'fail' }],
  ['our own fault as a deposit', { outcome: 'error' }],
  ['one finding twice', { findings: [1, 2].map((count) => ({ code: 'FSCK_MESSAGE', severity: 'info', count })) }],
])('%s is refused', ([, change]) => {
  expect(() => checkManifest({ ...manifest, ...change })).toThrow(expect.objectContaining({ code: 'FORMAT_INVALID' }))
})

test.for([0, 1, 8, 9, 16, 17])('an envelope of %i bytes in parts of 8 has as many digests as parts', (sizeBytes) => {
  const parts = Math.max(1, Math.ceil(sizeBytes / 8))
  const digests = Array.from({ length: parts }, () => envelope.sha256)
  expect(() => checkManifest({ ...manifest, envelope: { ...envelope, sizeBytes, partBytes: 8, partSha256: digests } })).not.toThrow()
})
