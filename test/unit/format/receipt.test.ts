import { expect, test } from 'vitest'
import { Agreement } from '../../../src/format/agreement.js'
import { canonicalize, parseCanonical } from '../../../src/format/canonical-json.js'
import { signingKeyFromSeed } from '../../../src/crypto/signature.js'
import { checkpointPolicy, signCheckpoint } from '../../../src/format/checkpoint.js'
import { eventDigest, formatLogEntry } from '../../../src/format/log-entry.js'
import { Manifest } from '../../../src/format/manifest.js'
import { leafHash } from '../../../src/format/merkle.js'
import { formatNoteKey, noteKey, signatureType } from '../../../src/format/note.js'
import { formatProof, parseProof, verifyProof } from '../../../src/format/proof.js'
import { checkReceipt, Receipt } from '../../../src/format/receipt.js'
import { digestOf, signDocument } from '../../../src/format/signed-document.js'
import { verifyReceipt } from '../../../src/format/verify-receipt.js'
import { codeOf } from '../../doubles/code-of.js'
import agreementVectors from '../../vectors/agreement.json' with { type: 'json' }
import manifestVectors from '../../vectors/manifest.json' with { type: 'json' }
import vectors from '../../vectors/receipt.json' with { type: 'json' }

const encode = (text: string) => new TextEncoder().encode(text)
const receipt = Receipt.parse(parseCanonical(encode(vectors.text)))
const [stored, next] = manifestVectors.manifests as [(typeof manifestVectors.manifests)[0], (typeof manifestVectors.manifests)[0]]
const manifest = Manifest.parse(JSON.parse(stored.text))

test('vector: a receipt leads from the manifest to a cosigned checkpoint with nothing but the agreement', () => {
  checkReceipt(receipt, manifest, stored.digest)
  const { log } = receipt
  const digest = eventDigest(Buffer.from(log.salt, 'hex'), canonicalize(log.event))
  const entry = formatLogEntry({ tag: Buffer.from(log.tag, 'hex'), digest })
  expect(new TextDecoder().decode(entry)).toBe(vectors.entry)
  expect(Buffer.from(leafHash(entry)).toString('hex')).toBe(log.leafHash)
  const agreement = Agreement.parse(JSON.parse(agreementVectors.text))
  const checkpoint = verifyProof(parseProof(log.proof), entry, checkpointPolicy(agreement.log))
  expect(checkpoint).toMatchObject({ origin: log.origin, size: 1, witnessed: true })
  expect(checkpoint.cosignatures).toHaveLength(log.cosignatures)
})

test.for<[string, (original: Receipt) => Receipt]>([
  ['manifest', (one) => ({ ...one, manifest: next.digest })],
  ['manifest of the event', (one) => ({ ...one, log: { ...one.log, event: { ...one.log.event, manifest: next.digest } } })],
  ['agreement', (one) => ({ ...one, agreement: '0'.repeat(64) })],
  ['agreement id', (one) => ({ ...one, agreementId: Receipt.shape.agreementId.parse(`agr_${'a'.repeat(20)}`) })],
  ['envelope', (one) => ({ ...one, envelope: '0'.repeat(64) })],
  ['source', (one) => ({ ...one, source: 'tools' })],
  ['source of the event', (one) => ({ ...one, log: { ...one.log, event: { ...one.log.event, source: 'tools' } } })],
  ['subject of the event', (one) => ({ ...one, log: { ...one.log, event: { ...one.log.event, subject: 'tools' } } })],
  ['sequence', (one) => ({ ...one, sequence: 2 })],
  ['sequence of the event', (one) => ({ ...one, log: { ...one.log, event: { ...one.log.event, sequence: 2 } } })],
  ['kind of the event', (one) => ({ ...one, log: { ...one.log, event: { ...one.log.event, kind: 'incremental' } } })],
])('a receipt with another %s is refused', ([, change]) => {
  expect(() => checkReceipt(change(receipt), manifest, stored.digest)).toThrow(expect.objectContaining({ code: 'PROOF_INVALID' }))
})

test('a receipt for another manifest than the one at hand is refused', () => {
  expect(() => checkReceipt(receipt, manifest, next.digest)).toThrow(expect.objectContaining({ code: 'PROOF_INVALID' }))
})

test('a receipt with one more field, or without any of its fields, is refused', () => {
  expect(Receipt.safeParse({ ...receipt, more: 1 }).success).toBe(false)
  for (const field of Object.keys(receipt)) {
    const { [field]: _left, ...rest } = receipt as Record<string, unknown>
    expect(Receipt.safeParse(rest).success, field).toBe(false)
  }
})

/** An agreement whose agent and log are ours, and receipts under it: whatever is changed, leaf, proof and signature follow. */
const [agent, log, stranger] = [1, 2, 3].map((seed) => signingKeyFromSeed(new Uint8Array(32).fill(seed))) as [Signer, Signer, Signer]
type Signer = ReturnType<typeof signingKeyFromSeed>
type Event = Receipt['log']['event']
const given = Agreement.parse(JSON.parse(agreementVectors.text))
const body: Agreement = {
  ...given,
  parties: given.parties.map((one) => (one.role === 'agent' ? { ...one, keys: [{ kind: 'ed25519', publicKey: agent.publicKey }] } : one)),
  log: {
    ...given.log,
    key: formatNoteKey(noteKey(given.log.origin, signatureType.ed25519, log.publicKey)),
    witnesses: [],
    witnessQuorum: 0,
  },
}
const agreement = { body, digest: digestOf(body), bytes: new Uint8Array(0), signedBy: [] }

function issued(change: {
  frame?: Partial<Receipt>
  event?: Partial<Event>
  log?: Partial<Receipt['log']>
  root?: Uint8Array
  key?: Signer
}) {
  const event = { ...receipt.log.event, ...change.event } as Event
  const digest = eventDigest(Buffer.from(receipt.log.salt, 'hex'), canonicalize(event))
  const leaf = leafHash(formatLogEntry({ tag: Buffer.from(receipt.log.tag, 'hex'), digest }))
  const checkpoint = signCheckpoint({ origin: body.log.origin, size: 1, root: change.root ?? leaf }, log)
  const proof = formatProof({ index: 0, hashes: [], checkpoint })
  const place = { ...receipt.log, event, leafHash: Buffer.from(leaf).toString('hex'), proof, ...change.log }
  return signDocument({
    body: { ...receipt, agreement: agreement.digest, log: place, ...change.frame },
    schema: Receipt,
    key: change.key ?? agent,
  })
}

test('a receipt verifies with nothing but the agreement', () => {
  expect(verifyReceipt(issued({}), agreement)).toMatchObject({ checkpoint: { size: 1 }, degraded: false })
})

test.for<[string, Parameters<typeof issued>[0], string]>([
  ['of another agent', { key: stranger }, 'SIGNATURE_INVALID'],
  ['for another agreement', { frame: { agreement: '0'.repeat(64) } }, 'AGREEMENT_DIGEST'],
  ['for another agreement id', { frame: { agreementId: Receipt.shape.agreementId.parse(`agr_${'a'.repeat(20)}`) } }, 'AGREEMENT_DIGEST'],
  ['of another service', { frame: { origin: 'other.example' } }, 'AGREEMENT_DIGEST'],
  [
    'whose event is of another agreement',
    { event: { agreement: Receipt.shape.agreementId.parse(`agr_${'a'.repeat(20)}`) } },
    'PROOF_INVALID',
  ],
  ['whose event is of another source', { event: { source: 'tools' } }, 'PROOF_INVALID'],
  ['whose event is of another deposit', { event: { sequence: 2 } }, 'PROOF_INVALID'],
  ['whose event names another manifest', { event: { manifest: next.digest } }, 'PROOF_INVALID'],
  ['with another leaf hash', { log: { leafHash: '0'.repeat(64) } }, 'PROOF_INVALID'],
  ['with another index than its proof', { log: { index: 1 } }, 'PROOF_INVALID'],
  ['of another log', { log: { origin: 'other.example' } }, 'PROOF_INVALID'],
  ['whose leaf the log does not hold', { root: new Uint8Array(32) }, 'PROOF_INVALID'],
])('a signed receipt %s does not verify', ([, change, code]) => {
  expect(codeOf(() => verifyReceipt(issued(change), agreement))).toBe(code)
})
