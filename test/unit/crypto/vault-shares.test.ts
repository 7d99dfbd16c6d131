import { identityToRecipient as typageRecipient } from 'age-encryption'
import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { custodiansMax } from '../../../src/core/limits.js'
import { checkShare, combineShares, dealVault, identityOfScalar, shareSigningKey } from '../../../src/crypto/holder/vault-shares.js'
import { encodeRecipient, identityToRecipient, parseIdentity, parseRecipient } from '../../../src/crypto/recipient.js'
import { checkVault, sharePoint, sharePublicKey, verifyShareHealth } from '../../../src/crypto/vault-commitments.js'
import * as oracle from '../../doubles/edwards-oracle.js'
import { codeOf } from '../../doubles/code-of.js'
import { RememberedEntropy, SeededEntropy } from '../../doubles/seeded-entropy.js'

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')
const bytes = (text: string) => Uint8Array.from(Buffer.from(text, 'hex'))
const at = <T>(list: readonly T[], index: number): T => {
  const item = list[index]
  if (item === undefined) throw new Error(`no item ${index}`)
  return item
}
const deal = (seed: string, threshold = 3, custodians = 5) => {
  const dealt = dealVault({ threshold, custodians }, new SeededEntropy(seed))
  return { ...dealt, vault: checkVault(dealt, threshold) }
}

describe('RFC 9591 appendix E.1', () => {
  const rfc = JSON.parse(readFileSync(new URL('../../vectors/rfc9591-ed25519.json', import.meta.url), 'utf8'))
  const coefficients = [rfc.groupSecretKey, ...rfc.sharePolynomialCoefficients].map(oracle.fromLittleEndian)
  const commitments = coefficients.map((coefficient) => oracle.compress(oracle.multiply(oracle.base, coefficient)))
  const recipient = encodeRecipient(bytes(oracle.montgomeryU(oracle.decompress(rfc.groupPublicKey))))
  const vault = checkVault({ recipient, commitments }, rfc.threshold)
  const shares = rfc.participantShares.map((share: string, place: number) => ({ index: place + 1, value: bytes(share) }))

  test('the first commitment is the group public key', () => {
    expect(commitments[0]).toBe(rfc.groupPublicKey)
  })

  test('every participant share opens the vault of the commitments, and its point is the one of the share', () => {
    for (const share of shares) {
      expect(codeOf(() => checkShare(vault, share))).toBe('accepted')
      expect(hex(sharePoint(vault, share.index).toBytes())).toBe(
        oracle.compress(oracle.multiply(oracle.base, oracle.fromLittleEndian(hex(share.value)))),
      )
    }
  })

  test('any two participants rebuild an identity whose recipient is that of the group key', async () => {
    for (const missing of [0, 1, 2]) {
      const { identity } = combineShares(
        vault,
        shares.filter((_: unknown, place: number) => place !== missing),
      )
      expect(await typageRecipient(identity)).toBe(recipient)
      const k = oracle.fromLittleEndian(hex(parseIdentity(identity)))
      const secret = oracle.fromLittleEndian(rfc.groupSecretKey)
      expect([secret, oracle.L - secret]).toContain(k % oracle.L)
    }
  })
})

describe('dealing', () => {
  test.for<[number, number, string]>([
    [1, 5, 'ARGUMENT_INVALID'],
    [2, 3, 'ARGUMENT_INVALID'],
    [2, 4, 'accepted'],
    [3, 4, 'ARGUMENT_INVALID'],
    [3, 5, 'accepted'],
    [5, 5, 'ARGUMENT_INVALID'],
    [2.5, 5, 'ARGUMENT_INVALID'],
    [Number.NaN, 5, 'ARGUMENT_INVALID'],
    [2, custodiansMax, 'accepted'],
    [2, custodiansMax + 1, 'ARGUMENT_INVALID'],
  ])('%d of %d is %s', ([threshold, custodians, expected]) => {
    expect(codeOf(() => dealVault({ threshold, custodians }, new SeededEntropy('numbers')))).toBe(expected)
  })

  test('the oracle finds the same vault in the shares and in the commitments', () => {
    const dealt = deal('oracle', 4, 7)
    const scalars = new Map(dealt.shares.map((share) => [share.index, oracle.fromLittleEndian(hex(share.value))]))
    for (const [index, scalar] of scalars) {
      expect(oracle.compress(oracle.multiply(oracle.base, scalar))).toBe(
        oracle.compress(oracle.evaluateInExponent(dealt.commitments, index)),
      )
    }
    const secret = oracle.interpolate(new Map([...scalars].slice(3)))
    expect(oracle.compress(oracle.multiply(oracle.base, secret))).toBe(dealt.commitments[0])
    expect(oracle.montgomeryU(oracle.multiply(oracle.base, secret))).toBe(hex(parseRecipient(dealt.recipient)))
    const { identity } = combineShares(dealt.vault, dealt.shares)
    expect(oracle.x25519(hex(parseIdentity(identity)), 9n)).toBe(hex(parseRecipient(dealt.recipient)))
  })

  test('wipe leaves no share behind', () => {
    const dealt = deal('wipe')
    dealt.wipe()
    expect(dealt.shares.every((share) => share.value.every((byte) => byte === 0))).toBe(true)
  })

  test('dealing leaves no identity behind', () => {
    const entropy = new RememberedEntropy('dealt')
    dealVault({ threshold: 2, custodians: 4 }, entropy)
    expect(entropy.given[0]).toEqual(new Uint8Array(32))
  })
})

describe('the check of a vault', () => {
  const dealt = deal('vault')
  const withFirst = (first: string) => ({ recipient: dealt.recipient, commitments: [first, ...dealt.commitments.slice(1)] })
  const withLast = (last: string) => ({ recipient: dealt.recipient, commitments: [...dealt.commitments.slice(0, -1), last] })
  /** The eight points of small order, RFC 8032's curve: T generates them. */
  const torsion = (() => {
    const T = oracle.decompress('26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05')
    return Array.from({ length: 8 }, (_, times) => oracle.multiply(T, BigInt(times)))
  })()

  test('a dealt vault passes', () => {
    expect(codeOf(() => checkVault(dealt, 3))).toBe('accepted')
  })

  test('one commitment too many or too few is refused: another number of shares would suffice', () => {
    const more = { ...dealt, commitments: [...dealt.commitments, at(dealt.commitments, 0)] }
    expect(codeOf(() => checkVault(more, 3))).toBe('VAULT_INVALID')
    expect(codeOf(() => checkVault({ ...dealt, commitments: dealt.commitments.slice(0, 2) }, 3))).toBe('VAULT_INVALID')
    expect(codeOf(() => checkVault(dealt, 4))).toBe('VAULT_INVALID')
    expect(codeOf(() => checkVault({ ...dealt, commitments: dealt.commitments.slice(0, 1) }, 1))).toBe('VAULT_INVALID')
  })

  test('points of small order, and points with a torsion part, are refused in every place', () => {
    expect(new Set(torsion.map(oracle.compress)).size).toBe(8)
    for (const small of torsion) {
      expect(codeOf(() => checkVault(withLast(oracle.compress(small)), 3))).toBe('VAULT_INVALID')
      if (small.x === 0n && small.y === 1n) continue
      const mixed = (commitment: string) => oracle.compress(oracle.add(oracle.decompress(commitment), small))
      expect(codeOf(() => checkVault(withLast(mixed(at(dealt.commitments, 2))), 3))).toBe('VAULT_INVALID')
      expect(codeOf(() => checkVault(withFirst(mixed(at(dealt.commitments, 0))), 3))).toBe('VAULT_INVALID')
    }
  })

  test.for<[string, string]>([
    ['y = p', oracle.toLittleEndian(oracle.p)],
    ['y = p + 1', oracle.toLittleEndian(oracle.p + 1n)],
    ['y = 2^255 - 1', 'ff'.repeat(31) + '7f'],
    ['x = 0 with the sign of an odd x', `01${'00'.repeat(30)}80`],
    ['the identity', `01${'00'.repeat(31)}`],
    ['no point on the curve', `02${'00'.repeat(31)}`],
    ['31 bytes', 'aa'.repeat(31)],
    ['33 bytes', 'aa'.repeat(33)],
    ['upper case', at(dealt.commitments, 2).toUpperCase()],
    ['nothing', ''],
  ])('a commitment that is %s is refused', ([, commitment]) => {
    expect(codeOf(() => checkVault(withLast(commitment), 3))).toBe('VAULT_INVALID')
  })

  test('the recipient must be that of the first commitment', () => {
    const other = deal('another vault')
    expect(codeOf(() => checkVault({ ...dealt, recipient: other.recipient }, 3))).toBe('VAULT_INVALID')
    expect(codeOf(() => checkVault({ ...dealt, commitments: other.commitments }, 3))).toBe('VAULT_INVALID')
  })

  test('a dealer whose polynomial is zero for one custodian gives that custodian no share', () => {
    const commitments = [oracle.L - 5n, 5n].map((coefficient) => oracle.compress(oracle.multiply(oracle.base, coefficient)))
    const recipient = encodeRecipient(bytes(oracle.montgomeryU(oracle.decompress(at(commitments, 0)))))
    const vault = checkVault({ recipient, commitments }, 2)
    expect([1, 2].map((index) => codeOf(() => sharePoint(vault, index)))).toEqual(['SHARE_INVALID', 'accepted'])
  })

  test('the negated first commitment has the same recipient, so the shares decide', () => {
    const { x, y } = oracle.decompress(at(dealt.commitments, 0))
    const vault = checkVault(withFirst(oracle.compress({ x: oracle.p - x, y })), 3)
    expect(codeOf(() => checkShare(vault, at(dealt.shares, 0)))).toBe('SHARE_INVALID')
  })
})

describe('the check of a share', () => {
  const { vault, shares } = deal('share')
  const share = at(shares, 2)

  test.for([-1, 0, 4, 6, 255, 256, 1.5, Number.NaN])('the share of another index (%d) is refused', (index) => {
    expect(codeOf(() => checkShare(vault, { ...share, index }))).toBe('SHARE_INVALID')
  })

  test('a share that is not reduced mod L is refused, though it gives the same point', () => {
    const value = bytes(oracle.toLittleEndian(oracle.fromLittleEndian(hex(share.value)) + oracle.L))
    expect(codeOf(() => checkShare(vault, { ...share, value }))).toBe('SHARE_INVALID')
  })

  test.for([0n, oracle.L, oracle.L - 1n, 2n ** 256n - 1n])('the number %d is no share', (number) => {
    expect(codeOf(() => checkShare(vault, { ...share, value: bytes(oracle.toLittleEndian(number)) }))).toBe('SHARE_INVALID')
  })

  test('31 and 33 bytes are refused', () => {
    expect(codeOf(() => checkShare(vault, { ...share, value: share.value.subarray(1) }))).toBe('SHARE_INVALID')
    expect(codeOf(() => checkShare(vault, { ...share, value: Uint8Array.from([...share.value, 0]) }))).toBe('SHARE_INVALID')
  })

  test('the share of another vault, or another epoch of the same parties, is refused', () => {
    const reserve = deal('share, reserve epoch')
    expect(codeOf(() => checkShare(vault, at(reserve.shares, 2)))).toBe('SHARE_INVALID')
    expect(codeOf(() => checkShare(reserve.vault, share))).toBe('SHARE_INVALID')
  })
})

describe('combining', () => {
  const dealt = deal('combine')
  const bad = { index: 2, value: at(deal('somebody else').shares, 1).value }

  test('bad shares are named and left out when enough good ones are there', async () => {
    const combined = combineShares(dealt.vault, [bad, at(dealt.shares, 0), at(dealt.shares, 2), { ...bad, index: 0 }, at(dealt.shares, 4)])
    expect(combined.used).toEqual([1, 3, 5])
    expect(combined.refused.map((share) => share.index)).toEqual([2, 0])
    expect(await typageRecipient(combined.identity)).toBe(dealt.recipient)
  })

  test('too few good shares are refused, and the bad ones named', () => {
    const given = [bad, at(dealt.shares, 0), at(dealt.shares, 2)]
    expect(() => combineShares(dealt.vault, given)).toThrow('expected 3 valid shares, got 2; not of this vault: 2')
    expect(codeOf(() => combineShares(dealt.vault, given))).toBe('SHARES_TOO_FEW')
    expect(codeOf(() => combineShares(dealt.vault, []))).toBe('SHARES_TOO_FEW')
  })

  test('the same share three times counts once', () => {
    expect(
      codeOf(() =>
        combineShares(
          dealt.vault,
          Array.from({ length: 3 }, () => at(dealt.shares, 0)),
        ),
      ),
    ).toBe('SHARES_TOO_FEW')
  })

  test('shares never give an identity of another recipient than that of the vault', () => {
    const vault = { ...dealt.vault, recipient: deal('another recipient').recipient }
    expect(codeOf(() => combineShares(vault, dealt.shares))).toBe('VAULT_INVALID')
  })

  test('a good and a bad share of the same index do not shadow each other', () => {
    const good = [at(dealt.shares, 0), at(dealt.shares, 1), at(dealt.shares, 2)]
    expect(combineShares(dealt.vault, [bad, ...good]).used).toEqual([1, 2, 3])
    expect(combineShares(dealt.vault, [...good, bad]).used).toEqual([1, 2, 3])
  })

  test('both s and -s have an identity, the same one, in the form that clamping leaves unchanged', () => {
    for (const scalar of [1n, 2n, oracle.L - 3n, 12345678901234567890n]) {
      const identity = identityOfScalar(scalar)
      const k = oracle.fromLittleEndian(hex(parseIdentity(identity)))
      expect([k % 8n, k >> 254n]).toEqual([0n, 1n])
      expect(identityOfScalar(oracle.L - scalar)).toBe(identity)
      expect(hex(parseRecipient(identityToRecipient(identity)))).toBe(oracle.montgomeryU(oracle.multiply(oracle.base, scalar)))
    }
  })
})

describe('the scalars without an age identity', () => {
  const c = oracle.L - 2n ** 252n

  test.for([8n, oracle.L - 8n, 8n * c, oracle.L - 8n * c])('%d is refused rather than turned into another identity', (scalar) => {
    expect(codeOf(() => identityOfScalar(scalar))).toBe('VAULT_INVALID')
  })

  test('they begin exactly where clamping would change the number', () => {
    expect(codeOf(() => identityOfScalar(8n * (c + 1n)))).toBe('accepted')
    expect(codeOf(() => identityOfScalar(oracle.L - 8n * (c + 1n)))).toBe('accepted')
  })
})

describe('share-health', () => {
  const { vault, shares } = deal('health')
  const message = Buffer.from('a fresh text')

  test('a signature with share i verifies under index i and under no other', () => {
    for (const share of shares) {
      const signature = shareSigningKey(share).sign(message)
      const accepted = [1, 2, 3, 4, 5].filter((index) => verifyShareHealth(vault, { index, message, signature }))
      expect(accepted).toEqual([share.index])
      expect(shareSigningKey(share).publicKey).toBe(sharePublicKey(vault, share.index))
    }
  })

  test('another text, another vault and a changed signature do not verify', () => {
    const signature = shareSigningKey(at(shares, 0)).sign(message)
    expect(verifyShareHealth(vault, { index: 1, message: Buffer.from('an older text'), signature })).toBe(false)
    expect(verifyShareHealth(deal('other').vault, { index: 1, message, signature })).toBe(false)
    expect(verifyShareHealth(vault, { index: 1, message, signature: signature.toReversed() })).toBe(false)
    expect(verifyShareHealth(vault, { index: 1, message, signature: signature.subarray(1) })).toBe(false)
  })

  test.for([
    ['zero', '00'.repeat(32)],
    ['L', 'edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010'],
    ['of 31 bytes', '01'.repeat(31)],
  ] as const)('a share that is %s signs nothing', ([, value]) => {
    expect(codeOf(() => shareSigningKey({ index: 1, value: bytes(value) }))).toBe('SHARE_INVALID')
  })

  test('signatures by one share of two texts use two nonces', () => {
    const key = shareSigningKey(at(shares, 0))
    const nonces = ['a', 'b'].map((text) => hex(key.sign(Buffer.from(text)).subarray(0, 32)))
    expect(new Set(nonces).size).toBe(2)
  })

  test('an index out of range is refused', () => {
    const signature = shareSigningKey(at(shares, 0)).sign(message)
    for (const index of [0, 256]) expect(codeOf(() => verifyShareHealth(vault, { index, message, signature }))).toBe('SHARE_INVALID')
  })
})
