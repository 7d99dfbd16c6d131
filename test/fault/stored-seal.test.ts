// The check of the seal against replicas that give back something else: what is wrong is found with its own code, and a good copy elsewhere counts.
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { SystemClock, SystemEntropy } from '../../src/core/environment.js'
import { envelopeChunkBytes } from '../../src/core/limits.js'
import { Digester, PartsDigester } from '../../src/crypto/digest.js'
import { encodeIdentity, identityToRecipient } from '../../src/crypto/recipient.js'
import { sealHeader, sealStream } from '../../src/crypto/seal-envelope.js'
import { SealCheck } from '../../src/deposit/check-seal.js'
import { FsLogHeadStore } from '../../src/store/fs-log-head-store.js'
import { FsObjectStore } from '../../src/store/fs-object-store.js'
import { makeStoreFolder } from '../../src/store/fs-store-folder.js'
import { ReplicaSet } from '../../src/store/replica-set.js'
import type { Replica } from '../../src/store/replica.js'
import { codeOf, collect, inDays, key } from '../contract/object-store.contract.js'
import { FaultyObjectStore } from '../doubles/faulty-object-store.js'
import { inChunks } from '../doubles/git-fixture.js'
import { SeededEntropy } from '../doubles/seeded-entropy.js'

const entropy = new SeededEntropy('stored-seal')
const recipient = identityToRecipient(encodeIdentity(entropy.bytes(32)))
const name = key('agreements/a/sources/s/x.age')
const plain = Buffer.from(entropy.bytes(3 * envelopeChunkBytes + 1000))
const options = { retainUntil: inDays(2) }
const [north, south] = ['north', 'south'] as const

let home: string
let stores: Record<'north' | 'south', FaultyObjectStore>
let replicas: ReplicaSet

beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'escrow-seal-'))
  const made: Replica[] = []
  for (const replica of [north, south]) {
    const folder = join(home, replica)
    await makeStoreFolder(folder)
    const store = new FaultyObjectStore(new FsObjectStore(folder, new SystemClock(), new SystemEntropy()))
    made.push({ name: replica, store, heads: new FsLogHeadStore(folder, new SystemEntropy()), country: 'CH', control: 'CH' })
  }
  replicas = new ReplicaSet(made)
  stores = Object.fromEntries(made.map((replica) => [replica.name, replica.store])) as typeof stores
})
afterEach(() => rm(home, { recursive: true }))

/** A sealed file on both replicas, and its check. @param bundle - what was to be sealed; `plain` is. */
async function place(bundle: Uint8Array = plain) {
  const sealed = sealHeader([recipient], entropy)
  const bytes = await collect(sealStream(inChunks(plain, 70_000), sealed, entropy))
  const [ciphertext, digester] = [new PartsDigester(envelopeChunkBytes), new Digester()]
  ciphertext.update(bytes)
  digester.update(bundle)
  const placement = await replicas.putBytes(name, bytes, options)
  for (const store of Object.values(stores)) store.calls.clear()
  const check = new SealCheck(sealed, digester.finish())
  const envelope = ciphertext.finish()
  const run = (signal?: AbortSignal) => check.checkStored(replicas, { key: name, envelope, placement }, undefined, signal)
  return { bytes, run, nonceAt: sealed.header.byteLength }
}

async function overwrite(replica: 'north' | 'south', damaged: Uint8Array): Promise<void> {
  await chmod(join(home, replica, name), 0o644)
  await writeFile(join(home, replica, name), damaged)
}

function flipped(bytes: Uint8Array, at: number): Uint8Array {
  const damaged = Uint8Array.from(bytes)
  const index = at < 0 ? bytes.length + at : at
  damaged[index] = (damaged[index] ?? 0) ^ 0x10
  return damaged
}

test('a good copy is read once, at the first replica alone', async () => {
  const { run } = await place()
  await run()
  expect(stores.north.calls.get('get')).toBe(1)
  expect(stores.south.calls.get('get')).toBeUndefined()
})

const chunk = envelopeChunkBytes + 16
type Damage = (bytes: Uint8Array, nonceAt: number) => Uint8Array
test.for<[string, Damage, 'OBJECT_MISSING'?]>([
  ['with another version line', (bytes) => flipped(bytes, 4)],
  ['with another stanza', (bytes) => flipped(bytes, 60)],
  ['with another MAC', (bytes, nonceAt) => flipped(bytes, nonceAt - 10)],
  ['with another nonce', (bytes, nonceAt) => flipped(bytes, nonceAt)],
  ['with another byte in its first chunk', (bytes, nonceAt) => flipped(bytes, nonceAt + 16)],
  ['with another tag on its first chunk', (bytes, nonceAt) => flipped(bytes, nonceAt + chunk)],
  ['with another last byte', (bytes) => flipped(bytes, -1)],
  ['one byte short', (bytes) => bytes.subarray(0, -1)],
  ['cut between two chunks', (bytes, nonceAt) => bytes.subarray(0, nonceAt + 16 + chunk), 'OBJECT_MISSING'],
  ['one byte long', (bytes) => Buffer.concat([bytes, Uint8Array.of(0)])],
  ['long by a chunk it has already', (bytes, nonceAt) => Buffer.concat([bytes, bytes.subarray(nonceAt + 16, nonceAt + 16 + chunk)])],
  ['empty', () => new Uint8Array(), 'OBJECT_MISSING'],
])('a copy %s is passed over for a good one, and told where there is none', async ([, damage, code = 'OBJECT_CORRUPT']) => {
  const { bytes, run, nonceAt } = await place()
  await overwrite(north, damage(bytes, nonceAt))
  await run()
  expect(stores.south.calls.get('get')).toBeGreaterThan(0)
  await overwrite(south, damage(bytes, nonceAt))
  expect(await codeOf(run())).toBe(code)
})

test('a store that is silent, or refuses, is passed over; while it is silent nobody claims that the object is corrupt', async () => {
  const { bytes, run } = await place()
  stores.north.plan({ at: 'get', fault: 'timeOut', times: 100 })
  await run()
  await overwrite(south, flipped(bytes, -1))
  expect(await codeOf(run())).toBe('STORE_UNREACHABLE')
  stores.north.heal()
  stores.north.plan({ at: 'get', fault: 'refuse', times: 100 })
  expect(await codeOf(run())).toBe('STORE_REFUSED')
})

test('a copy that is gone is passed over, and told where all are gone', async () => {
  const { run } = await place()
  await rm(join(home, north, name))
  await run()
  await rm(join(home, south, name))
  expect(await codeOf(run())).toBe('OBJECT_MISSING')
})

test('another object put over a good one does not hide it', async () => {
  const { run } = await place()
  await replicas.putBytes(name, Buffer.from('other'), { ...options, supersede: true })
  await run()
})

test('what was sealed wrongly is told as that, although every replica holds what was recorded', async () => {
  const { run } = await place(flipped(plain, 70_001))
  expect(await codeOf(run())).toBe('SEAL_BROKEN')
})

test('an aborted check ends with its reason, and reads no further replica', async () => {
  const { run } = await place()
  stores.north.plan({ at: 'get', fault: 'hang', times: 100 })
  const abort = new AbortController()
  const ended = run(abort.signal)
  abort.abort(new Error('enough'))
  await expect(ended).rejects.toThrow('enough')
  expect(stores.south.calls.get('get')).toBeUndefined()
})
