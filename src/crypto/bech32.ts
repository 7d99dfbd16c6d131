/**
 * Bech32 (BIP 173), the text form of age keys. Only what age uses: no length limit of 90, no witness versions, 8-bit content.
 */

const alphabet = 'qpzry9x8gf2tvdw0s3jn54khce6mua7l'
const generators = [0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd, 0x2a1462b3] as const
const checksumLength = 6

/** The checksum's polynomial over 5-bit words; 1 for a whole valid text. */
function polymod(words: readonly number[]): number {
  let checksum = 1
  for (const word of words) {
    const top = checksum >>> 25
    checksum = ((checksum & 0x1ffffff) << 5) ^ word
    generators.forEach((generator, bit) => {
      if ((top >>> bit) & 1) checksum ^= generator
    })
  }
  return checksum
}

function expandPrefix(prefix: string): number[] {
  const codes = Array.from(prefix, (character) => character.charCodeAt(0))
  return [...codes.map((code) => code >>> 5), 0, ...codes.map((code) => code & 31)]
}

/**
 * Regroup bits, most significant first.
 *
 * @returns null when bits are left over that do not fit, or are not zero (only without `pad`).
 */
function regroup(
  values: Iterable<number>,
  options: { readonly from: number; readonly to: number; readonly pad: boolean },
): number[] | null {
  const { from, to, pad } = options
  const out: number[] = []
  let carry = 0
  let bits = 0
  for (const value of values) {
    carry = ((carry << from) | value) & 0xfff
    bits += from
    while (bits >= to) {
      bits -= to
      out.push((carry >>> bits) & ((1 << to) - 1))
    }
  }
  const rest = (carry << (to - bits)) & ((1 << to) - 1)
  if (pad) return bits > 0 ? [...out, rest] : out
  return bits >= from || rest !== 0 ? null : out
}

/** Text of bytes, in lower case. @param prefix - lower-case human-readable part. */
export function encodeBech32(prefix: string, bytes: Uint8Array): string {
  const words = regroup(bytes, { from: 8, to: 5, pad: true }) ?? []
  const checksum = polymod([...expandPrefix(prefix), ...words, 0, 0, 0, 0, 0, 0]) ^ 1
  const tail = Array.from({ length: checksumLength }, (_, place) => (checksum >>> (5 * (checksumLength - 1 - place))) & 31)
  return `${prefix}1${[...words, ...tail].map((word) => alphabet.charAt(word)).join('')}`
}

/**
 * Bytes of a text with exactly this prefix and a valid checksum.
 *
 * @param prefix - lower-case human-readable part.
 * @param text - all lower case; whoever accepts upper case turns the whole text first.
 * @returns null when it is anything else.
 */
export function decodeBech32(prefix: string, text: string): Uint8Array | null {
  if (!text.startsWith(`${prefix}1`) || text.length < prefix.length + 1 + checksumLength) return null
  const words = Array.from(text.slice(prefix.length + 1), (character) => alphabet.indexOf(character))
  if (words.includes(-1) || polymod([...expandPrefix(prefix), ...words]) !== 1) return null
  const bytes = regroup(words.slice(0, -checksumLength), { from: 5, to: 8, pad: false })
  return bytes === null ? null : Uint8Array.from(bytes)
}
