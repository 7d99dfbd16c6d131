import { expect, test } from 'vitest'
import { generateSigningKey, signingKeyFromSeed } from '../../../src/crypto/signature.js'
import { SystemEntropy } from '../../../src/core/environment.js'
import {
  checkpointPolicy,
  demandQuorum,
  formatCheckpointText,
  openCheckpoint,
  parseCheckpointText,
  signCheckpoint,
} from '../../../src/format/checkpoint.js'
import { cosign, readCosignature, verifyCosignatures } from '../../../src/format/cosignature.js'
import { verifyConsistency } from '../../../src/format/merkle.js'
import { formatNote, formatNoteKey, noteKey, parseNote, parseNoteKey, signatureType, signNote } from '../../../src/format/note.js'
import vectors from '../../vectors/checkpoint.json' with { type: 'json' }
import cosigned from '../../vectors/cosignature.json' with { type: 'json' }

const encode = (text: string) => new TextEncoder().encode(text)
const refused = (code: string) => expect.objectContaining({ name: 'EscrowError', code })
const entropy = new SystemEntropy()
const log = generateSigningKey(entropy)
const [one, two, stranger] = [generateSigningKey(entropy), generateSigningKey(entropy), generateSigningKey(entropy)]
const witnessLine = (name: string, key: { publicKey: string }) => formatNoteKey(noteKey(name, signatureType.cosignature, key.publicKey))
const plainLine = (name: string, key: { publicKey: string }) => formatNoteKey(noteKey(name, signatureType.ed25519, key.publicKey))
const origin = 'log.example/1'
const agreed = {
  origin,
  key: plainLine(origin, log),
  witnessQuorum: 2,
  witnesses: [witnessLine('one', one), witnessLine('two', two)],
}
const policy = checkpointPolicy(agreed)
const signed = signCheckpoint({ origin, size: 3, root: new Uint8Array(32).fill(5) }, log)
const { text, signatures } = parseNote(signed)
const withLines = (...lines: Parameters<typeof formatNote>[0]['signatures']) => formatNote({ text, signatures: [...signatures, ...lines] })

test.for(vectors.signed)('the published checkpoint of $origin with $size leaves opens', ({ origin: name, key, size, root, note }) => {
  const opened = openCheckpoint(encode(note), { origin: name, logKey: parseNoteKey(key), witnesses: [], witnessQuorum: 0 })
  expect({ ...opened, root: Buffer.from(opened.root).toString('base64') }).toMatchObject({ origin: name, size, root, witnessed: true })
})

test('the published consistency proof connects the published checkpoints', () => {
  const [before, after] = vectors.signed.map(({ note }) => parseCheckpointText(parseNote(encode(note)).text)) as never as [never, never]
  const [oldOne, newOne] = [before as ReturnType<typeof parseCheckpointText>, after as ReturnType<typeof parseCheckpointText>]
  const claim = { oldSize: oldOne.size, newSize: newOne.size, oldRoot: oldOne.root, newRoot: newOne.root }
  verifyConsistency(
    claim,
    vectors.consistency.proof.map((hash) => new Uint8Array(Buffer.from(hash, 'hex'))),
  )
})

test.for(vectors.texts)('the checkpoint text of $origin reads', ({ text: body, origin: name, size, root }) => {
  const checkpoint = parseCheckpointText(body)
  expect({ ...checkpoint, root: Buffer.from(checkpoint.root).toString('base64') }).toEqual({ origin: name, size, root })
  expect(body.startsWith(formatCheckpointText(checkpoint))).toBe(true)
})

test.for(vectors.refusedTexts)('the checkpoint text %j is refused', (body) => {
  expect(() => parseCheckpointText(body)).toThrow(refused('CHECKPOINT_INVALID'))
})

test('a cosignature of a public witness verifies, with its time', () => {
  const found = verifyCosignatures(parseNote(encode(cosigned.note)), [parseNoteKey(cosigned.key)])
  expect(found).toEqual([{ witness: 'remora.n621.de', timestamp: cosigned.timestamp }])
})

test('two of two witnesses make a quorum; their own times count', () => {
  const opened = openCheckpoint(withLines(cosign(text, 'one', one, 100), cosign(text, 'two', two, 7)), policy)
  expect(opened.cosignatures).toEqual([
    { witness: 'one', timestamp: 100 },
    { witness: 'two', timestamp: 7 },
  ])
  demandQuorum(opened, policy)
})

test('one witness that cosigns twice counts once, with its later time', () => {
  const opened = openCheckpoint(withLines(cosign(text, 'one', one, 100), cosign(text, 'one', one, 200)), policy)
  expect(opened).toMatchObject({ witnessed: false, cosignatures: [{ witness: 'one', timestamp: 200 }] })
  expect(() => demandQuorum(opened, policy)).toThrow(refused('WITNESS_POLICY'))
})

test('a witness under a name that the policy does not know counts for nothing', () => {
  expect(openCheckpoint(withLines(cosign(text, 'three', one, 100), cosign(text, 'one', stranger, 100)), policy).cosignatures).toEqual([])
})

test('a plain signature by a witness key is no cosignature', () => {
  expect(openCheckpoint(withLines(signNote(text, 'one', one)), policy).cosignatures).toEqual([])
})

test('a cosignature over another tree, under this checkpoint, is a forgery and refused', () => {
  const other = formatCheckpointText({ origin, size: 4, root: new Uint8Array(32).fill(6) })
  expect(() => openCheckpoint(withLines(cosign(other, 'one', one, 100)), policy)).toThrow(refused('CHECKPOINT_INVALID'))
})

test('a cosignature with a changed time is a forgery', () => {
  const line = cosign(text, 'one', one, 100)
  const changed = { ...line, signature: line.signature.with(7, 101) }
  expect(readCosignature(text, changed, parseNoteKey(agreed.witnesses[0]!))).toBeNull()
})

test.for([
  [1n, { witness: 'one', timestamp: 1 }],
  [2n ** 53n - 1n, { witness: 'one', timestamp: 2 ** 53 - 1 }],
  [0n, null],
  [2n ** 53n, null],
  [2n ** 63n, null],
] as const)('a witness that signs the time %i is believed up to what a safe integer holds', ([time, read]) => {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64BE(time)
  const signature = Buffer.concat([bytes, one.sign(encode(`cosignature/v1\ntime ${time}\n${text}`))])
  expect(readCosignature(text, { ...cosign(text, 'one', one, 100), signature }, parseNoteKey(agreed.witnesses[0]!))).toEqual(read)
})

test.for([0, 71, 73, 2428])('a cosignature of %i bytes is none', (sizeBytes) => {
  const line = { ...cosign(text, 'one', one, 100), signature: new Uint8Array(sizeBytes) }
  expect(readCosignature(text, line, parseNoteKey(agreed.witnesses[0]!))).toBeNull()
})

test.for([
  ['of another origin', signCheckpoint({ origin: 'log.example/2', size: 3, root: new Uint8Array(32) }, log)],
  ['signed by another key', signCheckpoint({ origin, size: 3, root: new Uint8Array(32) }, stranger)],
  ['with another size under the signature', encode(new TextDecoder().decode(signed).replace('\n3\n', '\n4\n'))],
  ['malformed', encode('log.example/1\n3\n')],
] as const)('a checkpoint %s is refused', ([, bytes]) => {
  expect(() => openCheckpoint(bytes, policy)).toThrow(refused('CHECKPOINT_INVALID'))
})

test.for([
  ['a witness key of type 1', { witnesses: [plainLine('one', one), agreed.witnesses[1]!] }],
  ['a log key of type 4', { key: witnessLine(origin, stranger) }],
  ['one key under two names', { witnesses: [agreed.witnesses[0]!, witnessLine('other', one)] }],
  ['the log as its own witness', { witnesses: [witnessLine('log', log)], witnessQuorum: 1 }],
  ['a quorum above the number of witnesses', { witnessQuorum: 3 }],
  ['a key that is none', { key: 'nonsense' }],
] as const)('a policy with %s is refused', ([, wrong]) => {
  expect(() =>
    checkpointPolicy({ ...agreed, ...wrong, witnesses: [...(('witnesses' in wrong ? wrong.witnesses : agreed.witnesses) as string[])] }),
  ).toThrow(refused('KEY_INVALID'))
})

test('a seed gives the same checkpoint every time', () => {
  const signer = signingKeyFromSeed(new Uint8Array(32).fill(1))
  const checkpoint = { origin, size: 3, root: new Uint8Array(32) }
  expect(signCheckpoint(checkpoint, signer)).toEqual(signCheckpoint(checkpoint, signer))
})
