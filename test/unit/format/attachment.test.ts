import { expect, test } from 'vitest'
import {
  attachmentTag,
  AttachmentName,
  encodeCompartmentHeader,
  InventoryAttachment,
  parseCompartmentHeader,
  AttachedKind,
} from '../../../src/format/attachment.js'
import { canonicalize, parseCanonical } from '../../../src/format/canonical-json.js'
import { knownObjectsKeyOf } from '../../../src/format/known-objects.js'
import vectors from '../../vectors/attachment.json' with { type: 'json' }

test.for(vectors.entries)('vector: $name', ({ text }) => {
  const entry = InventoryAttachment.parse(parseCanonical(Buffer.from(text)))
  expect(Buffer.from(canonicalize(entry)).toString()).toBe(text)
})

test.for(vectors.refusedEntries)('no entry: $name', ({ text }) => {
  expect(InventoryAttachment.safeParse(JSON.parse(text)).success).toBe(false)
})

test.for(vectors.names)('%j is a name', (name) => {
  expect(AttachmentName.safeParse(name).success).toBe(true)
})

test.for(vectors.refusedNames)('%j is no name', (name) => {
  expect(AttachmentName.safeParse(name).success).toBe(false)
})

test.for(vectors.compartments)('vector: a compartment with $name', ({ text, header, offset }) => {
  const bytes = Buffer.from(text)
  expect(parseCompartmentHeader(bytes)).toEqual({ header, offset })
  expect(Buffer.from(encodeCompartmentHeader(header))).toEqual(bytes.subarray(0, offset))
})

test.for(vectors.refusedCompartments)('no compartment: $name', ({ text }) => {
  expect(() => parseCompartmentHeader(Buffer.from(text))).toThrow(expect.objectContaining({ code: 'FORMAT_INVALID' }) as Error)
})

test.for(vectors.tags)('vector: the tag of a $what', ({ secret, agreement, source, what, text, tag }) => {
  const key = knownObjectsKeyOf(Buffer.from(secret, 'hex'), agreement, source)
  expect(attachmentTag(key, what as 'content' | 'name', text)).toBe(tag)
  expect(attachmentTag(knownObjectsKeyOf(Buffer.from(secret, 'hex'), agreement, 'another'), 'content', text)).not.toBe(tag)
})

test.for([...AttachedKind.options])('%s has an entry of its own', (kind) => {
  const secret = { kind, name: 'label', sealed: 'a'.repeat(64) }
  const open = { ...secret, sha256: 'b'.repeat(64), sizeBytes: 1 }
  expect([secret, open].filter((entry) => InventoryAttachment.safeParse(entry).success)).toHaveLength(1)
})
