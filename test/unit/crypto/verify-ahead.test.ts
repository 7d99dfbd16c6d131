import { expect, test } from 'vitest'
import { SystemEntropy } from '../../../src/core/environment.js'
import { ed25519Verifier, generateSigningKey, verifyAhead, type SignatureClaim } from '../../../src/crypto/signature.js'

const [alice, bob] = [generateSigningKey(new SystemEntropy()), generateSigningKey(new SystemEntropy())]
const message = Buffer.from('what was said')
const claim: SignatureClaim = { publicKey: alice.publicKey, message, signature: alice.sign(message) }
const flipped = (bytes: Uint8Array) => Uint8Array.from(bytes, (byte, at) => (at === 3 ? byte ^ 1 : byte))
const asked = ({ publicKey, message: words, signature }: SignatureClaim) => ed25519Verifier(publicKey)(words, signature)

const wrong: readonly (readonly [string, SignatureClaim])[] = [
  ['another message', { ...claim, message: flipped(message) }],
  ['a longer message', { ...claim, message: Buffer.concat([message, Buffer.of(0)]) }],
  ['another signature', { ...claim, signature: flipped(claim.signature) }],
  ['another key', { ...claim, publicKey: bob.publicKey }],
  ['no signature', { ...claim, signature: new Uint8Array(0) }],
  ['a signature that is too long', { ...claim, signature: new Uint8Array(65) }],
]

test('what was found good ahead is good, as often as it is asked for', async () => {
  await verifyAhead([claim])
  expect([asked(claim), asked(claim), asked({ ...claim, message: Uint8Array.from(message) })]).toEqual([true, true, true])
})

test.for(wrong)('after a look ahead at it, %s is still refused', async ([, one]) => {
  await verifyAhead([one, claim, one])
  expect([asked(one), asked(one)]).toEqual([false, false])
  expect(asked(claim)).toBe(true)
})

test('bytes that are changed after the look ahead are judged as they are now', async () => {
  const words = Buffer.from(message)
  const ahead = verifyAhead([{ ...claim, message: words }])
  words[0] = 0
  await ahead
  expect(asked({ ...claim, message: words })).toBe(false)
  expect(asked(claim)).toBe(true)
})

test('what nobody asked for is forgotten, and verified when it is asked for after all', async () => {
  const many = Array.from({ length: 1100 }, (_, at) => {
    const words = Buffer.from(`word ${at}`)
    return { publicKey: bob.publicKey, message: words, signature: bob.sign(words) }
  })
  await verifyAhead(many)
  expect(many.every((one) => asked(one) && !asked({ ...one, message }))).toBe(true)
})

test('a key that is none is refused as ever', async () => {
  await expect(verifyAhead([{ ...claim, publicKey: 'AAAA' }])).rejects.toThrow(expect.objectContaining({ code: 'KEY_INVALID' }))
})
