// An attachment on its way in, past scratch and through it: what one replica cannot take the other holds, and what fails leaves nothing anywhere.
import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { SystemClock, SystemEntropy } from '../../src/core/environment.js'
import { EscrowError } from '../../src/core/errors.js'
import { attachmentBytesMax } from '../../src/core/limits.js'
import { sha256Hex } from '../../src/crypto/digest.js'
import { encodeIdentity, identityToRecipient } from '../../src/crypto/recipient.js'
import { keepAttachment, type AttachmentTools } from '../../src/deposit/keep-attachment.js'
import { AgreementId } from '../../src/format/ids.js'
import { FsLogHeadStore } from '../../src/store/fs-log-head-store.js'
import { FsObjectStore } from '../../src/store/fs-object-store.js'
import { makeStoreFolder } from '../../src/store/fs-store-folder.js'
import type { ObjectKey } from '../../src/store/object-key.js'
import type { NamelessUpload, ObjectStore } from '../../src/store/object-store.js'
import { ReplicaSet } from '../../src/store/replica-set.js'
import { codeOf, collect, inDays } from '../contract/object-store.contract.js'
import { FaultyObjectStore } from '../doubles/faulty-object-store.js'
import { inChunks } from '../doubles/git-fixture.js'
import { RememberedEntropy, SeededEntropy } from '../doubles/seeded-entropy.js'

const entropy = new SeededEntropy('keep-attachment')
const plain = Buffer.from(entropy.bytes(3_000_000))
const names = ['north', 'south'] as const
let home: string
let scratch: string

beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'escrow-keep-'))
  scratch = join(home, 'scratch')
  await mkdir(scratch)
  for (const name of names) await makeStoreFolder(join(home, name))
})
afterEach(() => rm(home, { recursive: true }))

/** A folder whose disk is full after so many bytes of one upload. */
class SmallStore extends FsObjectStore {
  constructor(
    folder: string,
    private readonly roomBytes: number,
  ) {
    super(folder, new SystemClock(), new SystemEntropy())
  }

  override async openNameless(options: { readonly retainUntil: Date }, signal?: AbortSignal): Promise<NamelessUpload> {
    const upload = await super.openNameless(options, signal)
    let sentBytes = 0
    const write = async (bytes: Uint8Array) => {
      sentBytes += bytes.byteLength
      if (sentBytes > this.roomBytes) throw new EscrowError('STORE_REFUSED', 'no space left on its disk')
      await upload.write(bytes)
    }
    return { write, settle: async () => upload.settle?.(), complete: (key) => upload.complete(key), abort: () => upload.abort() }
  }
}

const folderStore = (name: string) => new FsObjectStore(join(home, name), new SystemClock(), new SystemEntropy())
const setOf = (storeOf: (name: string) => ObjectStore) =>
  new ReplicaSet(
    names.map((name) => ({
      name,
      store: storeOf(name),
      heads: new FsLogHeadStore(join(home, name), new SystemEntropy()),
      country: 'CH',
      control: 'CH',
    })),
  )
const toolsWith = (replicas: ReplicaSet, more: Partial<AttachmentTools> = {}): AttachmentTools => ({
  agreement: AgreementId.parse('agr_aaaaaaaaaaaaaaaaaaaa'),
  source: 'product',
  recipient: identityToRecipient(encodeIdentity(entropy.bytes(32))),
  retainUntil: inDays(2),
  folder: scratch,
  replicas,
  entropy,
  beforeComplete: async () => undefined,
  ...more,
})
/** Files of a replica that are no folder's lock or note. */
const filesAt = async (name: string) =>
  (await readdir(join(home, name), { recursive: true, withFileTypes: true })).filter(
    (entry) => /[.]age|[0-9a-f]{16}/.test(entry.name) && entry.isFile(),
  )

test('where every replica takes bytes without a name nothing lies on scratch, and both hold the same', async () => {
  const replicas = setOf(folderStore)
  let seen: readonly string[] = ['not looked']
  // What is not recorded yet is not stored: a lock lasts for years.
  const beforeComplete = async ({ key }: { readonly key: ObjectKey }) => {
    seen = await readdir(scratch)
    for (const name of names) expect(await replicas.named(name).store.stat(key)).toBeNull()
  }
  const kept = await keepAttachment({ bytes: inChunks(plain, 70_000), expected: null }, toolsWith(replicas, { beforeComplete }))
  expect([kept.placement.stored.length, kept.placement.failed, seen]).toEqual([2, [], []])
  const [north, south] = await Promise.all(names.map((name) => collect(replicas.named(name).store.get(kept.key))))
  expect(north?.equals(south ?? Buffer.alloc(0))).toBe(true)
  expect([north?.length, kept.plain.sizeBytes]).toEqual([kept.sealed.sizeBytes, plain.length])
})

test('where one has to be told a name first the age file lies on scratch, until it is stored', async () => {
  const replicas = setOf((name) => (name === 'south' ? new FaultyObjectStore(folderStore(name)) : folderStore(name)))
  let seen: readonly string[] = []
  const beforeComplete = async () => void (seen = await readdir(scratch))
  const kept = await keepAttachment({ bytes: inChunks(plain, 70_000), expected: null }, toolsWith(replicas, { beforeComplete }))
  expect([kept.placement.stored.length, seen.length, await readdir(scratch)]).toEqual([2, 1, []])
})

test('a replica that fills up on the way has to catch up, and the other holds the whole', async () => {
  const replicas = setOf((name) => (name === 'north' ? new SmallStore(join(home, name), 1_500_000) : folderStore(name)))
  const kept = await keepAttachment({ bytes: inChunks(plain, 70_000), expected: null }, toolsWith(replicas))
  expect(kept.placement.stored.map(({ replica }) => replica)).toEqual(['south'])
  expect(kept.placement.failed.map(({ replica, error }) => [replica, error.code])).toEqual([['north', 'STORE_REFUSED']])
  expect(await filesAt('north')).toEqual([])
})

test('when no replica takes it, its depositor hears why, and nothing is left', async () => {
  const replicas = setOf((name) => new SmallStore(join(home, name), 1_500_000))
  expect(await codeOf(keepAttachment({ bytes: inChunks(plain, 70_000), expected: null }, toolsWith(replicas)))).toBe('STORE_REFUSED')
  for (const name of names) expect(await filesAt(name)).toEqual([])
})

test('what no store kept as it was sent is found by the check of the seal', async () => {
  class Garbling extends SmallStore {
    override async openNameless(options: { readonly retainUntil: Date }, signal?: AbortSignal): Promise<NamelessUpload> {
      const upload = await super.openNameless(options, signal)
      return { ...upload, write: (bytes) => upload.write(bytes.map((byte, at) => (at === bytes.length >> 1 ? byte ^ 1 : byte))) }
    }
  }
  const whole = () => ({ bytes: inChunks(plain.subarray(0, 200_000), 70_000), expected: null })
  const north = setOf((name) => (name === 'north' ? new Garbling(join(home, name), Infinity) : folderStore(name)))
  expect((await keepAttachment(whole(), toolsWith(north))).placement.stored).toHaveLength(2)
  const both = setOf((name) => new Garbling(join(home, name), Infinity))
  expect(await codeOf(keepAttachment(whole(), toolsWith(both)))).toBe('OBJECT_CORRUPT')
})

test('more than was said, or than one attachment may have, is cut off; and the key is wiped whatever happens', async () => {
  const sha256 = sha256Hex(plain)
  const remembered = new RememberedEntropy('wiped')
  const tools = toolsWith(setOf(folderStore), { entropy: remembered })
  let given = 0
  async function* counted(): AsyncGenerator<Uint8Array> {
    for await (const block of inChunks(plain, 70_000)) {
      given += block.length
      yield block
    }
  }
  const said = { sha256, sizeBytes: 100_000 }
  expect(await codeOf(keepAttachment({ bytes: counted(), expected: said }, tools))).toBe('DEPOSIT_TOO_LARGE')
  expect(given).toBeLessThan(plain.length)
  given = 0
  const tooLarge = { sha256, sizeBytes: attachmentBytesMax + 1 }
  expect(await codeOf(keepAttachment({ bytes: counted(), expected: tooLarge }, tools))).toBe('DEPOSIT_TOO_LARGE')
  expect(given).toBe(0)
  const exact = { sha256, sizeBytes: plain.length }
  expect((await keepAttachment({ bytes: counted(), expected: exact }, tools)).plain).toEqual(exact)
  const [fileKey, scalar] = remembered.given
  expect([...(fileKey ?? [1]), ...(scalar ?? [1])].every((byte) => byte === 0)).toBe(true)
})

test('bytes that end early, are others than was said, or are given up leave nothing', async () => {
  async function* cut(): AsyncGenerator<Uint8Array> {
    yield plain.subarray(0, 2_000_000)
    throw new EscrowError('REMOTE_BROKEN', 'cut')
  }
  const stop = new AbortController()
  async function* endless(): AsyncGenerator<Uint8Array> {
    yield plain
    stop.abort(new EscrowError('LEASE_LOST', 'stopped'))
    yield plain
  }
  const tools = toolsWith(setOf(folderStore))
  expect(await codeOf(keepAttachment({ bytes: cut(), expected: null }, tools))).toBe('REMOTE_BROKEN')
  const expected = { sha256: '0'.repeat(64), sizeBytes: plain.length }
  expect(await codeOf(keepAttachment({ bytes: inChunks(plain, 70_000), expected }, tools))).toBe('DIGEST_MISMATCH')
  expect(await codeOf(keepAttachment({ bytes: endless(), expected: null }, tools, stop.signal))).toBe('LEASE_LOST')
  for (const name of names) expect(await filesAt(name)).toEqual([])
  expect(await readdir(scratch)).toEqual([])
})
