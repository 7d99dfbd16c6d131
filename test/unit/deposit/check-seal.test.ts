import { afterAll, beforeAll, expect, test } from 'vitest'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { sealHeader } from '../../../src/crypto/seal-envelope.js'
import { encodeIdentity, identityToRecipient } from '../../../src/crypto/recipient.js'
import { SealCheck } from '../../../src/deposit/check-seal.js'
import { SealedFile } from '../../../src/deposit/sealed-file.js'
import { inChunks } from '../../doubles/git-fixture.js'
import { SeededEntropy } from '../../doubles/seeded-entropy.js'

const entropy = new SeededEntropy('check-seal')
const recipient = identityToRecipient(encodeIdentity(entropy.bytes(32)))
const other = identityToRecipient(encodeIdentity(entropy.bytes(32)))
const bundle = Buffer.from(entropy.bytes(200_000))
let folder: string
let made = 0

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'reduit-seal-'))
})

afterAll(() => rmSync(folder, { recursive: true, force: true }))

async function seal(to: string, plain: Uint8Array = bundle) {
  const sealed = sealHeader([to], entropy)
  const path = join(folder, `${(made += 1)}.age`)
  const file = await SealedFile.create(path, sealed, entropy)
  for await (const block of inChunks(plain, 70_000)) await file.write(block)
  const digests = await file.finish()
  await file.close()
  return { sealed, digests, bytes: readFileSync(path) }
}

test('an envelope as it was sealed passes, as often as it is asked', async () => {
  const { sealed, digests, bytes } = await seal(recipient)
  const check = new SealCheck(sealed, digests.bundle)
  await check.checkSeal(inChunks(bytes, 1000))
  await check.checkSeal(inChunks(bytes, 1 << 20))
})

test.for<[string, number]>([
  ['the version line', 3],
  ['the stanza', 60],
  ['the MAC', 150],
  ['the first chunk', 400],
  ['the last byte', -1],
])('a flipped bit in %s is found', async ([, at]) => {
  const { sealed, digests, bytes } = await seal(recipient)
  const place = at < 0 ? bytes.length + at : at
  bytes[place] = bytes[place]! ^ 1
  await expect(new SealCheck(sealed, digests.bundle).checkSeal(inChunks(bytes, 65_536))).rejects.toMatchObject({ code: 'SEAL_BROKEN' })
})

test('an envelope that is cut, or goes on, is found', async () => {
  const { sealed, digests, bytes } = await seal(recipient)
  const check = new SealCheck(sealed, digests.bundle)
  for (const wrong of [bytes.subarray(0, -1), bytes.subarray(0, 65_800), Buffer.concat([bytes, Buffer.alloc(1)]), Buffer.alloc(0)]) {
    await expect(check.checkSeal(inChunks(wrong, 50_000))).rejects.toMatchObject({ code: 'SEAL_BROKEN' })
  }
})

test('a header that was sealed to somebody else is found, although the payload opens', async () => {
  const { sealed, digests, bytes } = await seal(other)
  const check = new SealCheck({ ...sealed, recipients: [recipient] }, digests.bundle)
  await expect(check.checkSeal(inChunks(bytes, 65_536))).rejects.toMatchObject({ code: 'SEAL_BROKEN' })
})

test('a header that says the same in other bytes than were written is found', async () => {
  const { sealed, digests, bytes } = await seal(recipient)
  const header = Uint8Array.from(sealed.header)
  header[header.length - 2]! ^= 1
  const check = new SealCheck({ ...sealed, header }, digests.bundle)
  await expect(check.checkSeal(inChunks(bytes, 65_536))).rejects.toMatchObject({ code: 'SEAL_BROKEN' })
})

test('a payload that is authentic but not the bundle is found', async () => {
  const { sealed, bytes } = await seal(recipient, bundle.subarray(1))
  const { digests } = await seal(recipient)
  await expect(new SealCheck(sealed, digests.bundle).checkSeal(inChunks(bytes, 65_536))).rejects.toMatchObject({ code: 'SEAL_BROKEN' })
})

test('after forgetting, the file key is gone and the check refuses', async () => {
  const { sealed, digests, bytes } = await seal(recipient)
  const check = new SealCheck(sealed, digests.bundle)
  check.forget()
  check.forget()
  expect([...sealed.fileKey]).toEqual(Array.from({ length: 16 }, () => 0))
  await expect(check.checkSeal(inChunks(bytes, 65_536))).rejects.toMatchObject({ code: 'SEAL_BROKEN' })
})
