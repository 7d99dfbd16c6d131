import { mkdtempSync, rmSync } from 'node:fs'
import { open, type FileHandle } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { encodeIdentity, identityToRecipient } from '../../../src/crypto/recipient.js'
import { sealHeader } from '../../../src/crypto/seal-envelope.js'
import { gathered, inBlocks } from '../../../src/deposit/blocks.js'
import { SealedFile } from '../../../src/deposit/sealed-file.js'
import { collect, inChunks } from '../../doubles/git-fixture.js'
import { SeededEntropy } from '../../doubles/seeded-entropy.js'

const entropy = new SeededEntropy('sealed-file')
let folder: string

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'reduit-sealed-'))
})

afterEach(() => rmSync(folder, { recursive: true, force: true }))

const header = () => sealHeader([identityToRecipient(encodeIdentity(entropy.bytes(32)))], entropy)

/** Let every write to a file fail as on a full disk, until the returned function is called. */
async function fillDisk(): Promise<() => void> {
  const handle = await open(join(folder, 'any'), 'w')
  const prototype = Object.getPrototypeOf(handle) as FileHandle
  await handle.close()
  const spy = vi.spyOn(prototype, 'write').mockRejectedValue(Object.assign(new Error('no space left on device'), { code: 'ENOSPC' }))
  return () => spy.mockRestore()
}

test('a disk that is full at the first byte, in the middle and at the end is SCRATCH_FULL', async () => {
  const emptyDisk = await fillDisk()
  try {
    await expect(SealedFile.create(join(folder, '1.age'), header(), entropy)).rejects.toMatchObject({ code: 'SCRATCH_FULL' })
  } finally {
    emptyDisk()
  }
  const file = await SealedFile.create(join(folder, '2.age'), header(), entropy)
  await file.write(entropy.bytes(100_000))
  const free = await fillDisk()
  try {
    // What is written while the next block is sealed is heard of with the next block.
    const written = async () => {
      for (let block = 0; block < 2; block += 1) await file.write(entropy.bytes(100_000))
    }
    await expect(written()).rejects.toMatchObject({ code: 'SCRATCH_FULL' })
    await expect(file.finish()).rejects.toMatchObject({ code: 'SCRATCH_FULL' })
  } finally {
    free()
    await file.close()
  }
})

test.for([0, 1, 9, 10, 11, 20, 25])('%i bytes come in blocks of ten', async (sizeBytes) => {
  const bytes = entropy.bytes(sizeBytes)
  const sizes: number[] = []
  const seen: Buffer[] = []
  for await (const block of inBlocks(inChunks(bytes, 3), 10)) {
    sizes.push(block.length)
    seen.push(Buffer.from(block))
  }
  expect(Buffer.concat(seen)).toEqual(Buffer.from(bytes))
  expect(sizes.slice(0, -1).every((size) => size === 10)).toBe(true)
  expect(await collect(inBlocks(inChunks(bytes, 30), 10))).toHaveLength(sizeBytes)
})

test('large pieces are passed on where they lie, small ones gathered, and nothing is lost or moved', async () => {
  const pieces = [1, 4, 5, 9, 10, 30, 3, 3, 3, 3, 5, 0, 8, 2].map((sizeBytes) => entropy.bytes(sizeBytes))
  async function* source(): AsyncGenerator<Uint8Array> {
    yield* pieces
  }
  const [seen, sizes]: [Buffer[], number[]] = [[], []]
  for await (const block of gathered(source(), 10)) {
    seen.push(Buffer.from(block))
    sizes.push(block.length)
  }
  expect(Buffer.concat(seen)).toEqual(Buffer.concat(pieces))
  expect(sizes).toEqual([10, 9, 10, 30, 10, 10, 7])
  expect(await collect(gathered(inChunks(new Uint8Array(0), 3), 10))).toHaveLength(0)
})

test('a source that fails or is left early is ended', async () => {
  let ended = 0
  async function* source(fails: boolean): AsyncGenerator<Uint8Array> {
    try {
      for (let at = 0; at < 100; at += 1) {
        if (fails && at === 3) throw new Error('the source failed')
        yield entropy.bytes(10)
      }
    } finally {
      ended += 1
    }
  }
  await expect(collect(inBlocks(source(true), 10))).rejects.toThrow('the source failed')
  for await (const block of inBlocks(source(false), 10)) if (block.length > 0) break
  await vi.waitFor(() => expect(ended).toBe(2))
})
