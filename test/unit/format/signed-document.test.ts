import { expect, test } from 'vitest'
import { documentBytesMax } from '../../../src/core/limits.js'
import { encodeSignedDocument, signDocument as signPayload } from '../../../src/crypto/dsse.js'
import { signingKeyFromSeed } from '../../../src/crypto/signature.js'
import { canonicalize } from '../../../src/format/canonical-json.js'
import { countersign, digestOf, openDocument, signDocument, type Expectation } from '../../../src/format/signed-document.js'
import { Statement } from '../../../src/format/statement.js'
import { z } from 'zod'
import vectors from '../../vectors/signed-document.json' with { type: 'json' }

type Name = keyof typeof vectors.seeds
const encode = (text: string) => new TextEncoder().encode(text)
const keyOf = (name: Name) => signingKeyFromSeed(Buffer.from(vectors.seeds[name], 'hex'))
const pinned = (name: Name) => ({ kind: 'ed25519' as const, publicKey: keyOf(name).publicKey })
const body = Statement.parse(JSON.parse(vectors.body))
const expected: Expectation<Statement> = { schema: Statement, keys: [pinned('partner'), pinned('vendor')], what: 'statement' }

test.for(vectors.documents)('vector: $name', ({ text, signers }) => {
  const opened = openDocument(encode(text), expected)
  expect(opened.body).toEqual(body)
  expect(opened.digest).toBe(vectors.digest)
  expect(opened.signedBy.map((key) => key.publicKey).toSorted()).toEqual(signers.map((name) => keyOf(name as Name).publicKey).toSorted())
})

test('what we sign is the vector, byte for byte', () => {
  const signed = signDocument({ body, schema: Statement, key: keyOf('vendor') })
  expect(new TextDecoder().decode(signed)).toBe(vectors.documents[0]?.text)
  expect(new TextDecoder().decode(countersign(signed, keyOf('partner')))).toBe(vectors.documents[1]?.text)
})

test.for(vectors.refused)('refused: $name', ({ text, code }) => {
  expect(() => openDocument(encode(text), expected)).toThrow(expect.objectContaining({ code }))
})

test.for(vectors.refused)('refused with keys looked up from the body: $name', ({ text }) => {
  expect(() => openDocument(encode(text), { ...expected, keys: () => [pinned('vendor')] })).toThrow(
    expect.objectContaining({ code: expect.stringMatching(/^(?:SIGNATURE|FORMAT)_INVALID$/) }),
  )
})

test('the keys that the body asks for are the only ones that count', () => {
  const [document] = vectors.documents
  const bytes = encode(document?.text ?? '')
  const lookUp = (party: Name) => (asked: Statement) => (asked.party === 'vendor' ? [pinned(party)] : [])
  expect(openDocument(bytes, { ...expected, keys: lookUp('vendor') }).signedBy).toHaveLength(1)
  expect(() => openDocument(bytes, { ...expected, keys: lookUp('partner') })).toThrow(
    expect.objectContaining({ code: 'SIGNATURE_INVALID' }),
  )
  expect(() => openDocument(bytes, { ...expected, keys: [] })).toThrow(expect.objectContaining({ code: 'SIGNATURE_INVALID' }))
})

test('every byte of a signed document that is changed is noticed, or changes nothing', () => {
  const bytes = encode(vectors.documents[0]?.text ?? '')
  for (let at = 0; at < bytes.length; at += 3) {
    const changed = Uint8Array.from(bytes, (byte, index) => (index === at ? byte ^ 1 : byte))
    let opened
    try {
      opened = openDocument(changed, expected)
    } catch (error) {
      expect(error).toMatchObject({ code: expect.stringMatching(/^(?:SIGNATURE|FORMAT)_INVALID$/) })
      continue
    }
    // Only the hint which key signed may be wrong without harm.
    expect(opened.digest).toBe(vectors.digest)
  }
})

test('a schema that drops a field does not pass for one that checked it', () => {
  const loose = z.object({ type: z.string() })
  const bytes = signDocumentUnchecked({ type: 'x', hidden: 'term' })
  expect(() => openDocument(bytes, { schema: loose, keys: [pinned('vendor')], what: 'note' })).toThrow(
    expect.objectContaining({ code: 'FORMAT_INVALID', message: expect.stringContaining('only fields of its type') }),
  )
})

test('a key named __proto__ in a free part is refused, because the schema cannot show it', () => {
  const schema = z.strictObject({ free: z.record(z.string(), z.unknown()) })
  const bytes = signDocumentUnchecked(JSON.parse('{"free":{"__proto__":{"a":1}}}'))
  expect(() => openDocument(bytes, { schema, keys: [pinned('vendor')], what: 'note' })).toThrow(
    expect.objectContaining({ code: 'FORMAT_INVALID' }),
  )
})

test('what does not fit its type is not signed', () => {
  expect(() => signDocument({ body: { ...body, epoch: 0 }, schema: Statement, key: keyOf('vendor') })).toThrow(/epoch/)
})

test('a document beyond the limit is neither signed nor read', () => {
  const schema = z.strictObject({ text: z.string() })
  expect(() => signDocument({ body: { text: 'x'.repeat(documentBytesMax) }, schema, key: keyOf('vendor') })).toThrow(
    expect.objectContaining({ code: 'FORMAT_INVALID' }),
  )
  const huge = new Uint8Array(4 * documentBytesMax).fill(0x20)
  expect(() => openDocument(huge, expected)).toThrow(expect.objectContaining({ code: 'FORMAT_INVALID' }))
})

test('a refusal shows no control characters of the author', () => {
  const bytes = signDocumentUnchecked({ ...body, '\u001b[2Jmore': 1 })
  expect(() => openDocument(bytes, expected)).toThrow(expect.objectContaining({ message: expect.not.stringContaining('\u001b') }))
})

test('the digest of a body is the digest of its payload', () => {
  expect(digestOf(body)).toBe(vectors.digest)
})

function signDocumentUnchecked(value: unknown): Uint8Array {
  return encodeSignedDocument(signPayload({ payload: canonicalize(value), key: keyOf('vendor') }))
}
