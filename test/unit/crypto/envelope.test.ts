import { Decrypter, Encrypter, generateIdentity, identityToRecipient as typageRecipient } from 'age-encryption'
import { describe, expect, test } from 'vitest'
import { isEscrowError } from '../../../src/core/errors.js'
import {
  envelopeChunkBytes,
  envelopeHeaderBytesMax,
  envelopeRecipientsMax,
  inventoryBytesMax,
  readBlockBytes,
} from '../../../src/core/limits.js'
import { checkSealedHeader, reopenSealed } from '../../../src/crypto/check-sealed-header.js'
import { encodeHeader, envelopeHeaderSize, parseHeader, splitEnvelope, type Stanza } from '../../../src/crypto/envelope-header.js'
import { openWithFileKey, sealedPayloadBytes } from '../../../src/crypto/envelope-payload.js'
import { openBytes, openEnvelope } from '../../../src/crypto/holder/open-envelope.js'
import { encodeIdentity, encodeRecipient, identityToRecipient } from '../../../src/crypto/recipient.js'
import { sealBytes, sealHeader, sealStream, sealedBytes } from '../../../src/crypto/seal-envelope.js'
import { RememberedEntropy, SeededEntropy } from '../../doubles/seeded-entropy.js'

const entropy = new SeededEntropy('envelope.test')
const identityA = encodeIdentity(entropy.bytes(32))
const identityB = encodeIdentity(entropy.bytes(32))
const recipientA = identityToRecipient(identityA)
const recipientB = identityToRecipient(identityB)
const sealedChunkBytes = envelopeChunkBytes + 16

async function* pieces(bytes: Uint8Array, size = readBlockBytes): AsyncGenerator<Uint8Array> {
  for (let offset = 0; offset < bytes.byteLength; offset += size) yield bytes.subarray(offset, offset + size)
}

async function collect(source: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const all: Uint8Array[] = []
  for await (const bytes of source) all.push(bytes)
  return Buffer.concat(all)
}

const codeOf = async (run: () => Promise<unknown>): Promise<string> => {
  try {
    await run()
    return 'opened'
  } catch (error) {
    return isEscrowError(error) ? error.code : `not ours: ${String(error)}`
  }
}

const sizes = [
  0,
  1,
  envelopeChunkBytes - 1,
  envelopeChunkBytes,
  envelopeChunkBytes + 1,
  2 * envelopeChunkBytes,
  readBlockBytes - 1,
  readBlockBytes,
  readBlockBytes + 1,
  2 * readBlockBytes + 4711,
]

describe('sealing', () => {
  test.for(sizes)('an envelope of %i bytes opens to the same bytes here and in typage', async (size) => {
    const plain = Buffer.from(new SeededEntropy(`plain ${size}`).bytes(size))
    const sealed = sealHeader([recipientA, recipientB], entropy)
    const envelope = await collect(sealStream(pieces(plain), sealed, entropy))
    expect(envelope.byteLength).toBe(sealedBytes(sealed, size))
    expect(plain.equals(await collect(openEnvelope(pieces(envelope, 100_000), [identityB])))).toBe(true)
    expect(plain.equals(openBytes(envelope, identityA))).toBe(true)
    if (size <= 2 * envelopeChunkBytes) {
      const decrypter = new Decrypter()
      decrypter.addIdentity(identityA)
      expect(plain.equals(await decrypter.decrypt(envelope))).toBe(true)
    }
  })

  test.for(sizes.filter((size) => size <= 2 * envelopeChunkBytes))('typage seals %i bytes and they open here', async (size) => {
    const plain = Buffer.from(new SeededEntropy(`plain ${size}`).bytes(size))
    const identity = await generateIdentity()
    const encrypter = new Encrypter()
    encrypter.addRecipient(recipientA)
    encrypter.addRecipient(await typageRecipient(identity))
    const envelope = await encrypter.encrypt(new Uint8Array(plain))
    expect(plain.equals(openBytes(envelope, identity))).toBe(true)
    expect(plain.equals(await collect(openEnvelope(pieces(envelope, 65_537), [identityB, identityA])))).toBe(true)
  })

  test('how the plaintext is cut into pieces does not change one byte of the envelope', async () => {
    const plain = new SeededEntropy('cuts').bytes(3 * envelopeChunkBytes)
    const envelopes = await Promise.all(
      [1000, envelopeChunkBytes - 1, envelopeChunkBytes, envelopeChunkBytes + 1, plain.byteLength].map((size) =>
        collect(sealStream(pieces(plain, size), sealHeader([recipientA], new SeededEntropy('header')), new SeededEntropy('nonce'))),
      ),
    )
    expect(new Set(envelopes.map((envelope) => envelope.toString('base64'))).size).toBe(1)
    for (const size of [7, 4096, sealedChunkBytes, 3 * sealedChunkBytes]) {
      expect((await collect(openEnvelope(pieces(envelopes[0] ?? plain, size), [identityA]))).equals(plain)).toBe(true)
    }
  })

  test('what was yielded is not written again when more is sealed', async () => {
    const plain = new SeededEntropy('owned').bytes(4 * readBlockBytes)
    const kept: Uint8Array[] = []
    const copies: Buffer[] = []
    for await (const bytes of sealStream(pieces(plain), sealHeader([recipientA], entropy), entropy)) {
      kept.push(bytes)
      copies.push(Buffer.from(bytes))
    }
    expect(Buffer.concat(kept).equals(Buffer.concat(copies))).toBe(true)
  })

  test('a recipient twice, no recipient and too many recipients are refused', async () => {
    const many = Array.from({ length: envelopeRecipientsMax + 1 }, (_, place) => `recipient ${place}`)
    for (const recipients of [[], [recipientA, recipientA], many]) {
      expect(await codeOf(async () => sealHeader(recipients, entropy))).toBe('RECIPIENT_INVALID')
    }
  })

  test('a header to as many recipients as allowed stays below its cap', () => {
    const [one, two] = [[recipientA], [recipientA, recipientB]].map((recipients) => sealHeader(recipients, entropy).header.byteLength)
    expect((one ?? 0) + (envelopeRecipientsMax - 1) * ((two ?? 0) - (one ?? 0))).toBeLessThan(envelopeHeaderBytesMax)
  })

  test('a file key in a Buffer is copied, and the caller keeps its own', async () => {
    const sealed = sealHeader([recipientA], entropy)
    const fileKey = Buffer.from(sealed.fileKey)
    const envelope = await collect(sealStream(pieces(Buffer.from('x')), sealed, entropy))
    const payload = envelope.subarray(sealed.header.byteLength)
    expect((await collect(openWithFileKey(pieces(payload), fileKey))).toString()).toBe('x')
    expect(fileKey.equals(sealed.fileKey)).toBe(true)
  })

  test('wipe leaves no secret behind', () => {
    const sealed = sealHeader([recipientA, recipientB], entropy)
    sealed.wipe()
    expect([sealed.fileKey, ...sealed.ephemeralScalars].every((secret) => secret.every((byte) => byte === 0))).toBe(true)
  })

  test('once a small plaintext is sealed, of what was drawn only the nonce is left', () => {
    const drawn = new RememberedEntropy('sealBytes')
    sealBytes(Buffer.from('share'), [recipientA, recipientB], drawn)
    expect(drawn.given.map((bytes) => bytes.some((byte) => byte !== 0))).toEqual([false, false, false, true])
  })
})

describe('opening a damaged payload', () => {
  const plain = new SeededEntropy('damage').bytes(2 * envelopeChunkBytes + 100)
  const envelope = sealBytes(plain, [recipientA], entropy)
  const headerSize = envelopeHeaderSize(envelope) ?? 0
  const chunksAt = headerSize + 16
  const cut = (size: number) => envelope.subarray(0, size)
  const chunk = (index: number) => envelope.subarray(chunksAt + index * sealedChunkBytes, chunksAt + (index + 1) * sealedChunkBytes)
  const head = envelope.subarray(0, chunksAt)
  const full = sealBytes(plain.subarray(0, envelopeChunkBytes), [recipientA], entropy)
  const empty = sealBytes(new Uint8Array(0), [recipientA], entropy)

  test.for<[string, Uint8Array]>([
    ['nothing after the header', cut(headerSize)],
    ['half a nonce', cut(headerSize + 8)],
    ['no chunk at all', cut(chunksAt)],
    ['less than a tag', cut(chunksAt + 15)],
    ['cut in the first chunk', cut(chunksAt + 1000)],
    ['cut after the first chunk', cut(chunksAt + sealedChunkBytes)],
    ['cut after the second chunk', cut(chunksAt + 2 * sealedChunkBytes)],
    ['cut by one byte', cut(envelope.byteLength - 1)],
    ['one byte more', Buffer.concat([envelope, Buffer.alloc(1)])],
    ['one chunk more', Buffer.concat([envelope, chunk(0)])],
    ['a full last chunk and one byte more', Buffer.concat([full, Buffer.alloc(1)])],
    ['a full last chunk and a tag more', Buffer.concat([full, Buffer.alloc(16)])],
    ['an empty payload and one byte more', Buffer.concat([empty, Buffer.alloc(1)])],
    ['two chunks exchanged', Buffer.concat([head, chunk(1), chunk(0), chunk(2)])],
    ['a chunk repeated', Buffer.concat([head, chunk(0), chunk(0), chunk(1), chunk(2)])],
    ['a chunk left out', Buffer.concat([head, chunk(0), chunk(2)])],
    ['another nonce', Buffer.concat([head.subarray(0, headerSize), Buffer.alloc(16), envelope.subarray(chunksAt)])],
  ])('%s is refused', async ([, damaged]) => {
    expect(await codeOf(async () => openBytes(damaged, identityA))).toBe('ENVELOPE_PAYLOAD')
    expect(await codeOf(() => collect(openEnvelope(pieces(damaged, 10_000), [identityA])))).toBe('ENVELOPE_PAYLOAD')
  })

  test('a last chunk that is empty although others came before is refused', async () => {
    const { createCipheriv, hkdfSync } = await import('node:crypto')
    const fileKey = Buffer.alloc(16, 1)
    const nonce = Buffer.alloc(16, 2)
    const key = Buffer.from(hkdfSync('sha256', fileKey, nonce, 'payload', 32))
    const sealChunk = (bytes: Uint8Array, counter: number, last: number) => {
      const cipher = createCipheriv('chacha20-poly1305', key, Buffer.from([...Buffer.alloc(10), counter, last]), { authTagLength: 16 })
      return Buffer.concat([cipher.update(bytes), cipher.final(), cipher.getAuthTag()])
    }
    const open = (...chunks: Buffer[]) => collect(openWithFileKey(pieces(Buffer.concat([nonce, ...chunks])), fileKey))
    const whole = Buffer.alloc(envelopeChunkBytes, 7)
    expect((await open(sealChunk(whole, 0, 1))).equals(whole)).toBe(true)
    expect((await open(sealChunk(Buffer.alloc(0), 0, 1))).byteLength).toBe(0)
    expect(await codeOf(() => open(sealChunk(whole, 0, 0), sealChunk(Buffer.alloc(0), 1, 1)))).toBe('ENVELOPE_PAYLOAD')
  })

  test.for([0, 1, envelopeChunkBytes, envelopeChunkBytes + 1, 10 * envelopeChunkBytes])(
    'the size of a payload of %i bytes is known before',
    (size) => {
      expect(sealBytes(new Uint8Array(size), [recipientA], entropy).byteLength - headerSize).toBe(sealedPayloadBytes(size))
    },
  )
})

describe('opening a hostile header', () => {
  const fileKey = Buffer.alloc(16, 9)
  const good = Buffer.from(sealHeader([recipientA], entropy).header).toString('latin1')
  const [, stanzaLine = '', body = '', macLine = ''] = good.split('\n')
  const headerOf = (...lines: string[]) => `${lines.join('\n')}\n`
  const v1 = 'age-encryption.org/v1'

  test('the header that all the bad ones are made from is good', () => {
    expect(parseHeader(Buffer.from(headerOf(v1, stanzaLine, body, macLine))).stanzas).toHaveLength(1)
  })

  test.for<[string, string]>([
    ['nothing', ''],
    ['another version', headerOf('age-encryption.org/v2', stanzaLine, body, macLine)],
    ['no stanza', headerOf(v1, macLine)],
    ['no MAC', headerOf(v1, stanzaLine, body)],
    ['a MAC without its space', headerOf(v1, stanzaLine, body, macLine.replace('--- ', '---'))],
    ['a short MAC', headerOf(v1, stanzaLine, body, macLine.slice(0, -1))],
    ['a MAC with padding', headerOf(v1, stanzaLine, body, `${macLine}=`)],
    ['a MAC that is not canonical', headerOf(v1, stanzaLine, body, `--- ${'A'.repeat(42)}B`)],
    ['a trailing space', headerOf(v1, stanzaLine, body, `${macLine} `)],
    ['CRLF', good.replaceAll('\n', '\r\n')],
    ['an empty argument', headerOf(v1, stanzaLine.replace(' X', '  X'), body, macLine)],
    ['no argument', headerOf(v1, '-> ', body, macLine)],
    ['no space after the arrow', headerOf(v1, stanzaLine.replace('-> ', '->'), body, macLine)],
    ['an argument outside ASCII', headerOf(v1, `${stanzaLine}\u00e9`, body, macLine)],
    ['a body with padding', headerOf(v1, stanzaLine, `${body}=`, macLine)],
    ['a body that is not canonical', headerOf(v1, stanzaLine, `${body.slice(0, -1)}_`, macLine)],
    ['a long body line', headerOf(v1, stanzaLine, 'A'.repeat(68), macLine)],
    ['a full last body line', headerOf(v1, stanzaLine, 'A'.repeat(64), macLine)],
    ['an empty line too many', headerOf(v1, stanzaLine, body, '', macLine)],
    ['no last newline', good.slice(0, -1)],
  ])('%s is refused', async ([, text]) => {
    expect(await codeOf(async () => parseHeader(Buffer.from(text, 'latin1')))).toBe('ENVELOPE_HEADER')
    const envelope = Buffer.concat([Buffer.from(text, 'latin1'), Buffer.alloc(64)])
    expect(await codeOf(async () => openBytes(envelope, identityA))).toBe('ENVELOPE_HEADER')
  })

  test.for<[string, readonly string[], number]>([
    ['two shares', ['X25519', 'A'.repeat(43), 'A'.repeat(43)], 32],
    ['no share', ['X25519'], 32],
    ['a short share', ['X25519', 'A'.repeat(42)], 32],
    ['a share of low order', ['X25519', 'A'.repeat(43)], 32],
    ['a short body', ['X25519', 'CQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA'], 31],
    ['a long body', ['X25519', 'CQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA'], 33],
    ['a passphrase', ['scrypt', 'A'.repeat(22), '10'], 32],
  ])('a stanza with %s is refused', async ([, args, size]) => {
    const header = encodeHeader([{ args, body: Buffer.alloc(size) }], fileKey)
    expect(await codeOf(async () => openBytes(Buffer.concat([header, Buffer.alloc(64)]), identityA))).toBe('ENVELOPE_HEADER')
  })

  test('stanzas of unknown types are passed over', () => {
    const sealed = sealHeader([recipientA], entropy)
    const { stanzas } = parseHeader(sealed.header)
    const header = encodeHeader([{ args: ['grease', '~'], body: Buffer.alloc(96) }, ...stanzas], sealed.fileKey)
    const nonceAndRest = sealBytes(new Uint8Array(0), [recipientB], entropy)
    expect(parseHeader(header).stanzas[0]?.body.byteLength).toBe(96)
    expect(() => openBytes(Buffer.concat([header, nonceAndRest.subarray(envelopeHeaderSize(nonceAndRest) ?? 0)]), identityA)).toThrow(
      /payload/,
    )
  })

  test('a header changed after sealing fails its MAC', async () => {
    const sealed = sealHeader([recipientA, recipientB], entropy)
    const [first] = parseHeader(sealed.header).stanzas
    const other = encodeHeader(first === undefined ? [] : [first], Buffer.alloc(16, 3))
    expect(await codeOf(async () => openBytes(Buffer.concat([other, Buffer.alloc(64)]), identityA))).toBe('ENVELOPE_HEADER')
  })

  test('what is larger than any inventory is refused unread', async () => {
    expect(await codeOf(async () => openBytes(new Uint8Array(inventoryBytesMax + inventoryBytesMax / 1024 + 1), identityA))).toBe(
      'ENVELOPE_PAYLOAD',
    )
  })

  test('a stranger gets ENVELOPE_RECIPIENT', async () => {
    expect(await codeOf(async () => openBytes(sealBytes(Buffer.from('x'), [recipientA], entropy), identityB))).toBe('ENVELOPE_RECIPIENT')
  })

  test.for([envelopeHeaderBytesMax - 1, envelopeHeaderBytesMax, envelopeHeaderBytesMax + 1])(
    'a header that has not ended after %i bytes is given up, and the source closed',
    async (size) => {
      let closed = false
      let read = 0
      async function* endless(): AsyncGenerator<Uint8Array> {
        try {
          yield Buffer.from(`${v1}\n-> `)
          for (read = v1.length + 4; ; read += 1024) yield Buffer.alloc(Math.min(1024, Math.max(1, size - read)), 'a')
        } finally {
          closed = true
        }
      }
      expect(await codeOf(() => splitEnvelope(endless()))).toBe('ENVELOPE_HEADER')
      expect(closed).toBe(true)
      expect(read).toBeLessThan(envelopeHeaderBytesMax + 2048)
    },
  )

  test('what begins like no envelope is refused by its first byte, before a header is waited for', () => {
    expect(envelopeHeaderSize(Buffer.from(v1))).toBeNull()
    for (const start of ['x', 'age-encryption.org/v2']) expect(() => envelopeHeaderSize(Buffer.from(start))).toThrow(/first/)
  })

  test('a header may have as many bytes as its cap, and not one more', async () => {
    const ofBytes = (size: number) => headerOf(v1, `-> ${'a'.repeat(size - headerOf(v1, '-> ', '', macLine).length)}`, '', macLine)
    expect(parseHeader(Buffer.from(ofBytes(envelopeHeaderBytesMax))).stanzas).toHaveLength(1)
    expect(await codeOf(async () => parseHeader(Buffer.from(ofBytes(envelopeHeaderBytesMax + 1))))).toBe('ENVELOPE_HEADER')
  })

  test('a source is closed when its payload is given up before it was read', async () => {
    let closed = false
    async function* source(): AsyncGenerator<Uint8Array> {
      try {
        yield sealBytes(Buffer.alloc(1000), [recipientA], entropy)
        yield Buffer.alloc(1)
      } finally {
        closed = true
      }
    }
    expect(await codeOf(() => collect(openEnvelope(source(), [identityB])))).toBe('ENVELOPE_RECIPIENT')
    expect(closed).toBe(true)
  })
})

describe('the check of the seal', () => {
  const plain = new SeededEntropy('seal').bytes(100_000)
  const seal = async () => {
    const sealed = sealHeader([recipientA, recipientB], entropy)
    return { sealed, envelope: await collect(sealStream(pieces(plain), sealed, entropy)) }
  }

  test('a sealed file opens with the secrets of the moment', async () => {
    const { sealed, envelope } = await seal()
    expect((await collect(reopenSealed(pieces(envelope, 4096), sealed))).equals(plain)).toBe(true)
  })

  test('a header that typage opens but that is for somebody else is broken', async () => {
    const { sealed } = await seal()
    const stranger = sealHeader([identityToRecipient(encodeIdentity(entropy.bytes(32))), recipientB], entropy)
    for (const secrets of [
      { ...sealed, recipients: [recipientB, recipientA] },
      { ...sealed, recipients: [recipientA] },
      { ...sealed, recipients: stranger.recipients },
      { ...sealed, ephemeralScalars: stranger.ephemeralScalars },
      { ...sealed, fileKey: stranger.fileKey },
    ]) {
      expect(await codeOf(async () => checkSealedHeader(sealed.header, secrets))).toBe('SEAL_BROKEN')
    }
    expect(await codeOf(async () => checkSealedHeader(stranger.header, sealed))).toBe('SEAL_BROKEN')
  })

  test('a changed bit of the header is found, wherever it is', async () => {
    const { sealed } = await seal()
    const survivors: number[] = []
    // 11 is prime to 8, so every bit position is met.
    for (let bit = 0; bit < sealed.header.byteLength * 8; bit += 11) {
      const flipped = Uint8Array.from(sealed.header)
      flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7))
      if ((await codeOf(async () => checkSealedHeader(flipped, sealed))) !== 'SEAL_BROKEN') survivors.push(bit)
    }
    expect(survivors).toEqual([])
  })

  test('who never saw the header finds a stanza that would not open, though the MAC of the file key is right', async () => {
    const { header, ...disclosed } = sealHeader([recipientA, recipientB], entropy)
    const [first, second] = parseHeader(header).stanzas
    if (first === undefined || second === undefined) throw new Error('two recipients have two stanzas')
    const [type = '', share = ''] = first.args
    const judge = (...stanzas: Stanza[]) => codeOf(async () => checkSealedHeader(encodeHeader(stanzas, disclosed.fileKey), disclosed))
    expect(await judge(first, second)).toBe('opened')
    for (const other of [
      { ...first, args: [type, second.args[1] ?? ''] },
      { ...first, args: ['x25519', share] },
      { ...first, args: [type, share, 'x'] },
      { ...first, body: Buffer.concat([first.body, Buffer.alloc(1)]) },
    ]) {
      expect(await judge(other, second)).toBe('SEAL_BROKEN')
    }
    expect([await judge(first), await judge(second, first), await judge(first, second, second)]).toEqual(
      Array.from({ length: 3 }, () => 'SEAL_BROKEN'),
    )
  })

  test('a damaged payload is a broken seal', async () => {
    const { sealed, envelope } = await seal()
    envelope.writeUInt8(envelope.readUInt8(envelope.byteLength - 1) ^ 1, envelope.byteLength - 1)
    expect(await codeOf(() => collect(reopenSealed(pieces(envelope), sealed)))).toBe('SEAL_BROKEN')
    expect(await codeOf(() => collect(reopenSealed(pieces(envelope.subarray(0, 20)), sealed)))).toBe('SEAL_BROKEN')
  })

  test('a recipient of low order cannot be sealed to', async () => {
    expect(await codeOf(async () => sealHeader([encodeRecipient(new Uint8Array(32))], entropy))).toBe('RECIPIENT_INVALID')
  })
})
