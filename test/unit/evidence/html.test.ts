import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { code, definitions, html, moment, several, size, table } from '../../../src/evidence/html.js'

const words = fc.string({ unit: fc.constantFrom(...'<>&"\'=/!- abc\u202e\u0001\u200b\u2028é漢'.split('')) })
const anywhere = (word: string) =>
  html`<p title="${word}">${word}</p>
    ${table([word, 'b'], [[word, code(word)]])}${definitions([[word, word]])}${moment(word)}`.markup
/** What a browser would see as tags and attributes. */
const skeleton = (markup: string) => markup.match(/<[^>]*>/g)?.map((tag) => tag.replaceAll(/"[^"]*"/g, '""')) ?? []

test('no string of a stranger makes or ends a tag or an attribute', () => {
  fc.assert(
    fc.property(words, (word) => {
      expect(skeleton(anywhere(word))).toEqual(skeleton(anywhere('')))
    }),
    { numRuns: 500, seed: 20261122 },
  )
})

test('characters that show nothing or turn the direction are made visible', () => {
  fc.assert(
    fc.property(words, (word) => {
      for (const hidden of ['\u202e', '\u0001', '\u200b', '\u2028']) expect(anywhere(word)).not.toContain(hidden)
    }),
    { numRuns: 200, seed: 20261122 },
  )
})

test('a text reads as it was written', () => {
  expect(html`${`5 < 6 & "é漢" isn't 7 > 8`}`.markup).toBe('5 &#60; 6 &#38; &#34;é漢&#34; isn&#39;t 7 &#62; 8')
})

test.for<[number, string]>([
  [0, '0 B'],
  [1023, '1023 B'],
  [1024, '1.0 KiB'],
  [1024 ** 2 - 1, '1024.0 KiB'],
  [1024 ** 2, '1.0 MiB'],
  [1024 ** 5, '1024.0 TiB'],
])('%i bytes are shown as %s', ([bytes, shown]) => {
  expect(size(bytes)).toBe(shown)
})

test('one is singular, everything else is plural', () => {
  expect([0, 1, 2, 1000].map((value) => several(value, 'entry', 'entries'))).toEqual(['0 entries', '1 entry', '2 entries', '1,000 entries'])
})
