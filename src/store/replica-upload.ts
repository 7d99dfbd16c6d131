import { EscrowError, isEscrowError } from '../core/errors.js'
import { sha256Hex, verifiedAtEnd, type ExpectedObject } from './expected-object.js'
import type { ObjectKey } from './object-key.js'
import type { ObjectStore, ObjectUpload, StoredObject } from './object-store.js'

/** One object on its way to one store. */
export interface Sending {
  readonly key: ObjectKey
  readonly retainUntil: Date
  readonly supersede?: boolean
}

/**
 * Store bytes at one store. Idempotent: a store that already holds these bytes has them kept for long enough, and that is all.
 *
 * @throws EscrowError `OBJECT_EXISTS` when other bytes lie under the key and `supersede` is not set; `STORE_*`, `RETENTION_REFUSED`.
 */
export async function sendBytes(store: ObjectStore, sending: Sending, bytes: Uint8Array, signal?: AbortSignal): Promise<StoredObject> {
  const expected = { sizeBytes: bytes.length, sha256: sha256Hex(bytes) }
  const write = (upload: ObjectUpload) => upload.write(bytes)
  const begin = () => store.openUpload(sending.key, sending, signal)
  return send(store, { begin, write, wanted: async () => ({ sending, expected }) }, signal)
}

/**
 * Send what is still being made, and complete the object once `commit` says what it must be. Idempotent as `sendBytes`.
 *
 * @param blocks - from `GrowingBytes.follow`; ended in any case.
 * @param sending.key - a promise of one for what is named after its own bytes; it is settled as soon as `commit` is. A store that must be told a
 *   key first is sent the file when there is one.
 * @param commit - resolves after the file is finished and may become visible; its rejection must abort `signal`.
 */
export async function sendGrowing(
  store: ObjectStore,
  { key: named, ...options }: Omit<Sending, 'key'> & { readonly key: ObjectKey | Promise<ObjectKey> },
  { blocks, commit }: { readonly blocks: AsyncIterableIterator<Uint8Array>; readonly commit: Promise<ExpectedObject> },
  signal: AbortSignal,
): Promise<StoredObject> {
  const wanted = async () => ({ sending: { ...options, key: await named }, expected: await commit })
  const write = async (upload: ObjectUpload) => {
    let sentBytes = 0
    for await (const block of blocks) {
      await upload.write(block)
      sentBytes += block.byteLength
    }
    // The file is final while git still resolves deltas: what its store has to do is done by the time the checks have passed.
    await upload.settle?.()
    const { sending, expected } = await wanted()
    signal.throwIfAborted()
    if (sentBytes === expected.sizeBytes) return
    throw new EscrowError('STORE_SHORT_WRITE', `expected to send ${expected.sizeBytes} bytes of ${sending.key}, sent ${sentBytes}`)
  }
  const isNamed = typeof named === 'string' || options.supersede === true
  const begin = async () =>
    (isNamed ? null : await openLate(store, named, options, signal)) ?? store.openUpload(await named, options, signal)
  try {
    return await send(store, { begin, write, wanted }, signal)
  } finally {
    await blocks.return?.()
  }
}

/** An upload that asks for its key at its end; null where a store has to be told before. */
async function openLate(
  store: ObjectStore,
  named: ObjectKey | Promise<ObjectKey>,
  options: Omit<Sending, 'key'>,
  signal: AbortSignal,
): Promise<ObjectUpload | null> {
  const upload = await store.openNameless?.(options, signal)
  if (upload === undefined) return null
  return {
    write: (bytes) => upload.write(bytes),
    settle: async () => upload.settle?.(),
    complete: async () => upload.complete(await named),
    abort: () => upload.abort(),
  }
}

/** How one store is sent to. */
interface Steps {
  readonly begin: () => Promise<ObjectUpload>
  readonly write: (upload: ObjectUpload) => Promise<void>
  /** What the store is to hold in the end. */
  readonly wanted: () => Promise<{ readonly sending: Sending; readonly expected: ExpectedObject }>
}

async function send(store: ObjectStore, { begin, write, wanted }: Steps, signal?: AbortSignal): Promise<StoredObject> {
  let upload: ObjectUpload | null = null
  let completing = false
  try {
    upload = await begin()
    await write(upload)
    completing = true
    return await upload.complete()
  } catch (error) {
    await upload?.abort()
    signal?.throwIfAborted()
    // The object may lie there although we never heard so: from an earlier run, or because the answer was lost.
    const maybeStored = isEscrowError(error, 'OBJECT_EXISTS') || (completing && isEscrowError(error, 'STORE_UNREACHABLE'))
    if (!maybeStored) throw error
    const { sending, expected } = await wanted()
    const adopted = await adopt(store, sending, expected, signal)
    if (adopted === null) throw error
    return adopted
  }
}

/** What the store holds if it is exactly what we would have stored, kept for long enough; null otherwise. */
async function adopt(
  store: ObjectStore,
  { key, retainUntil }: Sending,
  expected: ExpectedObject,
  signal?: AbortSignal,
): Promise<StoredObject | null> {
  try {
    const held = await store.stat(key, signal)
    if (held === null || held.sizeBytes !== expected.sizeBytes) return null
    for await (const block of verifiedAtEnd(key, expected, store.get(key, { versionId: held.versionId }, signal))) void block
    if (held.retainUntil !== null && held.retainUntil >= retainUntil) return held
    return await store.extendRetention(key, held.versionId, retainUntil, signal)
  } catch (error) {
    signal?.throwIfAborted()
    if (isEscrowError(error)) return null
    throw error
  }
}
