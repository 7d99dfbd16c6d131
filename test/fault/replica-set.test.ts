import { appendFile, chmod, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { SystemClock, SystemEntropy } from '../../src/core/environment.js'
import { EscrowError } from '../../src/core/errors.js'
import { inventoryBytesMax, partBytes } from '../../src/core/limits.js'
import { checkReplicas } from '../../src/store/check-replicas.js'
import { expectedOf, sha256Hex, type ExpectedObject } from '../../src/store/expected-object.js'
import { FsLogHeadStore } from '../../src/store/fs-log-head-store.js'
import { FsObjectStore } from '../../src/store/fs-object-store.js'
import { makeStoreFolder } from '../../src/store/fs-store-folder.js'
import { GrowingFile } from '../../src/store/growing-file.js'
import { ReplicaSet } from '../../src/store/replica-set.js'
import { requireEvery, type Replica } from '../../src/store/replica.js'
import { bytesOf, codeOf, collect, inDays, key } from '../contract/object-store.contract.js'
import { FaultyObjectStore, type PlannedFault } from '../doubles/faulty-object-store.js'

const countries = { north: 'CH', south: 'DE', east: 'FR' } as const
type Name = keyof typeof countries

let home: string
let stores: Record<Name, FaultyObjectStore>
let set: ReplicaSet
const name = key('agreements/a/manifest.json')
const [bytes, other] = [bytesOf(5000, 1), bytesOf(5000, 2)]
const options = { retainUntil: inDays(2) }

beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'escrow-replicas-'))
  const made: Replica[] = []
  for (const [replica, country] of Object.entries(countries)) {
    const folder = join(home, replica)
    await makeStoreFolder(folder)
    const store = new FaultyObjectStore(new FsObjectStore(folder, new SystemClock(), new SystemEntropy()))
    made.push({ name: replica, store, heads: new FsLogHeadStore(folder, new SystemEntropy()), country, control: country })
  }
  set = new ReplicaSet(made)
  stores = Object.fromEntries(made.map((replica) => [replica.name, replica.store])) as Record<Name, FaultyObjectStore>
})
afterEach(() => rm(home, { recursive: true }))

const at = (replica: Name, object = name) => join(home, replica, object)
async function overwrite(replica: Name, object: string, damaged: Uint8Array): Promise<void> {
  await chmod(join(home, replica, object), 0o644)
  await writeFile(join(home, replica, object), damaged)
}
function flipped(whole: Uint8Array, index: number): Uint8Array {
  const damaged = new Uint8Array(whole)
  damaged[index] = (whole[index] ?? 0) ^ 1
  return damaged
}

test('a document goes to every replica under its retention', async () => {
  const placement = await set.putBytes(name, bytes, options)
  expect(requireEvery(placement).map(({ replica }) => replica)).toEqual(['north', 'south', 'east'])
  for (const { object } of placement.stored) expect(object).toMatchObject({ sizeBytes: 5000, retainUntil: inDays(2) })
  for (const replica of Object.keys(countries) as Name[]) expect(await readFile(at(replica))).toEqual(Buffer.from(bytes))
})

test('putting the same document again changes nothing but a retention that was too short', async () => {
  await set.putBytes(name, bytes, options)
  const again = await set.putBytes(name, bytes, { retainUntil: inDays(7) })
  expect(again.failed).toEqual([])
  for (const { object } of again.stored) expect(object).toMatchObject({ versionId: 'v0001', retainUntil: inDays(7) })
  const shorter = await set.putBytes(name, bytes, options)
  for (const { object } of shorter.stored) expect(object).toMatchObject({ versionId: 'v0001', retainUntil: inDays(7) })
  // A copy of which nobody knows until when it is kept is not kept.
  await rm(join(home, 'north', 'agreements/a/.versions'), { recursive: true })
  const relocked = await set.putBytes(name, bytes, options)
  expect(relocked.stored.map(({ object }) => object.retainUntil)).toEqual([inDays(2), inDays(7), inDays(7)])
})

test('other bytes under a taken key are refused at every replica', async () => {
  await set.putBytes(name, bytes, options)
  const placement = await set.putBytes(name, other, options)
  expect(placement.failed.map(({ replica, error }) => [replica, error.code])).toEqual([
    ['north', 'OBJECT_EXISTS'],
    ['south', 'OBJECT_EXISTS'],
    ['east', 'OBJECT_EXISTS'],
  ])
})

test.for([
  { at: 'open', fault: 'refuse' },
  { at: 'open', fault: 'timeOut' },
  { at: 'write', fault: 'refuse' },
  { at: 'write', fault: 'timeOut' },
  { at: 'complete', fault: 'refuse' },
  { at: 'complete', fault: 'timeOut' },
] satisfies PlannedFault[])(
  'a put that fails with %j at one replica is stored at the others, named, and caught up later',
  async (fault) => {
    stores.south.plan(fault)
    const placement = await set.putBytes(name, bytes, options)
    expect(placement.stored.map(({ replica }) => replica)).toEqual(['north', 'east'])
    expect(placement.failed.map(({ replica }) => replica)).toEqual(['south'])
    expect(() => requireEvery(placement)).toThrow(/replica south: the store .*planned/)
    expect(await stores.south.stat(name)).toBeNull()
    const caughtUp = await set.putBytes(name, bytes, { ...options, only: ['south'] })
    expect(requireEvery(caughtUp)).toHaveLength(1)
    expect(await readFile(at('south'))).toEqual(Buffer.from(bytes))
  },
)

test('a put that was stored although the answer was lost counts as stored, once', async () => {
  stores.south.plan({ at: 'complete', fault: 'answerLost' })
  expect(requireEvery(await set.putBytes(name, bytes, options))).toHaveLength(3)
  expect(await stores.south.versions(name)).toHaveLength(1)
})

test('an answer lost for good leaves an object that the next run adopts', async () => {
  stores.south.plan({ at: 'complete', fault: 'answerLost' }, { at: 'stat', fault: 'timeOut' })
  expect((await set.putBytes(name, bytes, options)).failed.map(({ error }) => error.code)).toEqual(['STORE_UNREACHABLE'])
  expect(requireEvery(await set.putBytes(name, bytes, options))).toHaveLength(3)
  expect(await stores.south.versions(name)).toHaveLength(1)
})

test('a store that kept less than it reported is not adopted', async () => {
  stores.south.plan({ at: 'complete', fault: 'shortWrite' })
  await set.putBytes(name, bytes, options)
  const again = await set.putBytes(name, bytes, options)
  expect(again.failed.map(({ replica, error }) => [replica, error.code])).toEqual([['south', 'OBJECT_EXISTS']])
})

test('reading passes over replicas that are down, empty or wrong, and says which', async () => {
  await set.putBytes(name, bytes, { ...options, only: ['south', 'east'] })
  await overwrite('south', name, flipped(bytes, 17))
  const faults: string[] = []
  const read = await set.readVerified(name, expectedOf(bytes), { onFault: ({ replica, error }) => faults.push(`${replica} ${error.code}`) })
  expect(Buffer.from(read)).toEqual(Buffer.from(bytes))
  expect(faults).toEqual(['north OBJECT_MISSING', 'south OBJECT_CORRUPT'])
})

test.for([
  ['cut short', (whole: Uint8Array) => whole.subarray(0, -1)],
  ['longer', (whole: Uint8Array) => Buffer.concat([whole, Buffer.from('x')])],
  ['empty', () => new Uint8Array()],
  ['flipped in its last bit', (whole: Uint8Array) => flipped(whole, whole.length - 1)],
] as const)('a copy that is %s is never read as good', async ([, damage]) => {
  await set.putBytes(name, bytes, options)
  for (const replica of ['north', 'south', 'east'] as const) await overwrite(replica, name, damage(bytes))
  expect(await codeOf(set.readVerified(name, expectedOf(bytes)))).toBe('OBJECT_CORRUPT')
  expect(await codeOf(collect(set.readVerifiedStream(name, expectedOf(bytes))))).toBe('OBJECT_CORRUPT')
})

test('while one replica does not answer, nobody claims that an object is lost', async () => {
  stores.east.plan({ at: 'get', fault: 'timeOut' })
  expect(await codeOf(set.readVerified(name, expectedOf(bytes)))).toBe('STORE_UNREACHABLE')
  expect(await codeOf(set.readVerified(name, expectedOf(bytes)))).toBe('OBJECT_MISSING')
})

test('a bad version put over a good one does not hide it', async () => {
  await set.putBytes(name, bytes, options)
  await set.putBytes(name, other, { ...options, supersede: true })
  expect(Buffer.from(await set.readVerified(name, expectedOf(bytes)))).toEqual(Buffer.from(bytes))
})

const large = bytesOf(2 * partBytes + 1234, 9)
const largeName = key('agreements/a/x.bundle.age')
const partsOf = (whole: Uint8Array): ExpectedObject => {
  const parts = Array.from({ length: Math.ceil(whole.length / partBytes) }, (_, index) =>
    whole.subarray(index * partBytes, (index + 1) * partBytes),
  )
  return { ...expectedOf(whole), partBytes, partSha256: parts.map(sha256Hex) }
}

test('a stream changes replica at the part that fails, and every block it gives is verified', async () => {
  await set.putBytes(largeName, large, options)
  await overwrite('north', largeName, flipped(large, partBytes + 5))
  await overwrite('south', largeName, flipped(large, 2 * partBytes + 5))
  const faults: string[] = []
  const read = await collect(set.readVerifiedStream(largeName, partsOf(large), { onFault: ({ replica }) => faults.push(replica) }))
  expect(sha256Hex(read)).toBe(sha256Hex(large))
  expect(faults).toEqual(['north', 'south'])
})

test('a large object without part digests is streamed from a copy that was verified as a whole', async () => {
  await set.putBytes(largeName, large, options)
  await overwrite('north', largeName, flipped(large, large.length - 1))
  expect(sha256Hex(await collect(set.readVerifiedStream(largeName, expectedOf(large))))).toBe(sha256Hex(large))
  // It was good when it was looked at, and is another when it is given.
  stores.south.plan({ at: 'get', fault: 'otherBytes', after: 1 })
  expect(await codeOf(collect(set.readVerifiedStream(largeName, expectedOf(large))))).toBe('OBJECT_CORRUPT')
  for (const replica of ['south', 'east'] as const) await overwrite(replica, largeName, flipped(large, 3))
  expect(await codeOf(collect(set.readVerifiedStream(largeName, expectedOf(large))))).toBe('OBJECT_CORRUPT')
})

test('a replica that answers without end is left as soon as it gives too much', async () => {
  await set.putBytes(name, bytes, options)
  const block = large.subarray(0, 1 << 20)
  let given = 0
  stores.north.get = async function* () {
    // A hundred stand for a stream that never ends.
    for (given = 0; given < 100; given += 1) yield block
  }
  for (const expected of [expectedOf(large), partsOf(large), expectedOf(bytes)]) {
    expect(await codeOf(collect(set.readVerifiedStream(largeName, expected)))).toBe('OBJECT_CORRUPT')
    expect(given * block.length).toBeLessThan(expected.sizeBytes + block.length)
  }
  expect((await set.putBytes(name, bytes, options)).failed.map(({ replica }) => replica)).toEqual(['north'])
  expect(given).toBe(0)
})

test('what is larger than may be read at once is asked of no replica', async () => {
  const expected = { ...expectedOf(bytes), sizeBytes: inventoryBytesMax + 1 }
  const faults: string[] = []
  expect(await codeOf(set.readVerified(name, expected, { onFault: ({ replica }) => faults.push(replica) }))).toBe('STORE_REFUSED')
  expect(faults).toEqual([])
})

test('part digests that do not cover the object are refused', async () => {
  const expected = { ...partsOf(large), sizeBytes: large.length + partBytes }
  expect(await codeOf(collect(set.readVerifiedStream(largeName, expected)))).toBe('FORMAT_INVALID')
})

test.for(['parts', 'whole'] as const)('repair copies a good replica over a bad one as a new version, and says which (%s)', async (kind) => {
  const expected = kind === 'parts' ? partsOf(large) : expectedOf(large)
  await set.putBytes(largeName, large, options)
  for (const replica of ['north', 'south'] as const) await overwrite(replica, largeName, flipped(large, 17))
  const repair = await set.repairObject(largeName, expected, { target: 'north', retainUntil: inDays(4) })
  expect(repair).toMatchObject({ object: { versionId: 'v0002', retainUntil: inDays(4) }, supersedes: 'v0001', copiedFrom: 'east' })
  expect(sha256Hex(await readFile(at('north', largeName)))).toBe(sha256Hex(large))
  expect(await stores.north.versions(largeName)).toHaveLength(2)
})

test('repair puts a missing object back', async () => {
  await set.putBytes(name, bytes, { ...options, only: ['east'] })
  expect(await set.repairObject(name, expectedOf(bytes), { target: 'north', ...options })).toMatchObject({ supersedes: null })
  expect(await readFile(at('north'))).toEqual(Buffer.from(bytes))
})

test('repair without a good copy leaves the target as it was', async () => {
  await set.putBytes(name, bytes, options)
  for (const replica of ['north', 'south', 'east'] as const) await overwrite(replica, name, flipped(bytes, 1))
  const repair = set.repairObject(name, expectedOf(bytes), { target: 'north', ...options })
  expect(await codeOf(repair)).toBe('REPAIR_IMPOSSIBLE')
  expect(await stores.north.versions(name)).toHaveLength(1)
})

test('repair does not claim that it is impossible while a replica does not answer', async () => {
  await set.putBytes(name, bytes, options)
  for (const replica of ['north', 'south'] as const) await overwrite(replica, name, flipped(bytes, 1))
  stores.east.plan({ at: 'get', fault: 'timeOut' })
  expect(await codeOf(set.repairObject(name, expectedOf(bytes), { target: 'north', ...options }))).toBe('STORE_UNREACHABLE')
  expect(await set.repairObject(name, expectedOf(bytes), { target: 'north', ...options })).toMatchObject({ supersedes: 'v0001' })
})

test('a repair that the target keeps wrongly is not called done', async () => {
  await set.putBytes(name, bytes, { ...options, only: ['east'] })
  stores.north.plan({ at: 'complete', fault: 'shortWrite' })
  expect(await codeOf(set.repairObject(name, expectedOf(bytes), { target: 'north', ...options }))).toBe('OBJECT_CORRUPT')
})

/** A sealed file that grows by pieces while it is uploaded. */
async function growing(pieces: readonly Uint8Array[]): Promise<{ file: GrowingFile; grow: () => Promise<void> }> {
  const path = join(home, 'sealed')
  await writeFile(path, '')
  const file = new GrowingFile(path)
  const grow = async () => {
    let sizeBytes = 0
    for (const piece of pieces) {
      await appendFile(path, piece)
      file.advance((sizeBytes += piece.length))
    }
    file.finish(sizeBytes)
  }
  return { file, grow }
}
const pieces = [large.subarray(0, 10), large.subarray(10, partBytes + 3), large.subarray(partBytes + 3)]

test('a file is uploaded while it grows, and becomes visible only when it is committed', async () => {
  const { file, grow } = await growing(pieces)
  let commit: (expected: ExpectedObject) => void = () => undefined
  const committed = new Promise<ExpectedObject>((resolve) => (commit = resolve))
  const upload = set.uploadGrowingFile(largeName, { file, commit: committed }, options)
  await grow()
  while (stores.east.calls.get('write') === undefined) await new Promise((resolve) => setImmediate(resolve))
  expect((await set.stat(largeName)).held.map(({ object }) => object)).toEqual([null, null, null])
  commit(expectedOf(large))
  expect(requireEvery(await upload)).toHaveLength(3)
  expect(sha256Hex(await set.readVerified(largeName, expectedOf(large)))).toBe(sha256Hex(large))
})

test('a file that is named after its own bytes is followed where the name may come last, and sent at once where it may not', async () => {
  const { file, grow } = await growing(pieces)
  // North's folder itself; the others have to be told a name first.
  const north = new FsObjectStore(join(home, 'north'), new SystemClock(), new SystemEntropy())
  const mixed = new ReplicaSet(set.replicas.map((replica) => (replica.name === 'north' ? { ...replica, store: north } : replica)))
  let commit: (expected: ExpectedObject) => void = () => undefined
  const committed = new Promise<ExpectedObject>((resolve) => (commit = resolve))
  const upload = mixed.uploadGrowingFile(
    committed.then(() => largeName),
    { file, commit: committed },
    options,
  )
  await grow()
  const incoming = join(home, 'north', '.incoming')
  const arrived = async () => Promise.all((await readdir(incoming)).map(async (part) => (await stat(join(incoming, part))).size))
  while ((await arrived())[0] !== large.length) await new Promise((resolve) => setImmediate(resolve))
  expect([stores.south.calls.get('open'), (await set.stat(largeName)).held.map(({ object }) => object)]).toEqual([
    undefined,
    [null, null, null],
  ])
  commit(expectedOf(large))
  expect(requireEvery(await upload)).toHaveLength(3)
  for (const replica of Object.keys(countries) as Name[]) expect(sha256Hex(await readFile(at(replica, largeName)))).toBe(sha256Hex(large))
  // Again: every replica holds it already.
  const again = { file: GrowingFile.finished(file.path, large.length), commit: committed }
  expect(
    requireEvery(await mixed.uploadGrowingFile(Promise.resolve(largeName), again, options)).map(({ object }) => object.versionId),
  ).toEqual(['v0001', 'v0001', 'v0001'])
})

test('a file that never gets its name leaves nothing', async () => {
  const { file } = await growing(pieces)
  const north = new FsObjectStore(join(home, 'north'), new SystemClock(), new SystemEntropy())
  const mixed = new ReplicaSet(set.replicas.map((replica) => (replica.name === 'north' ? { ...replica, store: north } : replica)))
  const commit = Promise.reject(new EscrowError('DIGEST_MISMATCH', 'it is not as was said'))
  const named = commit.then(() => largeName)
  named.catch(() => undefined)
  expect(await codeOf(mixed.uploadGrowingFile(named, { file, commit }, options))).toBe('DIGEST_MISMATCH')
  expect([stores.south.calls.get('open'), await readdir(join(home, 'north', '.incoming'))]).toEqual([undefined, []])
})

test('when the checks fail every upload is given up, also one that waits for bytes, and nothing is left', async () => {
  const { file } = await growing(pieces)
  stores.south.plan({ at: 'open', fault: 'hang' })
  const commit = Promise.reject(new EscrowError('PACK_CORRUPT', 'the pack is damaged'))
  expect(await codeOf(set.uploadGrowingFile(largeName, { file, commit }, options))).toBe('PACK_CORRUPT')
  expect((await set.stat(largeName)).held.map(({ object }) => object)).toEqual([null, null, null])
})

test('an aborted signal ends an upload although nobody ever commits', async () => {
  const { file } = await growing(pieces)
  const stop = new AbortController()
  const upload = set.uploadGrowingFile(largeName, { file, commit: new Promise(() => undefined) }, options, stop.signal)
  stop.abort(new EscrowError('LEASE_LOST', 'another worker has the source'))
  expect(await codeOf(upload)).toBe('LEASE_LOST')
})

test('a replica that breaks holds up no other, and catches up from the finished file', async () => {
  const { file, grow } = await growing(pieces)
  stores.south.plan({ at: 'write', fault: 'timeOut', after: 1 })
  const [placement] = await Promise.all([
    set.uploadGrowingFile(largeName, { file, commit: Promise.resolve(expectedOf(large)) }, options),
    grow(),
  ])
  expect(placement.stored.map(({ replica }) => replica)).toEqual(['north', 'east'])
  const source = { file: GrowingFile.finished(file.path, large.length), commit: Promise.resolve(expectedOf(large)) }
  expect(requireEvery(await set.uploadGrowingFile(largeName, source, { ...options, only: ['south'] }))).toHaveLength(1)
  expect(requireEvery(await set.uploadGrowingFile(largeName, source, options)).map(({ object }) => object.versionId)).toEqual([
    'v0001',
    'v0001',
    'v0001',
  ])
})

test('a file that is shorter than what was committed is refused everywhere', async () => {
  const { file, grow } = await growing(pieces.slice(0, 2))
  await grow()
  const placement = await set.uploadGrowingFile(largeName, { file, commit: Promise.resolve(expectedOf(large)) }, options)
  expect(placement.failed.map(({ error }) => error.code)).toEqual(['STORE_SHORT_WRITE', 'STORE_SHORT_WRITE', 'STORE_SHORT_WRITE'])
})

test('the start-up check passes replicas that are as they must be, with their notes', async () => {
  const reports = await checkReplicas(set.replicas, () => [])
  expect(reports.map(({ replica }) => replica)).toEqual(['north', 'south', 'east'])
  expect(reports[0]?.report.notes?.[0]).toMatch(/software alone/)
})

test('the start-up check names every replica and rule that stop the service', async () => {
  const verdict = ({ country }: Replica) => (country === 'CH' ? [] : [`storeCountries: ${country} is not allowed`])
  await expect(checkReplicas(set.replicas, verdict)).rejects.toMatchObject({
    code: 'REPLICA_POLICY',
    message: 'replica south: storeCountries: DE is not allowed; replica east: storeCountries: FR is not allowed',
  })
  stores.south.plan({ at: 'inspect', fault: 'timeOut' })
  await expect(checkReplicas(set.replicas, () => [])).rejects.toMatchObject({
    code: 'STORE_UNREACHABLE',
    message: 'replica south: it does not answer',
  })
  const [north] = set.replicas
  const unlocked = new FaultyObjectStore(north!.store)
  unlocked.inspect = async () => ({ reachable: true, versioned: true, locked: false, problems: [] })
  await expect(checkReplicas([{ ...north!, store: unlocked }], () => [])).rejects.toMatchObject({
    code: 'REPLICA_UNSUITABLE',
    message: 'replica north: no object lock',
  })
})
