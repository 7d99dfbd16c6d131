import { createHash } from 'node:crypto'
import { expect, test } from 'vitest'
import { digestRefs, type ListedRefs } from '../../../src/format/refs-digest.js'
import type { RefListing } from '../../../src/git/git-remote.js'
import type { Inventory } from '../../../src/format/manifest.js'
import vectors from '../../vectors/manifest.json' with { type: 'json' }

test.for(vectors.listings)('vector: $name', ({ listing, text, digest }) => {
  expect(createHash('sha256').update(text).digest('hex')).toBe(digest)
  expect(digestRefs(listing as ListedRefs)).toBe(digest)
})

test.for(vectors.refusedListings)('refused: $name', ({ listing }) => {
  expect(() => digestRefs(listing as ListedRefs)).toThrow(expect.objectContaining({ code: 'FORMAT_INVALID' }))
})

test('what git listed and what the inventory says are listings alike', () => {
  const oid = 'a'.repeat(40)
  const listed: RefListing = { objectFormat: 'sha1', head: { kind: 'none' }, refs: [{ name: 'refs/tags/v1', oid, peeled: oid }] }
  const inventory: Pick<Inventory, 'objectFormat' | 'head' | 'refs'> = {
    objectFormat: 'sha1',
    head: { kind: 'none' },
    refs: [{ name: 'refs/tags/v1', oid, type: 'tag', peeled: oid, peeledType: 'commit' }],
  }
  expect(digestRefs(inventory)).toBe(digestRefs(listed))
})

test('every part of a listing shows in its digest', () => {
  const [a, b] = ['a'.repeat(40), 'b'.repeat(40)] as const
  const base: ListedRefs = {
    objectFormat: 'sha1',
    head: { kind: 'branch', ref: 'refs/heads/m', oid: a },
    refs: [{ name: 'refs/heads/m', oid: a }],
  }
  const changed: readonly ListedRefs[] = [
    base,
    { ...base, head: { kind: 'none' } },
    { ...base, head: { kind: 'detached', oid: a } },
    { ...base, head: { kind: 'branch', ref: 'refs/heads/m', oid: null } },
    { ...base, head: { kind: 'branch', ref: 'refs/heads/n', oid: a } },
    { ...base, refs: [] },
    { ...base, refs: [{ name: 'refs/heads/m', oid: b }] },
    { ...base, refs: [{ name: 'refs/heads/n', oid: a }] },
    { ...base, refs: [{ name: 'refs/heads/m', oid: a, peeled: b }] },
    { ...base, refs: [{ name: 'refs/heads/m', oid: a, symref: 'refs/heads/n' }] },
  ]
  expect(new Set(changed.map(digestRefs)).size).toBe(changed.length)
})
