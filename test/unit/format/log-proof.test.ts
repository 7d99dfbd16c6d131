import { expect, test } from 'vitest'
import { checkpointPolicy } from '../../../src/format/checkpoint.js'
import { eventDigest, formatLogEntry, logTag, parseLogEntry } from '../../../src/format/log-entry.js'
import { leafHash } from '../../../src/format/merkle.js'
import { formatProof, parseProof, verifyProof } from '../../../src/format/proof.js'
import vectors from '../../vectors/log-entry.json' with { type: 'json' }
import sample from '../../vectors/proof.json' with { type: 'json' }

const encode = (text: string) => new TextEncoder().encode(text)
const hex = (text: string) => new Uint8Array(Buffer.from(text, 'hex'))
const refused = (code: string) => expect.objectContaining({ name: 'EscrowError', code })
const policy = checkpointPolicy(sample.policy)
const [zero, ...lines] = sample.proof.split('\n')

test.for(vectors.entries)('the entry of $event reads back and has its leaf hash', (vector) => {
  const tag = logTag(hex(vector.secret), vector.subject)
  const digest = eventDigest(hex(vector.salt), encode(vector.event))
  expect(new TextDecoder().decode(formatLogEntry({ tag, digest }))).toBe(vector.entry)
  expect(parseLogEntry(encode(vector.entry))).toEqual({ tag, digest })
  expect(Buffer.from(leafHash(encode(vector.entry))).toString('hex')).toBe(vector.leafHash)
})

test.for(vectors.refused)('%j is no log entry', (text) => {
  expect(() => parseLogEntry(encode(text))).toThrow(refused('FORMAT_INVALID'))
})

test('one event under two salts has digests that share nothing', () => {
  const event = encode('{}')
  expect(eventDigest(new Uint8Array(32), event)).not.toEqual(eventDigest(new Uint8Array(32).fill(1), event))
})

test('the sample proof verifies offline and says what it proved', () => {
  const opened = verifyProof(parseProof(sample.proof), encode(sample.entry), policy)
  expect(opened).toMatchObject({ origin: sample.policy.origin, size: 5, witnessed: true })
  expect(formatProof(parseProof(sample.proof))).toBe(sample.proof)
})

test('a proof for another entry is refused', () => {
  expect(() => verifyProof(parseProof(sample.proof), encode(vectors.entries[0]!.entry), policy)).toThrow(refused('PROOF_INVALID'))
})

test('a proof whose checkpoint lacks a witness is refused', () => {
  const text = sample.proof
    .split('\n')
    .filter((line) => !line.includes('witness-one'))
    .join('\n')
  expect(() => verifyProof(parseProof(text), encode(sample.entry), policy)).toThrow(refused('WITNESS_POLICY'))
})

test('a proof of another log is refused', () => {
  expect(() => verifyProof(parseProof(sample.proof), encode(sample.entry), { ...policy, origin: 'other' })).toThrow(
    refused('CHECKPOINT_INVALID'),
  )
})

test('extra is optional, and nothing vouches for it', () => {
  const text = sample.proof.replace(/^extra .*\n/m, '')
  expect(parseProof(text).extra).toBeUndefined()
  verifyProof(parseProof(text), encode(sample.entry), policy)
})

test('a tree of one leaf has a proof without hashes', () => {
  expect(parseProof(`${zero}\nindex 0\n\nrest`)).toMatchObject({ index: 0, hashes: [] })
})

test.for(sample.published.proofs)('published: $name reads, and is written as it was', ({ index, extra, hashes, checkpoint, text }) => {
  const proof = parseProof(text)
  expect(proof).toEqual({
    index,
    hashes: hashes.map((hash) => new Uint8Array(Buffer.from(hash, 'base64'))),
    checkpoint: encode(checkpoint),
    ...(extra === null ? {} : { extra: new Uint8Array(Buffer.from(extra, 'base64')) }),
  })
  expect(formatProof(proof)).toBe(text)
})

test.for(sample.published.refused)('published: a proof with $name is refused', ({ text }) => {
  expect(() => parseProof(text)).toThrow(refused('FORMAT_INVALID'))
})

const hashLine = `${Buffer.alloc(32).toString('base64')}\n`
test.for([
  ['is empty', ''],
  ['has another version', sample.proof.replace('@v1', '@v2')],
  ['has no index', sample.proof.replace(/^index .*\n/m, '')],
  ['has an index with a leading zero', sample.proof.replace('index 3', 'index 03')],
  ['has a negative index', sample.proof.replace('index 3', 'index -3')],
  ['has an index beyond safe integers', sample.proof.replace('index 3', 'index 9007199254740992')],
  ['has extra after the index', [zero, lines[1], lines[0], ...lines.slice(2)].join('\n')],
  ['has two extras', [zero, lines[0], ...lines].join('\n')],
  ['has extra that is not base64', sample.proof.replace('extra ', 'extra !')],
  ['has a hash of 31 bytes', sample.proof.replace('index 3\n', `index 3\n${Buffer.alloc(31).toString('base64')}\n`)],
  ['has too many hashes', sample.proof.replace('index 3\n', `index 3\n${hashLine.repeat(60)}`)],
  ['has no checkpoint', sample.proof.slice(0, sample.proof.indexOf('\n\n'))],
  ['is too long', `${sample.proof}${'x'.repeat(1 << 20)}`],
] as const)('a proof that %s is refused', ([, text]) => {
  expect(() => parseProof(text)).toThrow(refused('FORMAT_INVALID'))
})
