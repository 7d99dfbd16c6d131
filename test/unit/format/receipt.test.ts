import { expect, test } from 'vitest'
import { Agreement } from '../../../src/format/agreement.js'
import { canonicalize, parseCanonical } from '../../../src/format/canonical-json.js'
import { checkpointPolicy } from '../../../src/format/checkpoint.js'
import { eventDigest, formatLogEntry } from '../../../src/format/log-entry.js'
import { Manifest } from '../../../src/format/manifest.js'
import { leafHash } from '../../../src/format/merkle.js'
import { parseProof, verifyProof } from '../../../src/format/proof.js'
import { checkReceipt, Receipt } from '../../../src/format/receipt.js'
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
