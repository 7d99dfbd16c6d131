import { expect, test } from 'vitest'
import { canonicalize, parseCanonical } from '../../../src/format/canonical-json.js'
import { signingKeyFromSeed } from '../../../src/crypto/signature.js'
import { Notice, noticeIdFor, signNotice, verifyNotice } from '../../../src/format/notice.js'
import vectors from '../../vectors/notice.json' with { type: 'json' }

const key = signingKeyFromSeed(Buffer.from(vectors.seed, 'hex'))
const notice = Notice.parse(parseCanonical(new TextEncoder().encode(vectors.text)))
const at = new Date(Number(vectors.timestamp) * 1000)

test('vector: a notice, its id and its signature', () => {
  expect(new TextDecoder().decode(canonicalize(notice))).toBe(vectors.text)
  expect(noticeIdFor({ agreement: notice.agreement, party: notice.party, cause: vectors.cause })).toBe(notice.notice)
  expect(key.publicKey).toBe(vectors.publicKey)
  const signed = signNotice(vectors.text, notice.notice, { at, key })
  expect(signed).toEqual({ id: notice.notice, timestamp: vectors.timestamp, signature: vectors.signature })
  verifyNotice(vectors.text, signed, { agentKey: vectors.publicKey, now: at })
  // A key change is announced with both signatures.
  verifyNotice(
    vectors.text,
    { ...signed, signature: `v1,AAAA v1a,${'A'.repeat(86)}== ${signed.signature}` },
    { agentKey: vectors.publicKey, now: at },
  )
})

test.for(vectors.refused)('refused: $why', ({ change, timestamp, signature }) => {
  const sent = { id: notice.notice, timestamp: timestamp ?? vectors.timestamp, signature: signature ?? vectors.signature }
  expect(() => verifyNotice(`${vectors.text}${change ?? ''}`, sent, { agentKey: vectors.publicKey, now: at })).toThrow(
    expect.objectContaining({ code: 'SIGNATURE_INVALID' }) as Error,
  )
})

test.for([
  [{ report: 'maybe' }],
  [{ event: 'Deposit' }],
  [{ facts: { 'a b': 1 } }],
  [{ facts: { a: [1] } }],
  [{ facts: { a: 'x'.repeat(501) } }],
  [{ notice: 'ntc_1' }],
  [{ more: 1 }],
  [{ leaf: 'abc' }],
])('no notice: %j', ([change]) => {
  expect(Notice.safeParse({ ...notice, ...change }).success).toBe(false)
})
