import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { documentBytesMax, documentSignatureChecksMax, documentSignaturesMax, signedDocumentBytesMax } from '../../../src/core/limits.js'
import {
  addSignature,
  encodeSignedDocument,
  keyidOf,
  parseSignedDocument,
  payloadSignedBy,
  preAuthEncoding,
  signDocument,
  statementPayloadType,
  verifySignatures,
  withSignature,
  type VerifyingKey,
} from '../../../src/crypto/dsse.js'
import { fingerprintOf, generateSigningKey, parsePublicKey, signingKeyFromSeed, verifySignature } from '../../../src/crypto/signature.js'
import { codeOf } from '../../doubles/code-of.js'
import { RememberedEntropy, SeededEntropy } from '../../doubles/seeded-entropy.js'
import { sshSigner } from '../../doubles/ssh-signer.js'

const entropy = new SeededEntropy('signed-document.test')
const alice = generateSigningKey(entropy)
const bob = generateSigningKey(entropy)
const keyOf = (key: { readonly publicKey: string }): VerifyingKey => ({ kind: 'ed25519', publicKey: key.publicKey })
const payload = Buffer.from('{"a":1}')
const vectors = JSON.parse(readFileSync(new URL('../../vectors/dsse.json', import.meta.url), 'utf8'))

describe('Ed25519', () => {
  // RFC 8032 section 7.1, tests 1 to 3.
  test.for([
    [
      '9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60',
      'd75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a',
      '',
      'e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b',
    ],
    [
      '4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb',
      '3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c',
      '72',
      '92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00',
    ],
    [
      'c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7',
      'fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025',
      'af82',
      '6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a',
    ],
  ])('signs as RFC 8032 section 7.1 does (%s)', ([seed = '', publicKey = '', message = '', signature = '']) => {
    const key = signingKeyFromSeed(Buffer.from(seed, 'hex'))
    expect(Buffer.from(key.publicKey, 'base64').toString('hex')).toBe(publicKey)
    expect(Buffer.from(key.sign(Buffer.from(message, 'hex'))).toString('hex')).toBe(signature)
  })

  test.for<[string, string]>([
    ['31 bytes', Buffer.alloc(31, 9).toString('base64')],
    ['33 bytes', Buffer.alloc(33, 9).toString('base64')],
    ['no padding', alice.publicKey.slice(0, -1)],
    ['URL-safe base64', `${'-'.repeat(43)}=`],
    ['trailing bits', `${'A'.repeat(42)}B=`],
    ['the identity', Buffer.from(`01${'00'.repeat(31)}`, 'hex').toString('base64')],
    ['small order', Buffer.from('26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05', 'hex').toString('base64')],
    ['y = p', Buffer.from(`ed${'ff'.repeat(30)}7f`, 'hex').toString('base64')],
    ['no point', Buffer.from(`02${'00'.repeat(31)}`, 'hex').toString('base64')],
    ['nothing', ''],
  ])('a public key that is %s is refused', ([, publicKey]) => {
    expect(codeOf(() => parsePublicKey(publicKey))).toBe('KEY_INVALID')
    expect(codeOf(() => fingerprintOf(publicKey))).toBe('KEY_INVALID')
  })

  test('a signature of another size, another message or with S + L does not verify', () => {
    const signature = alice.sign(payload)
    const verify = (changed: Uint8Array, message: Uint8Array = payload) =>
      verifySignature({ publicKey: alice.publicKey, message, signature: changed })
    expect(verify(signature)).toBe(true)
    expect(verify(signature, Buffer.from('{"a":2}'))).toBe(false)
    expect(verify(signature.subarray(0, 63))).toBe(false)
    expect(verify(Uint8Array.from([...signature, 0]))).toBe(false)
    expect(verify(new Uint8Array(0))).toBe(false)
    const order = 2n ** 252n + 27742317777372353535851937790883648493n
    const s = BigInt(`0x${Buffer.from(signature.subarray(32).toReversed()).toString('hex')}`) + order
    const malleated = Buffer.from(Buffer.from(s.toString(16).padStart(64, '0'), 'hex').toReversed())
    expect(verify(Buffer.concat([signature.subarray(0, 32), malleated]))).toBe(false)
  })

  test('a key that lives only in memory leaves no seed behind', () => {
    const drawn = new RememberedEntropy('seed')
    generateSigningKey(drawn)
    expect(drawn.given).toEqual([new Uint8Array(32)])
  })

  test.for([0, 31, 33, 64])('a seed of %i bytes is refused', (size) => {
    expect(codeOf(() => signingKeyFromSeed(new Uint8Array(size)))).toBe('KEY_INVALID')
  })
})

describe('signing and verifying', () => {
  test.for(vectors.pae)('the encoding of $payloadType', (row) => {
    const { payloadType, payload: text, encoded } = row as { payloadType: string; payload: string; encoded: string }
    expect(Buffer.from(preAuthEncoding(payloadType, Buffer.from(text))).toString()).toBe(encoded)
  })

  test('lengths in the encoding are bytes, not characters', () => {
    expect(Buffer.from(preAuthEncoding('é', Buffer.from('€'))).toString()).toBe('DSSEv1 2 é 3 €')
  })

  test('the published document verifies with both of its keys, and is what we write', () => {
    const { encoded, keys, seedHex } = vectors.document
    const document = parseSignedDocument(Buffer.from(encoded))
    expect(verifySignatures(document, keys)).toEqual(keys)
    expect(keys.map(keyidOf)).toEqual(keys.map((key: { fingerprint: string }) => key.fingerprint))
    expect(Buffer.from(encodeSignedDocument(document)).toString()).toBe(encoded)
    const again = signDocument({ payload: document.payload, key: signingKeyFromSeed(Buffer.from(seedHex, 'hex')) })
    expect(again.signatures[0]).toEqual(document.signatures[0])
  })

  test('only keys that signed are returned, in the order given, each once', () => {
    const document = addSignature(signDocument({ payload, key: bob }), alice)
    const carol = generateSigningKey(entropy)
    expect(verifySignatures(document, [carol, alice, bob].map(keyOf))).toEqual([alice, bob].map(keyOf))
    expect(verifySignatures(document, [keyOf(carol)])).toEqual([])
    expect(verifySignatures(document, [])).toEqual([])
    const twice = { ...document, signatures: [...document.signatures, ...document.signatures] }
    expect(verifySignatures(twice, [keyOf(alice)])).toEqual([keyOf(alice)])
  })

  test('the keyid decides nothing', () => {
    const document = addSignature(signDocument({ payload, key: alice }), bob)
    for (const keyid of ['', 'SHA256:nobody', bob.fingerprint, alice.fingerprint]) {
      const renamed = { ...document, signatures: document.signatures.map(({ signature }) => ({ keyid, signature })) }
      expect(verifySignatures(renamed, [keyOf(alice), keyOf(bob)])).toHaveLength(2)
    }
    const mallory = generateSigningKey(entropy)
    const forged = {
      ...document,
      signatures: [{ keyid: alice.fingerprint, signature: mallory.sign(preAuthEncoding(statementPayloadType, payload)) }],
    }
    expect(verifySignatures(forged, [keyOf(alice)])).toEqual([])
    expect(codeOf(() => payloadSignedBy(forged, [keyOf(alice)]))).toBe('SIGNATURE_INVALID')
  })

  test('a signature does not carry over to another payload type or another payload', () => {
    const document = signDocument({ payload, key: alice })
    expect(payloadSignedBy(document, [keyOf(alice)])).toBe(payload)
    expect(verifySignatures({ ...document, payloadType: 'application/json' }, [keyOf(alice)])).toEqual([])
    expect(verifySignatures({ ...document, payload: Buffer.from('{"a":1} ') }, [keyOf(alice)])).toEqual([])
  })

  test('an sshsig key and an ed25519 key sign the same document', () => {
    const person = sshSigner('sk-ssh-ed25519@openssh.com')
    const key: VerifyingKey = { kind: 'sshsig', publicKey: person.publicKey }
    const signature = person.sign(preAuthEncoding(statementPayloadType, payload), { namespace: 'escrow-statement/v1' })
    const document = withSignature(signDocument({ payload, key: alice }), { keyid: keyidOf(key), signature })
    expect(verifySignatures(parseSignedDocument(encodeSignedDocument(document)), [key, keyOf(alice)])).toEqual([key, keyOf(alice)])
  })

  test('a raw Ed25519 signature does not pass for the same key pinned as sshsig', () => {
    const wire = Buffer.concat([Buffer.from('0000000b7373682d6564323535313900000020', 'hex'), Buffer.from(alice.publicKey, 'base64')])
    const key: VerifyingKey = { kind: 'sshsig', publicKey: `ssh-ed25519 ${wire.toString('base64')}` }
    expect(keyidOf(key)).toBe(alice.fingerprint)
    expect(verifySignatures(signDocument({ payload, key: alice }), [key])).toEqual([])
  })

  test('a document that would cost too many checks is refused', () => {
    const signatures = Array.from({ length: documentSignaturesMax }, () => ({ keyid: '', signature: new Uint8Array(1) }))
    const document = { ...signDocument({ payload, key: alice }), signatures }
    const keys = (count: number) => Array.from({ length: count }, () => keyOf(alice))
    const most = documentSignatureChecksMax / documentSignaturesMax
    expect(codeOf(() => verifySignatures(document, keys(most)))).toBe('accepted')
    expect(codeOf(() => verifySignatures(document, keys(most + 1)))).toBe('SIGNATURE_INVALID')
    const full = { ...document, signatures: signatures.map((one, index) => ({ ...one, keyid: String(index) })) }
    expect(codeOf(() => withSignature(full, { keyid: 'one more', signature: new Uint8Array(1) }))).toBe('FORMAT_INVALID')
  })

  test('a malformed pinned key is our fault, not a bad signature', () => {
    expect(codeOf(() => verifySignatures(signDocument({ payload, key: alice }), [{ kind: 'ed25519', publicKey: 'x' }]))).toBe('KEY_INVALID')
  })
})

describe('reading a signed document', () => {
  const good = { payload: 'e30=', payloadType: statementPayloadType, signatures: [{ keyid: 'k', sig: 'AAAA' }] }
  const parse = (value: unknown) => parseSignedDocument(Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)))

  test('URL-safe base64, unknown fields and a missing keyid are accepted, as DSSE asks', () => {
    const document = parse({ ...good, extra: 1, payload: '-_-_', signatures: [{ sig: '__8=', also: [] }] })
    expect(Buffer.from(document.payload).toString('hex')).toBe('fbffbf')
    expect(document.signatures).toEqual([{ keyid: '', signature: Uint8Array.of(255, 255) }])
  })

  test.for<[string, unknown]>([
    ['nothing', ''],
    ['no JSON', '{'],
    ['an array', []],
    ['null', 'null'],
    ['a byte order mark', `\ufeff${JSON.stringify(good)}`],
    ['another type', { ...good, payloadType: 'application/json' }],
    ['no type', { ...good, payloadType: undefined }],
    ['no payload', { ...good, payload: undefined }],
    ['a payload that is no text', { ...good, payload: 1 }],
    ['a payload with a newline', { ...good, payload: 'e30=\n' }],
    ['a payload without padding', { ...good, payload: 'e30' }],
    ['a payload with trailing bits', { ...good, payload: 'e31=' }],
    ['a payload of both alphabets', { ...good, payload: '+-==' }],
    ['no signatures', { ...good, signatures: [] }],
    ['signatures that are no list', { ...good, signatures: {} }],
    ['a signature that is no object', { ...good, signatures: ['AAAA'] }],
    ['an empty signature', { ...good, signatures: [{ sig: '' }] }],
    ['a signature without sig', { ...good, signatures: [{ keyid: 'k' }] }],
    ['a keyid that is no text', { ...good, signatures: [{ keyid: 1, sig: 'AAAA' }] }],
    ['a long keyid', { ...good, signatures: [{ keyid: 'k'.repeat(201), sig: 'AAAA' }] }],
    ['too many signatures', { ...good, signatures: Array.from({ length: documentSignaturesMax + 1 }, () => ({ sig: 'AAAA' })) }],
  ])('%s is refused', ([, value]) => {
    expect(codeOf(() => parse(value))).toBe('FORMAT_INVALID')
  })

  test('bytes that are not UTF-8 are refused', () => {
    expect(codeOf(() => parseSignedDocument(Buffer.from(`{"a":"\xff"}`, 'latin1')))).toBe('FORMAT_INVALID')
  })

  test('sizes end where the limits say', () => {
    const largest = signDocument({ payload: Buffer.alloc(documentBytesMax, 'x'), key: alice })
    const encoded = encodeSignedDocument(largest)
    expect(codeOf(() => parseSignedDocument(encoded))).toBe('accepted')
    expect(codeOf(() => signDocument({ payload: Buffer.alloc(documentBytesMax + 1), key: alice }))).toBe('FORMAT_INVALID')
    const larger = encodeSignedDocument({ ...largest, payload: Buffer.alloc(documentBytesMax + 1) })
    expect(codeOf(() => parseSignedDocument(larger))).toBe('FORMAT_INVALID')
    const padded = Buffer.alloc(signedDocumentBytesMax + 1, ' ')
    padded.set(encoded)
    expect(codeOf(() => parseSignedDocument(padded.subarray(0, -1)))).toBe('accepted')
    expect(codeOf(() => parseSignedDocument(padded))).toBe('FORMAT_INVALID')
  })
})
