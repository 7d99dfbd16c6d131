import { expect, test } from 'vitest'
import { noteBytesMax, noteSignaturesMax } from '../../../src/core/limits.js'
import { signingKeyFromSeed } from '../../../src/crypto/signature.js'
import {
  formatNote,
  formatNoteKey,
  noteKey,
  parseNote,
  parseNoteKey,
  parseSignatureLine,
  signNote,
  verifyNote,
} from '../../../src/format/note.js'
import vectors from '../../vectors/note.json' with { type: 'json' }

const encode = (text: string) => new TextEncoder().encode(text)
const refused = (code: string) => expect.objectContaining({ name: 'EscrowError', code })
const [example, peter] = vectors.notes as [(typeof vectors.notes)[0], (typeof vectors.notes)[1]]
const peterLine = peter.note.split('\n\n').pop()!

test.for(vectors.notes)('the published note of $key verifies', ({ key, text, note }) => {
  const parsed = parseNote(encode(note))
  verifyNote(parsed, parseNoteKey(key))
  expect(parsed.text).toBe(text)
  expect(new TextDecoder().decode(formatNote(parsed))).toBe(note)
})

test('signing gives the published bytes', () => {
  const signer = signingKeyFromSeed(new Uint8Array(Buffer.from(peter.seed!, 'base64')))
  const note = { text: peter.text, signatures: [signNote(peter.text, 'PeterNeumann', signer)] }
  expect(new TextDecoder().decode(formatNote(note))).toBe(peter.note)
})

test.for(vectors.keys)('the published key of $name reads and is written as it was', ({ name, type, line }) => {
  const key = parseNoteKey(line)
  expect(key).toMatchObject({ name, type })
  expect(formatNoteKey(key)).toBe(line)
})

test.for(vectors.refusedKeys)('%j is no verifier key', (line) => {
  expect(() => parseNoteKey(line)).toThrow(refused('KEY_INVALID'))
})

test.for(['', 'a b', 'a+b', 'a\u00a0b', 'a\u2003b', 'a\u0085b', 'a\u3000', 'a\u0007', 'a\n', '\ud800'])('%j is no key name', (name) => {
  expect(() => noteKey(name, 1, parseNoteKey(example.key).publicKey)).toThrow(refused('KEY_INVALID'))
})

test('a note with a changed text does not verify', () => {
  const note = parseNote(encode(peter.note.replace('answer', 'Answer')))
  expect(() => verifyNote(note, parseNoteKey(peter.key))).toThrow(refused('SIGNATURE_INVALID'))
})

test('a note that the key has not signed does not verify', () => {
  expect(() => verifyNote(parseNote(encode(peter.note)), parseNoteKey(example.key))).toThrow(refused('SIGNATURE_INVALID'))
})

test('one forged line by a known key spoils a note with a good one', () => {
  const forged = peterLine.replace('ZJkuBS9U', 'ZJkuBS9V')
  expect(() => verifyNote(parseNote(encode(`${peter.note}${forged}`)), parseNoteKey(peter.key))).toThrow(refused('SIGNATURE_INVALID'))
})

test('empty lines in the text do not end it', () => {
  expect(parseNote(encode(`one\n\n\ntwo\n\n${peterLine}`)).text).toBe('one\n\n\ntwo\n')
})

const malformed: readonly (readonly [string, Uint8Array])[] = [
  ['empty', encode('')],
  ['text alone', encode(peter.text)],
  ['without signatures', encode(`${peter.text}\n`)],
  ['without the last newline', encode(peter.note.slice(0, -1))],
  ['with a control character', encode(`\u0001${peter.note}`)],
  ['with a carriage return', encode(peter.note.replaceAll('\n', '\r\n'))],
  ['with a tab', encode(`\t${peter.note}`)],
  ['not UTF-8', Buffer.concat([Buffer.of(0xff), encode(peter.note)])],
  ['with an overlong encoding', Buffer.concat([Buffer.of(0xc0, 0x80), encode(peter.note)])],
  ['with a line that is no signature', encode(`${peter.note}unexpected\n`)],
  ['with a hyphen for the dash', encode(`text\n\n${peterLine.replace('—', '-')}`)],
  ['with a space in the name', encode(`text\n\n${peterLine.replace('PeterNeumann', 'Peter Neumann')}`)],
  ['with a plus in the name', encode(`text\n\n${peterLine.replace('PeterNeumann', 'Peter+Neumann')}`)],
  ['without a name', encode(`text\n\n${peterLine.replace('PeterNeumann', '')}`)],
  ['with two spaces', encode(`text\n\n${peterLine.replace('Neumann ', 'Neumann  ')}`)],
  ['with base64 of the URL alphabet', encode(`text\n\n${peterLine.replaceAll('/', '_')}`)],
  ['with base64 without padding', encode(`text\n\n${peterLine.replaceAll('=', '')}`)],
  ['with a signature of no bytes', encode('text\n\n— PeterNeumann x08gow==\n')],
  ['with an empty signature', encode('text\n\n— PeterNeumann \n')],
  ['with too many signatures', encode(`text\n\n${peterLine.repeat(noteSignaturesMax + 1)}`)],
  ['too long', encode(`${'x'.repeat(noteBytesMax)}\n\n${peterLine}`)],
]

test.for(malformed)('a note that is %s is refused', ([, bytes]) => {
  expect(() => parseNote(bytes)).toThrow(refused('FORMAT_INVALID'))
})

test(`a note with ${noteSignaturesMax} signatures is read`, () => {
  expect(parseNote(encode(`text\n\n${peterLine.repeat(noteSignaturesMax)}`)).signatures).toHaveLength(noteSignaturesMax)
})

test('a signature line is one line', () => {
  expect(() => parseSignatureLine(peterLine)).toThrow(refused('FORMAT_INVALID'))
  expect(parseSignatureLine(peterLine.trimEnd()).name).toBe('PeterNeumann')
})
