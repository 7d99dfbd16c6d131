import { open } from 'node:fs/promises'
import { EscrowError, isEscrowError } from '../core/errors.js'
import { readBlockBytes } from '../core/limits.js'
import { sha256Hex, verifiedAtEnd, type ExpectedObject } from './expected-object.js'
import type { GrowingFile } from './growing-file.js'
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
  const write = async (upload: ObjectUpload) => {
    await upload.write(bytes)
    return expected
  }
  return send(store, sending, write, async () => expected, signal)
}

/**
 * Send a file that is still growing, at this store's own pace, and complete the object once `commit` says what it must be.
 * Idempotent as `sendBytes`.
 *
 * @param commit - resolves after the file is finished and may become visible; its rejection must abort `signal`.
 */
export async function sendGrowingFile(
  store: ObjectStore,
  sending: Sending,
  { file, commit }: { readonly file: GrowingFile; readonly commit: Promise<ExpectedObject> },
  signal: AbortSignal,
): Promise<StoredObject> {
  const write = async (upload: ObjectUpload) => {
    const sentBytes = await tail(file, upload, signal)
    // The file is final while git still resolves deltas: what its store has to do is done by the time the checks have passed.
    await upload.settle?.()
    const expected = await commit
    signal.throwIfAborted()
    if (sentBytes === expected.sizeBytes) return expected
    throw new EscrowError('STORE_SHORT_WRITE', `expected to send ${expected.sizeBytes} bytes of ${sending.key}, sent ${sentBytes}`)
  }
  return send(store, sending, write, () => commit, signal)
}

async function send(
  store: ObjectStore,
  sending: Sending,
  write: (upload: ObjectUpload) => Promise<ExpectedObject>,
  commit: () => Promise<ExpectedObject>,
  signal?: AbortSignal,
): Promise<StoredObject> {
  let upload: ObjectUpload | null = null
  let completing = false
  try {
    upload = await store.openUpload(sending.key, sending, signal)
    await write(upload)
    completing = true
    return await upload.complete()
  } catch (error) {
    await upload?.abort()
    signal?.throwIfAborted()
    // The object may lie there although we never heard so: from an earlier run, or because the answer was lost.
    const maybeStored = isEscrowError(error, 'OBJECT_EXISTS') || (completing && isEscrowError(error, 'STORE_UNREACHABLE'))
    const adopted = maybeStored ? await adopt(store, sending, await commit(), signal) : null
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

/** Follow a growing file to its end. @returns how many bytes were sent. */
async function tail(file: GrowingFile, upload: ObjectUpload, signal: AbortSignal): Promise<number> {
  const handle = await open(file.path, 'r')
  try {
    const block = Buffer.allocUnsafe(readBlockBytes)
    let sentBytes = 0
    for (;;) {
      const { finalBytes, finished } = await file.beyond(sentBytes, signal)
      while (sentBytes < finalBytes) {
        const { bytesRead } = await handle.read(block, 0, Math.min(block.length, finalBytes - sentBytes), sentBytes)
        if (bytesRead === 0) throw new EscrowError('FILE_UNREADABLE', `the sealed file ended at byte ${sentBytes}, expected ${finalBytes}`)
        await upload.write(block.subarray(0, bytesRead))
        sentBytes += bytesRead
      }
      if (finished) return sentBytes
    }
  } finally {
    await handle.close()
  }
}
