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

test('refs are taken in the order of their bytes and in no other, beyond the first plane too', () => {
  const oid = 'a'.repeat(40)
  const names = ['a', 'b', '\u00e9', '\ud7ff', '\ue000', '\uffee', '\u{10000}', '\u{1f600}'].map((end) => `refs/heads/${end}`)
  for (const left of names) {
    for (const right of names) {
      const take = () => digestRefs({ objectFormat: 'sha1', head: { kind: 'none' }, refs: [left, right].map((name) => ({ name, oid })) })
      if (Buffer.compare(Buffer.from(left), Buffer.from(right)) < 0) expect(take()).toHaveLength(64)
      else expect(take, `${left} ${right}`).toThrow('ascending')
    }
  }
})

test('a listing of any length is hashed as the whole text at once', () => {
  const oid = 'b'.repeat(40)
  for (const count of [0, 1, 255, 256, 257, 1000]) {
    const refs = Array.from({ length: count }, (_, place) => ({ name: `refs/heads/${String(place).padStart(6, '0')}`, oid }))
    const text = `escrow-refs/v1 sha1\nHEAD none\n${refs.map(({ name }) => `${name} ${oid}\n`).join('')}`
    expect(digestRefs({ objectFormat: 'sha1', head: { kind: 'none' }, refs })).toBe(createHash('sha256').update(text).digest('hex'))
  }
})
