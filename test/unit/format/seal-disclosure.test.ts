import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { sha256Hex } from '../../../src/crypto/digest.js'
import { sealBytes, sealHeader } from '../../../src/crypto/seal-envelope.js'
import { fileKeyOf } from '../../../src/crypto/open-own-bytes.js'
import { parseHeader } from '../../../src/crypto/envelope-header.js'
import { encodeSealDisclosure, parseSealDisclosure, verifyDisclosedSeal, type SealDisclosure } from '../../../src/format/seal-disclosure.js'
import { SeededEntropy } from '../../doubles/seeded-entropy.js'
import vectors from '../../vectors/seal-disclosure.json' with { type: 'json' }

const bytesOf = (text: string) => new TextEncoder().encode(text)
const disclosed = parseSealDisclosure(bytesOf(vectors.disclosure))
const whole = Buffer.from(vectors.envelopeBase64, 'base64')
const size = Buffer.from(vectors.header).length
const manifest = (recipient = vectors.vault) => ({
  envelope: { recipient, epoch: 1 },
  bundle: { sha256: sha256Hex(bytesOf(vectors.bundle)), sizeBytes: vectors.bundle.length },
})

interface Case {
  readonly disclosure?: Partial<SealDisclosure>
  readonly envelope?: Uint8Array
  readonly vault?: string
  readonly sealedTo?: string
  readonly bundle?: string
}

async function opened({ disclosure, envelope = whole, vault = vectors.vault, sealedTo, bundle }: Case): Promise<string> {
  const blocks: Uint8Array[] = []
  async function* stored() {
    yield envelope
  }
  const of = manifest(sealedTo)
  const on = {
    disclosure: { ...disclosed, ...disclosure },
    manifest: (bundle === undefined ? of : { ...of, bundle: { ...of.bundle, sha256: sha256Hex(bytesOf(bundle)) } }) as Parameters<
      typeof verifyDisclosedSeal
    >[1]['manifest'],
    manifestDigest: vectors.manifest,
    vault,
  }
  for await (const block of verifyDisclosedSeal(stored(), on)) blocks.push(block)
  return Buffer.concat(blocks).toString()
}

test('the vector: what was disclosed makes the header of the vault, byte for byte, and opens the bundle', async () => {
  expect(Buffer.from(encodeSealDisclosure(disclosed)).toString()).toBe(vectors.disclosure)
  expect(whole.subarray(0, size).toString()).toBe(vectors.header)
  expect(await opened({})).toBe(vectors.bundle)
  // What it promises: the vault's identity, which no verifier has, finds the same file key.
  const key = fileKeyOf(parseHeader(whole.subarray(0, size)), [vectors.vaultIdentity])
  expect(Buffer.from(key).toString('hex')).toBe(disclosed.fileKey)
})

describe('a depositor that lies is found out', () => {
  const other = sealBytes(bytesOf(vectors.bundle), [vectors.strangerRecipient], new SeededEntropy('stranger'))
  const twice = sealHeader([vectors.vault, vectors.strangerRecipient], new SeededEntropy('twice'))
  const flipped = (at: number) => Buffer.from(whole.map((byte, index) => (index === at ? byte ^ 1 : byte)))
  const flip = (hex: string) => `${hex[0] === '0' ? '1' : '0'}${hex.slice(1)}`
  const cases: Record<string, [Case, string]> = {
    'another scalar': [{ disclosure: { ephemeralScalar: flip(disclosed.ephemeralScalar) } }, 'SEAL_BROKEN'],
    'another file key': [{ disclosure: { fileKey: flip(disclosed.fileKey) } }, 'SEAL_BROKEN'],
    'another deposit': [{ disclosure: { manifest: 'b'.repeat(64) } }, 'SEAL_BROKEN'],
    'an envelope to itself that the manifest says is to the vault': [{ envelope: other }, 'SEAL_BROKEN'],
    'an envelope to itself, and a manifest that says so': [{ envelope: other, sealedTo: vectors.strangerRecipient }, 'RECIPIENT_INVALID'],
    'a second recipient beside the vault': [
      {
        envelope: Buffer.concat([twice.header, whole.subarray(size)]),
        disclosure: { fileKey: Buffer.from(twice.fileKey).toString('hex') },
      },
      'SEAL_BROKEN',
    ],
    'a stanza whose body the vault cannot open': [{ envelope: flipped(vectors.header.indexOf('\n---') - 5) }, 'SEAL_BROKEN'],
    'another MAC': [{ envelope: flipped(size - 4) }, 'SEAL_BROKEN'],
    'a payload that was changed': [{ envelope: flipped(whole.length - 1) }, 'SEAL_BROKEN'],
    'a payload that was cut': [{ envelope: whole.subarray(0, -1) }, 'SEAL_BROKEN'],
    'another bundle than the manifest names': [{ bundle: 'another' }, 'SEAL_BROKEN'],
    'no envelope at all': [{ envelope: bytesOf('nothing') }, 'SEAL_BROKEN'],
  }
  test.for(Object.entries(cases))('%s', async ([, [lie, code]]) => {
    await expect(opened(lie)).rejects.toMatchObject({ code })
  })
})

test.for(vectors.refused)('refused: $name', ({ text }) => {
  expect(() => parseSealDisclosure(bytesOf(text))).toThrow(expect.objectContaining({ code: 'FORMAT_INVALID' }))
})

test('without any of its fields, or with more than 4 KiB, it is refused', () => {
  const body = JSON.parse(vectors.disclosure) as Record<string, unknown>
  for (const field of Object.keys(body)) {
    const { [field]: _left, ...rest } = body
    expect(() => parseSealDisclosure(bytesOf(JSON.stringify(rest))), field).toThrow(expect.objectContaining({ code: 'FORMAT_INVALID' }))
  }
  expect(() => parseSealDisclosure(bytesOf(vectors.disclosure.padEnd(5000)))).toThrow(expect.objectContaining({ code: 'FORMAT_INVALID' }))
})

test('the published example is the vector', () => {
  const page = readFileSync(new URL('../../../docs/formats/seal-disclosure.md', import.meta.url), 'utf8')
  const [, example = ''] = /```json\n([^]*?)```/.exec(page) ?? []
  expect(JSON.parse(example)).toEqual(JSON.parse(vectors.disclosure))
})
