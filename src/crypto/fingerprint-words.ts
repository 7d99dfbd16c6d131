// Fingerprints that people read to each other over the telephone: proquints (Wilkerson, arXiv 0901.4016), 16 bits in each word.
import { sha256Hex } from './digest.js'

const consonants = 'bdfghjklmnprstvz'
const vowels = 'aiou'
/** 128 bits: nobody makes a second key with the same words. */
const wordCount = 8

/**
 * The fingerprint of a key in eight pronounceable words.
 *
 * @param key - its text, as pinned.
 * @returns words like `lusab babad gutih tugad`, always the same for the same key.
 */
export function fingerprintWords(key: string): string {
  const digest = Buffer.from(sha256Hex(Buffer.from(key, 'utf8')), 'hex')
  return Array.from({ length: wordCount }, (_, place) => wordOf(digest.readUInt16BE(place * 2))).join(' ')
}

function wordOf(bits: number): string {
  const consonant = (shift: number): string => consonants.charAt((bits >> shift) & 15)
  const vowel = (shift: number): string => vowels.charAt((bits >> shift) & 3)
  return `${consonant(12)}${vowel(10)}${consonant(6)}${vowel(4)}${consonant(0)}`
}
