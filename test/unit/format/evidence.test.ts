import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { sha256Hex } from '../../../src/crypto/digest.js'
import { Agreement } from '../../../src/format/agreement.js'
import { EvidenceIndex, formatSums, parseSums } from '../../../src/format/evidence.js'
import { keysOf } from '../../../src/format/signed-agreement.js'
import { openDocument } from '../../../src/format/signed-document.js'
import agreementVectors from '../../vectors/agreement.json' with { type: 'json' }
import vectors from '../../vectors/evidence.json' with { type: 'json' }

const bytes = (text: string) => Buffer.from(text, 'latin1')
const agreement = Agreement.parse(JSON.parse(agreementVectors.text))

test('vector: the index is signed by the agent, names the list, and the list names the files', () => {
  const { body, digest } = openDocument(bytes(vectors.document), { schema: EvidenceIndex, keys: keysOf(agreement, 'agent'), what: 'index' })
  expect(digest).toBe(vectors.digest)
  expect(body).toMatchObject({ agreement: agreementVectors.digest, sums: sha256Hex(bytes(vectors.sums)), files: vectors.files.length })
  expect([...parseSums(bytes(vectors.sums))]).toEqual(vectors.files.map(({ name, text }) => [name, sha256Hex(bytes(text))]))
})

test('the list is written in one way only, whatever the order', () => {
  const name = fc.stringMatching(/^[A-Za-z0-9_-][A-Za-z0-9._-]{0,8}(?:\/[A-Za-z0-9_-][A-Za-z0-9._-]{0,8}){0,3}$/)
  const digest = fc.stringMatching(/^[0-9a-f]{64}$/)
  fc.assert(
    fc.property(fc.uniqueArray(fc.tuple(name, digest), { minLength: 1, selector: ([one]) => one }), (files) => {
      const text = formatSums(new Map(files))
      expect(formatSums(new Map(files.toReversed()))).toBe(text)
      expect(new Map(parseSums(bytes(text)))).toEqual(new Map(files))
    }),
    { numRuns: 100, seed: 20261122 },
  )
})

const line = (name: string, digest = 'a'.repeat(64)) => `${digest}  ${name}\n`

test.for<[string, string]>([
  ['an empty list', ''],
  ['a list without its last newline', line('a').slice(0, -1)],
  ['an empty line', `${line('a')}\n`],
  ['one space', `${'a'.repeat(64)} a\n`],
  ['a digest that is too short', line('a', 'a'.repeat(63))],
  ['a digest in capitals', line('a', 'A'.repeat(64))],
  ['a path that leads out of the folder', line('../a')],
  ['a path from the root', line('/a')],
  ['a hidden file', line('.a')],
  ['a path that ends with a slash', line('a/')],
  ['a space in a name', line('a b')],
  ['a binary marker', `${'a'.repeat(64)} *a\n`],
  ['an escaped name', `\\${line('a')}`],
  ['a carriage return', `${'a'.repeat(64)}  a\r\n`],
  ['a name twice', line('a') + line('a')],
  ['another order', line('b') + line('a')],
  ['a name that is too long', line('a'.repeat(901))],
])('%s is refused', ([, text]) => {
  expect(() => parseSums(bytes(text))).toThrow(expect.objectContaining({ code: 'FORMAT_INVALID' }))
})

test('whatever the bytes, they are read or refused', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (noise) => {
      expect(() => parseSums(noise)).toThrow(expect.objectContaining({ code: 'FORMAT_INVALID' }))
    }),
    { numRuns: 300, seed: 20261122 },
  )
})
