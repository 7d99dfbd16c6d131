import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { x25519 } from '@noble/curves/ed25519.js'
import { expect, test } from 'vitest'
import { x25519Agreement, x25519PublicKey } from '../../../src/crypto/x25519.js'

interface Party {
  readonly scalar: string
  readonly point: string
}
const vectors = JSON.parse(readFileSync(new URL('../../vectors/rfc7748-x25519.json', import.meta.url), 'utf8')) as {
  readonly alice: Party
  readonly bob: Party
  readonly secret: string
}
const bytes = (hex: string) => Uint8Array.from(Buffer.from(hex, 'hex'))

test('the published parties have the published points and agree on the published secret', () => {
  const { alice, bob, secret } = vectors
  for (const { scalar, point } of [alice, bob]) expect(x25519PublicKey(bytes(scalar))).toEqual(bytes(point))
  expect(x25519Agreement(bytes(alice.scalar), bytes(bob.point))).toEqual(bytes(secret))
  expect(x25519Agreement(bytes(bob.scalar), bytes(alice.point))).toEqual(bytes(secret))
})

test('another implementation finds the same points and secrets', () => {
  for (let n = 0; n < 20; n += 1) {
    const [mine, other] = [randomBytes(32), randomBytes(32)]
    const point = x25519.getPublicKey(other)
    expect(x25519PublicKey(mine)).toEqual(x25519.getPublicKey(mine))
    expect(x25519Agreement(mine, point)).toEqual(x25519.getSharedSecret(mine, point))
  }
})

test('a point under which everybody knows the secret is refused', () => {
  const scalar = bytes(vectors.alice.scalar)
  // Zero, one, and the two points of order eight (cr.yp.to/ecdh.html, "How do I validate").
  const low = [
    '00'.repeat(32),
    `01${'00'.repeat(31)}`,
    'e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800',
    '5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157',
  ]
  for (const point of low) expect(x25519Agreement(scalar, bytes(point)), point).toBeNull()
})
