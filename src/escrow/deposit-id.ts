import { DepositId } from '../format/ids.js'

const alphabet = 'abcdefghijklmnopqrstuvwxyz234567'

/**
 * The id of a deposit, made from its manifest: a rebuilt index gives the same one.
 *
 * @param manifestDigest - SHA-256 of the manifest in lower-case hex; its first 100 bits become 20 characters of base32.
 */
export function depositIdOf(manifestDigest: string): DepositId {
  const bits = BigInt(`0x${manifestDigest.slice(0, 25)}`)
  const letters = Array.from({ length: 20 }, (_, i) => alphabet[Number((bits >> BigInt(95 - 5 * i)) & 31n)])
  return DepositId.parse(`dep_${letters.join('')}`)
}
