import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { FsOfferInbox } from '../../../src/store/fs-offer-inbox.js'
import { parseObjectKey } from '../../../src/store/object-key.js'
import { ManualClock } from '../../doubles/manual-clock.js'
import { SeededEntropy } from '../../doubles/seeded-entropy.js'

let folder: string
let inbox: FsOfferInbox
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'reduit-inbox-'))
  inbox = new FsOfferInbox(folder, new ManualClock(new Date('2026-11-22T10:00:00.000Z')), new SeededEntropy('inbox'))
})
afterAll(() => rmSync(folder, { recursive: true }))

const name = 'agreements/agr_aaaaaaaaaaaaaaaaaaaa/sources/code/0000000001-full/aaaaaaaaaaaaaaaaaaaa.bundle.age'
const key = parseObjectKey(name)
const written = (offer: string) => readFileSync(join(folder, offer, name))
let offers = 0

async function* given(chunks: readonly Uint8Array[], end?: Error): AsyncGenerator<Uint8Array> {
  yield* chunks
  if (end !== undefined) throw end
}

test('pieces in chunks of any size lie one after the other', async () => {
  const anyChunks = fc.array(fc.uint8Array({ maxLength: 700_000 }), { maxLength: 6 })
  await fc.assert(
    fc.asyncProperty(anyChunks, fc.nat(6), async (chunks, cut) => {
      const offer = `offer-${(offers += 1)}`
      const whole = Buffer.concat(chunks)
      const offset = Buffer.concat(chunks.slice(0, cut)).length
      const sizeBytesMax = whole.length
      expect(await inbox.append(offer, { key, offset: 0, sizeBytesMax, bytes: given(chunks.slice(0, cut)) })).toBe(offset)
      expect(await inbox.append(offer, { key, offset, sizeBytesMax, bytes: given(chunks.slice(cut)) })).toBe(whole.length)
      expect(written(offer).equals(whole)).toBe(true)
    }),
    { numRuns: 30 },
  )
})

test('what came before the connection broke stays, and the next piece goes on from there', async () => {
  const [first, second] = [Buffer.alloc(1_500_000, 1), Buffer.alloc(10, 2)]
  const broken = inbox.append('broken', { key, offset: 0, sizeBytesMax: 2e6, bytes: given([first, second], new Error('gone')) })
  await expect(broken).rejects.toThrow('gone')
  expect(written('broken').equals(Buffer.concat([first, second]))).toBe(true)
  const again = inbox.append('broken', { key, offset: 7, sizeBytesMax: 2e6, bytes: given([second]) })
  await expect(again).rejects.toMatchObject({ code: 'OFFER_OFFSET', details: { sizeBytes: 1_500_010 } })
})

test.for([99, 100, 101])('a file of at most 100 bytes takes %i or refuses them', async (sizeBytes) => {
  const appended = inbox.append(`limit-${sizeBytes}`, { key, offset: 0, sizeBytesMax: 100, bytes: given([Buffer.alloc(sizeBytes)]) })
  if (sizeBytes <= 100) expect(await appended).toBe(sizeBytes)
  else await expect(appended).rejects.toMatchObject({ code: 'DEPOSIT_TOO_LARGE' })
})
