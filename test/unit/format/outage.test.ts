import { expect, test } from 'vitest'
import { signingKeyFromSeed } from '../../../src/crypto/signature.js'
import { cosign } from '../../../src/format/cosignature.js'
import { formatNote, formatNoteKey, noteKey, signatureType } from '../../../src/format/note.js'
import { formatOutageText, signOutage, verifyOutage, type SilentLog } from '../../../src/format/outage.js'
import vectors from '../../vectors/outage.json' with { type: 'json' }

const seed = (byte: number) => signingKeyFromSeed(Buffer.alloc(32, byte))
const names = ['north.example/w', 'south.example/w', 'east.example/w'] as const
const witness = (place: number) => ({ name: names[place] ?? '', signer: seed(place + 1) })
const key = (place: number) => formatNoteKey(noteKey(names[place] ?? '', signatureType.cosignature, seed(place + 1).publicKey))
const origin = 'service.example/1'
const log = { origin, key: formatNoteKey(noteKey(origin, signatureType.ed25519, seed(9).publicKey)) }
const policy = { ...log, witnessQuorum: 2, witnesses: [0, 1, 2].map(key) }
const at = 1_763_805_600
const now = new Date(at * 1000)
const rules = { days: 7, freshHours: 72, now }
const silent: SilentLog = { origin, size: 1042, root: Buffer.alloc(32, 11), cosignedAt: at - 7 * 86_400 }
const attest = (place: number, change: Partial<SilentLog> = {}, moment = at) => signOutage({ ...silent, ...change }, witness(place), moment)
const note = (text: string, place = 0) => formatNote({ text, signatures: [cosign(text, names[place] ?? '', seed(place + 1), at)] })
const code = (action: () => unknown): unknown => {
  try {
    return action()
  } catch (error) {
    return (error as { code: string }).code
  }
}

test('vector: what two of three witnesses wrote', () => {
  expect([0, 1].map((place) => Buffer.from(attest(place)).toString())).toEqual(vectors.attestations)
  expect(policy).toEqual(vectors.policy)
  const outage = verifyOutage(
    vectors.attestations.map((text) => Buffer.from(text)),
    vectors.policy,
    rules,
  )
  expect(outage).toEqual({ since: new Date(vectors.since), witnesses: names.slice(0, 2) })
})

test.for([
  [1, 3, 3],
  [2, 3, 2],
  [3, 3, 1],
  [1, 1, 1],
] as const)('with a quorum of %i among %i witnesses, %i must attest', ([witnessQuorum, witnesses, need]) => {
  const strict = { ...policy, witnessQuorum, witnesses: policy.witnesses.slice(0, witnesses) }
  const notes = Array.from({ length: need }, (_, place) => attest(place))
  expect(verifyOutage(notes, strict, rules).witnesses).toHaveLength(need)
  expect(code(() => verifyOutage(notes.slice(1), strict, rules))).toBe('WITNESS_POLICY')
  expect(code(() => verifyOutage([...notes.slice(1), ...notes.slice(1)], strict, rules))).toBe('WITNESS_POLICY')
})

test('the silence lasts from the newest checkpoint that any of them has cosigned', () => {
  const outage = verifyOutage([attest(0, { cosignedAt: at - 20 * 86_400 }), attest(1)], policy, rules)
  expect(outage.since).toEqual(new Date((at - 7 * 86_400) * 1000))
})

test.for([
  ['a second too short', attest(1, { cosignedAt: at - 7 * 86_400 + 1 })],
  ['older than three days', attest(1, { cosignedAt: at - 30 * 86_400 }, at - 72 * 3600 - 1)],
  ['from the future', attest(1, {}, at + 301)],
  ['of another log', attest(1, { origin: 'other.example/1' })],
] as const)('an attestation %s does not count', ([, bytes]) => {
  expect(code(() => verifyOutage([attest(0), bytes], policy, rules))).toBe('WITNESS_POLICY')
})

test('without witnesses in the agreement nobody can attest', () => {
  expect(code(() => verifyOutage([attest(0), attest(1)], { ...policy, witnessQuorum: 0 }, rules))).toBe('WITNESS_POLICY')
})

test.for([
  ['a stranger', signOutage(silent, { name: names[1], signer: seed(7) }, at), 'SIGNATURE_INVALID'],
  ['nobody we know', signOutage(silent, { name: 'west.example/w', signer: seed(4) }, at), 'SIGNATURE_INVALID'],
  ['a witness, of an altered text', Buffer.from(Buffer.from(attest(1)).toString().replace('\n1042\n', '\n1043\n')), 'SIGNATURE_INVALID'],
] as const)('signed by %s: refused', ([, bytes, expected]) => {
  expect(code(() => verifyOutage([attest(0), bytes], policy, rules))).toBe(expected)
})

const text = formatOutageText(silent)
test.for([
  ['a checkpoint', `${origin}\n1042\n${Buffer.alloc(32).toString('base64')}\n`],
  ['another title', text.replace('/v1', '/v2')],
  ['a line more', `${text}more\n`],
  ['a line less', text.replace(/\d+\n$/, '')],
  ['no time', text.replace(/\d+\n$/, '0\n')],
  ['a time with a zero before it', text.replace(/(\d+)\n$/, '0$1\n')],
  ['a negative size', text.replace('\n1042\n', '\n-1\n')],
  ['a short root', text.replace(/\n([A-Za-z0-9+/]{40})[^\n]*=\n/, '\n$1\n')],
] as const)('a witness that signs %s attests nothing', ([, signed]) => {
  expect(code(() => verifyOutage([attest(0), note(signed, 1)], policy, rules))).toBe('FORMAT_INVALID')
})

test.for(['', 'escrow-outage/v1\n', '\u0000'])('%j is no note', (bytes) => {
  expect(code(() => verifyOutage([Buffer.from(bytes)], policy, rules))).toBe('FORMAT_INVALID')
})
