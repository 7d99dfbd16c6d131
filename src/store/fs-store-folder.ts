import { constants } from 'node:fs'
import { access, link, open, readdir, rename, stat } from 'node:fs/promises'
import { join, parse, resolve } from 'node:path'
import { EscrowError } from '../core/errors.js'
import { uploadLeaseMs } from '../core/limits.js'
import { makeFolder, orNull, removeQuietly, syncFolder, translated } from './fs-durable.js'
import type { StoreReport } from './object-store.js'

const softwareLock = 'the retention lock of a folder is kept by this software alone: whoever may write to the folder can break it'

/**
 * Make a folder into an object store or a log head store, for `escrow init`, with the folders above it. Idempotent.
 *
 * @throws EscrowError `STORE_REFUSED`, `STORE_UNREACHABLE`
 */
export async function makeStoreFolder(folder: string): Promise<void> {
  const path = resolve(folder)
  await translated('make the store folder', () => makeFolder(parse(path).root, join(path, '.incoming')))
}

/** Try what a put needs, and sweep what broken uploads left. Never throws except for an aborted signal. */
export async function inspectFolder(
  root: string,
  { now, active, freeName }: { readonly now: Date; readonly active: ReadonlySet<string>; readonly freeName: string },
  signal?: AbortSignal,
): Promise<StoreReport> {
  signal?.throwIfAborted()
  try {
    const incoming = join(root, '.incoming')
    await translated('use the store folder', () => tryPut(root, incoming, freeName))
    await translated('sweep the store folder', () => sweep(incoming, now, active))
    return { reachable: true, versioned: true, locked: true, problems: [], notes: [softwareLock] }
  } catch (error) {
    if (!(error instanceof EscrowError)) throw error
    return { reachable: false, versioned: false, locked: false, problems: [error.message], notes: [softwareLock] }
  }
}

/** Write, sync, link, rename, remove and sync again: a file system that cannot do these cannot be a store. */
async function tryPut(root: string, incoming: string, freeName: string): Promise<void> {
  if ((await orNull(stat(root))) === null)
    throw new EscrowError('STORE_UNREACHABLE', 'the store folder does not exist; is its disk mounted?')
  if ((await orNull(stat(incoming))) === null) {
    throw new EscrowError('STORE_UNREACHABLE', 'the folder is not a store (it has no .incoming); is its disk mounted?')
  }
  await access(root, constants.R_OK | constants.W_OK | constants.X_OK)
  const [linked, renamed] = [`${freeName}.linked`, `${freeName}.renamed`]
  try {
    const handle = await open(freeName, 'wx', 0o600)
    try {
      await handle.write('trial')
      await handle.sync()
    } finally {
      await handle.close()
    }
    await link(freeName, linked)
    await rename(linked, renamed)
    await syncFolder(incoming)
  } finally {
    for (const path of [freeName, linked, renamed]) await removeQuietly(path)
  }
}

/** Files of uploads that no living process continues: older than the lease and not ours. */
async function sweep(incoming: string, now: Date, active: ReadonlySet<string>): Promise<void> {
  for (const name of await readdir(incoming)) {
    const path = join(incoming, name)
    const stats = await orNull(stat(path))
    if (stats === null || active.has(path) || now.getTime() - stats.mtimeMs < uploadLeaseMs) continue
    await removeQuietly(path)
  }
}
