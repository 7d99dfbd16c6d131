import { generateHybridIdentity, generateIdentity, identityToRecipient as typageRecipient } from 'age-encryption'
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { encodeBech32 } from '../../../src/crypto/bech32.js'
import { Digester, PartsDigester, digesting, sha256Hex } from '../../../src/crypto/digest.js'
import { parseHeader } from '../../../src/crypto/envelope-header.js'
import { openBytes } from '../../../src/crypto/holder/open-envelope.js'
import { combineShares, checkShare, shareSigningKey } from '../../../src/crypto/holder/vault-shares.js'
import { encodeIdentity, encodeRecipient, identityToRecipient, parseIdentity, parseRecipient } from '../../../src/crypto/recipient.js'
import { sealHeader, sealBytes } from '../../../src/crypto/seal-envelope.js'
import { checkVault, verifyShareHealth } from '../../../src/crypto/vault-commitments.js'
import { encodeReleasedShare, encodeShare, parseReleasedShare, parseShare } from '../../../src/format/share.js'
import { codeOf } from '../../doubles/code-of.js'
import { SeededEntropy } from '../../doubles/seeded-entropy.js'

const vector = (name: string) => JSON.parse(readFileSync(new URL(`../../vectors/${name}.json`, import.meta.url), 'utf8'))
const entropy = new SeededEntropy('text-keys.test')

describe('recipients and identities', () => {
  test('ours and those of typage are the same, both ways', async () => {
    for (let round = 0; round < 20; round += 1) {
      const identity = await generateIdentity()
      const recipient = await typageRecipient(identity)
      expect(identityToRecipient(identity)).toBe(recipient)
      expect(encodeRecipient(parseRecipient(recipient))).toBe(recipient)
      expect(encodeIdentity(parseIdentity(identity))).toBe(identity)
    }
  })

  const good = identityToRecipient(encodeIdentity(entropy.bytes(32)))

  test('a recipient with any one character exchanged is refused', () => {
    const accepted: string[] = []
    for (let place = 0; place < good.length; place += 1) {
      for (const character of 'qpz1A ') {
        const changed = good.slice(0, place) + character + good.slice(place + 1)
        if (changed !== good && codeOf(() => parseRecipient(changed)) !== 'RECIPIENT_INVALID') accepted.push(changed)
      }
    }
    expect(accepted).toEqual([])
  })

  test.for<[string, string]>([
    ['nothing', ''],
    ['upper case', good.toUpperCase()],
    ['a space before', ` ${good}`],
    ['a newline after', `${good}\n`],
    ['a plugin', encodeBech32('age1yubikey', new Uint8Array(33))],
    ['a plugin with the length of a recipient', encodeBech32('age1x', new Uint8Array(31))],
    ['31 bytes', encodeBech32('age', Buffer.alloc(31, 9))],
    ['33 bytes', encodeBech32('age', Buffer.alloc(33, 9))],
    ['an SSH key', 'ssh-ed25519 AAAA'],
    ['low order 0', encodeRecipient(new Uint8Array(32))],
    ['low order 1', encodeRecipient(Uint8Array.of(1, ...new Uint8Array(31)))],
    ['low order 8', encodeRecipient(Buffer.from('e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800', 'hex'))],
    ['u = p', encodeRecipient(Buffer.from(`ed${'ff'.repeat(30)}7f`, 'hex'))],
    ['u with its top bit set', encodeRecipient(Buffer.concat([Buffer.alloc(31, 9), Buffer.of(0x89)]))],
  ])('a recipient that is %s is refused', ([, text]) => {
    expect(codeOf(() => parseRecipient(text))).toBe('RECIPIENT_INVALID')
    expect(codeOf(() => sealHeader([text], entropy))).toBe('RECIPIENT_INVALID')
  })

  test('a post-quantum recipient is refused', async () => {
    const recipient = await typageRecipient(await generateHybridIdentity())
    expect(codeOf(() => parseRecipient(recipient))).toBe('RECIPIENT_INVALID')
  })

  test('a malformed identity is refused, and the message never repeats it', () => {
    const identity = encodeIdentity(entropy.bytes(32))
    for (const text of ['', identity.toLowerCase(), identity.slice(0, -1), `${identity}Q`, identity.replace(/.$/, 'B'), ` ${identity}`]) {
      expect(codeOf(() => parseIdentity(text))).toBe('KEY_INVALID')
      try {
        parseIdentity(text)
      } catch (error) {
        if (text !== '') expect(String(error)).not.toContain(text.trim().slice(20))
      }
    }
  })
})

describe('digests', () => {
  test.for([0, 1, 9, 10, 11, 20, 21, 35])('parts of %i bytes have the digests of their slices, however they come in', (size) => {
    const bytes = entropy.bytes(size)
    for (const piece of [1, 3, 10, 64]) {
      const digester = new PartsDigester(10)
      const whole = new Digester()
      for (let offset = 0; offset < size; offset += piece) {
        digester.update(bytes.subarray(offset, offset + piece))
        whole.update(bytes.subarray(offset, offset + piece))
      }
      const slices = Array.from({ length: Math.max(1, Math.ceil(size / 10)) }, (_, part) =>
        sha256Hex(bytes.subarray(part * 10, part * 10 + 10)),
      )
      expect(digester.finish()).toEqual({ sha256: sha256Hex(bytes), sizeBytes: size, partBytes: 10, partSha256: slices })
      expect(whole.finish()).toEqual({ sha256: createHash('sha256').update(bytes).digest('hex'), sizeBytes: size })
    }
  })

  test('a stream passes through a digester unchanged', async () => {
    const digester = new Digester()
    const seen: Uint8Array[] = []
    async function* source(): AsyncGenerator<Uint8Array> {
      yield Buffer.from('ab')
      yield Buffer.from('c')
    }
    for await (const bytes of digesting(source(), digester)) seen.push(bytes)
    expect(Buffer.concat(seen).toString()).toBe('abc')
    // FIPS 180-2, appendix B.1
    expect(digester.finish().sha256).toBe('ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad')
  })
})

describe('share texts', () => {
  const share = vector('share')
  const { text, released } = share.shares[1]

  test('the published shares are read and written to the byte, and open the published vault', () => {
    const vault = checkVault(share, share.threshold)
    for (const row of share.shares) {
      const parsed = parseShare(Buffer.from(row.text))
      expect(parsed.index).toBe(row.index)
      expect(parsed.vault).toBe(share.recipient)
      expect(Buffer.from(encodeShare(parsed)).toString()).toBe(row.text)
      expect(parseReleasedShare(Buffer.from(row.released))).toEqual({ index: parsed.index, value: parsed.value })
      expect(Buffer.from(encodeReleasedShare(parsed)).toString()).toBe(row.released)
      expect(codeOf(() => checkShare(vault, parsed))).toBe('accepted')
    }
    const shares = share.shares.slice(2).map((row: { released: string }) => parseReleasedShare(Buffer.from(row.released)))
    expect(combineShares(vault, shares).identity).toBe(share.identity)
  })

  test('the published share-health signature verifies, and is the one we make', () => {
    const { index, message, signatureHex } = share.health
    const vault = checkVault(share, share.threshold)
    expect(verifyShareHealth(vault, { index, message: Buffer.from(message), signature: Buffer.from(signatureHex, 'hex') })).toBe(true)
    expect(Buffer.from(shareSigningKey(parseShare(Buffer.from(text))).sign(Buffer.from(message))).toString('hex')).toBe(signatureHex)
  })

  test.for<[string, string]>([
    ['nothing', ''],
    ['no last newline', text.trimEnd()],
    ['a newline more', `${text}\n`],
    ['a byte order mark', `\ufeff${text}`],
    ['CRLF', text.replaceAll('\n', '\r\n')],
    ['another version', text.replace('v1', 'v2')],
    ['index 0', text.replace('index 2', 'index 0')],
    ['index 02', text.replace('index 2', 'index 02')],
    ['index 256', text.replace('index 2', 'index 256')],
    ['a negative index', text.replace('index 2', 'index -2')],
    ['upper-case hex', text.replace(/value .*/, (line: string) => `value ${line.slice(6).toUpperCase()}`)],
    ['63 digits', text.replace(/.\n$/, '\n')],
    ['65 digits', text.replace(/\n$/, '0\n')],
    ['two spaces', text.replace('index ', 'index  ')],
    ['a line left out', text.replace('index 2\n', '')],
    ['lines exchanged', text.replace(/(index 2\n)(value .*\n)/, '$2$1')],
    ['300 bytes', text.padEnd(300, '\n')],
    ['the released form', released],
  ])('a share with %s is refused', ([, changed]) => {
    expect(codeOf(() => parseShare(Buffer.from(changed)))).toBe('FORMAT_INVALID')
  })

  test('a share of a vault that is no recipient is refused', () => {
    expect(codeOf(() => parseShare(Buffer.from(text.replace(/(vault age1.*)./, '$1q'))))).toBe('RECIPIENT_INVALID')
  })

  test.for([
    '',
    released.trimEnd(),
    `${released}\n`,
    ` ${released}`,
    released.replace(':', ': '),
    `0${released}`,
    `256${released.slice(1)}`,
    text,
  ])('the released share %j is refused', (changed) => {
    expect(codeOf(() => parseReleasedShare(Buffer.from(changed)))).toBe('FORMAT_INVALID')
  })
})

test('the published envelope is made to the byte and opens for both recipients', () => {
  const published = vector('envelope')
  const sealed = sealHeader(published.recipients, new SeededEntropy(published.entropySeed))
  expect(Buffer.from(sealed.header).toString()).toBe(published.header)
  expect(parseHeader(sealed.header).stanzas).toHaveLength(2)
  const envelope = Buffer.from(published.envelopeBase64, 'base64')
  const again = sealBytes(Buffer.from(published.plaintext), published.recipients, new SeededEntropy(published.entropySeed))
  expect(envelope.equals(again)).toBe(true)
  for (const identity of published.identities) expect(Buffer.from(openBytes(envelope, identity)).toString()).toBe(published.plaintext)
})
