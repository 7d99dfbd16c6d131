import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { encodeBundleHeader, parseBundleHeader, type BundleHeader } from '../../../src/format/bundle-header.js'
import { isRefName } from '../../../src/format/ids.js'
import { digestRefs, type ListedRefs } from '../../../src/format/refs-digest.js'

const name = fc
  .array(fc.string({ unit: 'binary', minLength: 1, maxLength: 6 }), { minLength: 1, maxLength: 3 })
  .map((parts) => `refs/${parts.join('/')}`)
  .filter(isRefName)
const hex = (digits: number) => fc.string({ unit: fc.constantFrom(...'0123456789abcdef'.split('')), minLength: digits, maxLength: digits })
const refs = (digits: number) => fc.uniqueArray(fc.record({ name, oid: hex(digits) }), { selector: (ref) => ref.name, maxLength: 6 })
const headerOf = (objectFormat: BundleHeader['objectFormat'], digits: number) =>
  fc.record({ objectFormat: fc.constant(objectFormat), prerequisites: fc.uniqueArray(hex(digits), { maxLength: 3 }), refs: refs(digits) })
const header = fc.oneof(headerOf('sha1', 40), headerOf('sha256', 64))
const byName = (left: { readonly name: string }, right: { readonly name: string }) =>
  Buffer.compare(Buffer.from(left.name), Buffer.from(right.name))

test('a header is read as it was written, whatever pack follows', () => {
  fc.assert(
    fc.property(header, fc.uint8Array({ maxLength: 40 }), (written, pack) => {
      const bytes = Buffer.concat([encodeBundleHeader(written), pack])
      const { header: read, packOffset } = parseBundleHeader(bytes)
      expect(read).toEqual(written)
      expect(bytes.subarray(packOffset)).toEqual(Buffer.from(pack))
    }),
  )
})

test('a damaged header is refused with a code, or is another header that would be written the same', () => {
  const change = fc.record({ at: fc.nat(), byte: fc.nat(255) })
  fc.assert(
    fc.property(header, fc.array(change, { minLength: 1, maxLength: 3 }), (written, changes) => {
      const bytes = encodeBundleHeader(written)
      for (const { at, byte } of changes) bytes[at % bytes.length] = byte
      try {
        const { header: read } = parseBundleHeader(bytes)
        expect(parseBundleHeader(encodeBundleHeader(read)).header).toEqual(read)
      } catch (error) {
        expect(error).toMatchObject({ code: 'FORMAT_INVALID' })
      }
    }),
  )
})

test('two listings have one digest only if they are one listing', () => {
  const listing = refs(40).map((list): ListedRefs => ({ objectFormat: 'sha1', head: { kind: 'none' }, refs: list.toSorted(byName) }))
  fc.assert(
    fc.property(listing, listing, (left, right) => {
      expect(digestRefs(left) === digestRefs(right)).toBe(JSON.stringify(left) === JSON.stringify(right))
    }),
  )
})
