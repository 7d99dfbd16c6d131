import { assert, constant, integer, nat, property, record, shuffledSubarray, string } from 'fast-check'
import { describe, expect, test } from 'vitest'
import { isEscrowError } from '../../../src/core/errors.js'
import { checkShare, combineShares, dealVault } from '../../../src/crypto/holder/vault-shares.js'
import { encodeIdentity, encodeRecipient, identityToRecipient } from '../../../src/crypto/recipient.js'
import { checkVault } from '../../../src/crypto/vault-commitments.js'
import * as oracle from '../../doubles/edwards-oracle.js'
import { SeededEntropy } from '../../doubles/seeded-entropy.js'

/** A vault of t of n, and its custodians in some order. */
const vaults = record({ threshold: integer({ min: 2, max: 5 }), spare: integer({ min: 2, max: 4 }), seed: string() }).chain(
  ({ threshold, spare, seed }) => {
    const dealt = dealVault({ threshold, custodians: threshold + spare }, new SeededEntropy(seed))
    return record({ dealt: constant(dealt), order: shuffledSubarray([...dealt.shares], { minLength: threshold + spare }) })
  },
)
/** L = 5 mod 8, so 3L + 1 is a multiple of 8. */
const inverseOfEight = (3n * oracle.L + 1n) / 8n
const runs = { numRuns: 8 }
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')

describe('for every vault', () => {
  test('any t custodians rebuild the identity of its recipient, and all of them the same one', () => {
    assert(
      property(vaults, ({ dealt, order }) => {
        const vault = checkVault(dealt, dealt.threshold)
        const { identity } = combineShares(vault, order.slice(0, dealt.threshold))
        expect(identityToRecipient(identity)).toBe(dealt.recipient)
        expect(combineShares(vault, order.slice(-dealt.threshold)).identity).toBe(identity)
      }),
      runs,
    )
  })

  test('the oracle rebuilds the same identity', () => {
    assert(
      property(vaults, ({ dealt, order }) => {
        const shares = order.slice(0, dealt.threshold)
        const secret = oracle.interpolate(new Map(shares.map((share) => [share.index, oracle.fromLittleEndian(hex(share.value))])))
        const eighth = (secret * inverseOfEight) % oracle.L
        const m = eighth < 2n ** 251n ? oracle.L - eighth : eighth
        expect([secret, oracle.L - secret]).toContain((8n * m) % oracle.L)
        const expected = encodeIdentity(Buffer.from(oracle.toLittleEndian(8n * m), 'hex'))
        expect(combineShares(checkVault(dealt, dealt.threshold), order).identity).toBe(expected)
      }),
      runs,
    )
  })

  test('t - 1 custodians are refused, and what they could interpolate is another recipient', () => {
    assert(
      property(vaults, ({ dealt, order }) => {
        const few = order.slice(0, dealt.threshold - 1)
        expect(() => combineShares(checkVault(dealt, dealt.threshold), few)).toThrow(/valid shares/)
        const guess = oracle.interpolate(new Map(few.map((share) => [share.index, oracle.fromLittleEndian(hex(share.value))])))
        const recipient = encodeRecipient(Buffer.from(oracle.montgomeryU(oracle.multiply(oracle.base, guess)), 'hex'))
        expect(recipient).not.toBe(dealt.recipient)
      }),
      runs,
    )
  })

  test('a share with any one bit flipped is refused', () => {
    assert(
      property(vaults, nat({ max: 255 }), ({ dealt, order }, bit) => {
        const [share] = order
        if (share === undefined) throw new Error('a vault has shares')
        const value = Uint8Array.from(share.value)
        value[bit >> 3] = (value[bit >> 3] ?? 0) ^ (1 << (bit & 7))
        const vault = checkVault(dealt, dealt.threshold)
        expect(() => checkShare(vault, { ...share, value })).toThrow(/expected share/)
        expect(combineShares(vault, [{ ...share, value }, ...order]).refused.map((bad) => bad.index)).toEqual([share.index])
      }),
      runs,
    )
  })

  test('a commitment with any one bit flipped makes the vault or every share of it invalid', () => {
    assert(
      property(vaults, nat({ max: 255 }), nat(), ({ dealt, order }, bit, pick) => {
        const commitments = [...dealt.commitments]
        const point = Buffer.from(commitments[pick % commitments.length] ?? '', 'hex')
        point.writeUInt8(point.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3)
        commitments[pick % commitments.length] = point.toString('hex')
        try {
          combineShares(checkVault({ ...dealt, commitments }, dealt.threshold), order)
          expect.unreachable('a changed commitment was accepted')
        } catch (error) {
          expect(isEscrowError(error, 'VAULT_INVALID') || isEscrowError(error, 'SHARES_TOO_FEW')).toBe(true)
        }
      }),
      runs,
    )
  })
})
