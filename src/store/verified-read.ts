// Reading from replicas none of which is trusted: bytes count only once their digest is the expected one. What a replica answers is
// attacker-controlled; so is how long the answer is.
import { createHash, subtle } from 'node:crypto'
import { assert, EscrowError, isEscrowError } from '../core/errors.js'
import { inventoryBytesMax, partBytes } from '../core/limits.js'
import { AsideDigester } from '../crypto/aside-digester.js'
import { threadMemory } from '../crypto/thread-memory.js'
import { expectedParts, requireMatch, verifiedAtEnd, type ExpectedObject, type ExpectedPart } from './expected-object.js'
import type { ObjectKey } from './object-key.js'
import type { ObjectStore } from './object-store.js'
import { faultOfAll, type Replica, type ReplicaFault } from './replica.js'

/** A store to read from, and what it is called in refusals: a replica is one. */
export type NamedStore = Pick<Replica, 'name' | 'store'>

/** Where good bytes were found. */
export interface GoodCopy {
  readonly replica: NamedStore
  /** Undefined: the newest version. */
  readonly versionId: string | undefined
}

/** What a read looks for, and who hears of replicas that could not give it. */
export interface Search {
  readonly key: ObjectKey
  readonly expected: ExpectedObject
  /** Give only these bytes; they lie inside the object. What is verified is the same: every part of which one byte is given, whole. */
  readonly range?: { readonly offset: number; readonly sizeBytes: number }
  readonly onFault?: (fault: ReplicaFault) => void
  /** Hears which replica the next block comes from. */
  readonly onCopy?: (replica: string) => void
  /** Each block is done with when the next is asked for: two buffers serve for all, where fresh ones would pile up until V8 looks. */
  readonly transient?: boolean
}

/**
 * The verified bytes of a small object, from the first replica that has them.
 *
 * @throws EscrowError `OBJECT_MISSING`, `OBJECT_CORRUPT`, `STORE_UNREACHABLE`, `STORE_REFUSED` when no replica has them.
 */
export async function readWhole(replicas: readonly NamedStore[], search: Search, signal?: AbortSignal): Promise<Uint8Array> {
  const { key, expected } = search
  if (expected.sizeBytes > inventoryBytesMax) {
    throw new EscrowError('STORE_REFUSED', `${key} has ${expected.sizeBytes} bytes, more than is read at once`)
  }
  const whole = { offset: 0, sizeBytes: expected.sizeBytes, sha256: expected.sha256, last: true }
  const { found } = await firstGood(
    inOrder(replicas),
    search,
    (store, versionId) => readPart(store, key, { part: whole, versionId }, signal),
    signal,
  )
  return found
}

/**
 * The bytes of an object of any size, failing over between replicas. With part digests each block is verified before it is given.
 * Without them a large object is verified by one whole read first, and again while it passes: take nothing for good before the end.
 *
 * @throws EscrowError as `readWhole`, at any block.
 */
export async function* readStream(replicas: readonly NamedStore[], search: Search, signal?: AbortSignal): AsyncIterable<Uint8Array> {
  const { key, expected } = search
  if (expected.partSha256 === undefined && expected.sizeBytes > partBytes) {
    const { copy } = await firstGood(inOrder(replicas), search, (store, versionId) => digestOf(store, search, versionId, signal), signal)
    search.onCopy?.(copy.replica.name)
    const range = copy.versionId === undefined ? {} : { versionId: copy.versionId }
    yield* cutOut(placed(verifiedAtEnd(key, expected, copy.replica.store.get(key, range, signal))), search.range)
    return
  }
  yield* cutOut(readParts(replicas, search, signal), search.range)
}

/** Parts that a range touches, in order, each with its place. The next one is read and hashed while the caller works on this one. */
async function* readParts(replicas: readonly NamedStore[], search: Search, signal?: AbortSignal): AsyncGenerator<PlacedBytes> {
  const parts = expectedParts(search.expected).filter((part) => touches(part, search.range))
  const buffers = search.transient === true ? [threadMemory(longest(parts)), threadMemory(longest(parts))] : []
  let last: GoodCopy | null = null
  const begin = (index: number) => {
    const part = parts[index]
    if (part === undefined) return null
    const buffer = buffers[index % 2]
    const read = (store: ObjectStore, versionId: string | undefined) => readPart(store, search.key, { part, versionId, buffer }, signal)
    const reading = firstGood(inOrder(replicas, last), search, read, signal)
    // Whoever stops reading never hears of a fault that was met ahead.
    reading.catch(() => undefined)
    return reading
  }
  let pending = begin(0)
  try {
    for (const [index, part] of parts.entries()) {
      const ready = await pending
      assert(ready !== null, 'a reading for each part')
      last = ready.copy
      pending = begin(index + 1)
      search.onCopy?.(ready.copy.replica.name)
      yield { from: part.offset, bytes: ready.found }
    }
  } finally {
    await pending?.catch(() => undefined)
  }
}

function longest(parts: readonly ExpectedPart[]): number {
  return parts.reduce((most, part) => Math.max(most, part.sizeBytes), 0)
}

/** Bytes and where in the object they begin. */
interface PlacedBytes {
  readonly from: number
  readonly bytes: Uint8Array
}

function touches(part: ExpectedPart, range: Search['range']): boolean {
  return range === undefined || (part.offset < range.offset + range.sizeBytes && range.offset < part.offset + part.sizeBytes)
}

/** What lies in the range. */
async function* cutOut(blocks: AsyncIterable<PlacedBytes>, range: Search['range']): AsyncIterable<Uint8Array> {
  for await (const { from, bytes } of blocks) {
    const begin = Math.max(0, (range?.offset ?? 0) - from)
    const end = range === undefined ? bytes.length : Math.min(bytes.length, range.offset + range.sizeBytes - from)
    if (begin < end) yield bytes.subarray(begin, end)
  }
}

async function* placed(blocks: AsyncIterable<Uint8Array>): AsyncIterable<PlacedBytes> {
  let from = 0
  for await (const bytes of blocks) {
    yield { from, bytes }
    from += bytes.length
  }
}

/** Replicas in their order, but the copy that was good just now first. */
function inOrder(replicas: readonly NamedStore[], last: GoodCopy | null = null): readonly GoodCopy[] {
  const newest = replicas.map((replica) => ({ replica, versionId: undefined }))
  return last === null ? newest : [last, ...newest.filter((copy) => copy.replica !== last.replica || last.versionId !== undefined)]
}

/**
 * Try the newest version at each replica, then, when all have failed, superseded ones: whoever can write to a store can put a bad
 * version over a locked good one, but cannot take the good one away.
 */
async function firstGood<T>(
  copies: readonly GoodCopy[],
  search: Search,
  read: (store: ObjectStore, versionId: string | undefined) => Promise<T>,
  signal: AbortSignal | undefined,
): Promise<{ readonly found: T; readonly copy: GoodCopy }> {
  const faults: ReplicaFault[] = []
  const attempt = async (copy: GoodCopy) => {
    try {
      return { found: await read(copy.replica.store, copy.versionId), copy }
    } catch (error) {
      signal?.throwIfAborted()
      if (!isEscrowError(error)) throw error
      const fault = { replica: copy.replica.name, error }
      faults.push(fault)
      search.onFault?.(fault)
      return null
    }
  }
  for (const copy of copies) {
    const good = await attempt(copy)
    if (good !== null) return good
  }
  for (const copy of await supersededCopies(copies, search.key, signal)) {
    const good = await attempt(copy)
    if (good !== null) return good
  }
  throw faultOfAll(faults)
}

/** Every version by name, but the newest where it was the newest that failed. A replica that cannot list has been heard already. */
async function supersededCopies(
  copies: readonly GoodCopy[],
  key: ObjectKey,
  signal: AbortSignal | undefined,
): Promise<readonly GoodCopy[]> {
  const found: GoodCopy[] = []
  for (const replica of new Set(copies.map((copy) => copy.replica))) {
    try {
      const newest = await replica.store.stat(key, signal)
      for (const { versionId } of await replica.store.versions(key, signal)) {
        if (versionId !== newest?.versionId) found.push({ replica, versionId })
      }
    } catch (error) {
      signal?.throwIfAborted()
      if (!isEscrowError(error)) throw error
    }
  }
  return found
}

/** What one reading of a part needs to know. */
interface PartReading {
  readonly part: ExpectedPart
  readonly versionId: string | undefined
  /** To read into; a fresh one when left out. */
  readonly buffer?: Uint8Array | undefined
}

/** One part, verified. The last part is read to the end of the object, so that bytes after it are noticed; a longer answer is cut off. */
async function readPart(
  store: ObjectStore,
  key: ObjectKey,
  { part, versionId, buffer }: PartReading,
  signal: AbortSignal | undefined,
): Promise<Uint8Array> {
  // Not filled with zeros: nothing of it is given out before its digest has matched.
  const bytes = buffer === undefined ? Buffer.allocUnsafeSlow(part.sizeBytes) : buffer.subarray(0, part.sizeBytes)
  let sizeBytes = 0
  const range = {
    ...(versionId === undefined ? {} : { versionId }),
    offset: part.offset,
    transient: true,
    ...(part.last ? {} : { sizeBytes: part.sizeBytes }),
  }
  for await (const block of store.get(key, range, signal)) {
    if (sizeBytes + block.length <= bytes.length) bytes.set(block, sizeBytes)
    sizeBytes += block.length
    if (sizeBytes > bytes.length) break
  }
  requireMatch(key, part, { sizeBytes, sha256: sizeBytes === bytes.length ? await sha256Aside(bytes) : '' })
  return bytes
}

/** SHA-256 in lower-case hex, made by another thread: the caller decrypts or writes the part before meanwhile. */
async function sha256Aside(bytes: Uint8Array): Promise<string> {
  // WebCrypto copies what it hashes, and takes no shared memory.
  if (bytes.buffer instanceof ArrayBuffer) return Buffer.from(await subtle.digest('SHA-256', bytes)).toString('hex')
  const digester = new AsideDigester()
  try {
    await digester.update(bytes)
    return (await digester.finish()).sha256
  } finally {
    digester.drop()
  }
}

async function digestOf(
  store: ObjectStore,
  { key, expected }: Search,
  versionId: string | undefined,
  signal: AbortSignal | undefined,
): Promise<void> {
  const hash = createHash('sha256')
  let sizeBytes = 0
  for await (const block of store.get(key, { transient: true, ...(versionId === undefined ? {} : { versionId }) }, signal)) {
    hash.update(block)
    sizeBytes += block.length
    if (sizeBytes > expected.sizeBytes) break
  }
  requireMatch(key, expected, { sizeBytes, sha256: hash.digest('hex') })
}
