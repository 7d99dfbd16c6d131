import { fstatSync, lstatSync, readdirSync, readlinkSync } from 'node:fs'
import type { FileHandle } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { handlePrototype } from './full-disk.js'

/** What one sync made certain: so many bytes of a file, or the names in a folder. */
interface Synced {
  readonly ino: number
  readonly sizeBytes: number
  /** Of a folder: which file each name stands for; null of a file. */
  readonly names: ReadonlyMap<string, number> | null
}

type Sync = (this: FileHandle) => Promise<void>
type Syncing = Record<'sync' | 'datasync', Sync>

/** A disk that is watched for what a power cut would leave. */
export interface WatchedDisk {
  /** Why a power cut now could take a file, or leave its name with less than it holds; null when it could not. */
  lostByPowerCut(path: string): string | null
  stop(): void
}

/**
 * Watch what this process syncs through file handles. A file is safe when its bytes were synced before its name was, and every folder
 * from it up to `root` after it got its name (fsync(2)).
 *
 * @param root - exists, and is safe itself.
 */
export async function watchDisk(root: string): Promise<WatchedDisk> {
  const handles = (await handlePrototype()) as unknown as Syncing
  const kept = { sync: handles.sync, datasync: handles.datasync }
  const syncs: Synced[] = []
  const noting = (inner: Sync): Sync =>
    async function () {
      const seen = look(this.fd)
      await inner.call(this)
      syncs.push(seen)
    }
  Object.assign(handles, { sync: noting(kept.sync), datasync: noting(kept.datasync) })
  return {
    lostByPowerCut: (path) => problemOf(path, root, syncs),
    stop: () => void Object.assign(handles, kept),
  }
}

function look(fd: number): Synced {
  const stats = fstatSync(fd)
  const { ino, size: sizeBytes } = stats
  if (!stats.isDirectory()) return { ino, sizeBytes, names: null }
  const path = readlinkSync(`/proc/self/fd/${fd}`)
  return { ino, sizeBytes, names: new Map(readdirSync(path).map((name) => [name, lstatSync(join(path, name)).ino])) }
}

function problemOf(path: string, root: string, syncs: readonly Synced[]): string | null {
  const { ino, size } = lstatSync(path)
  const written = syncs.findIndex((one) => one.ino === ino && one.names === null && one.sizeBytes === size)
  if (written === -1) return `the bytes of ${path} were not synced`
  const named = syncs.findIndex((one) => one.names?.get(basename(path)) === ino)
  if (named !== -1 && named < written) return `${path} had its name before its bytes were synced`
  for (let below = path; below !== root; below = dirname(below)) {
    const [own, folder] = [lstatSync(below).ino, lstatSync(dirname(below)).ino]
    if (!syncs.some((one) => one.ino === folder && one.names?.get(basename(below)) === own)) return `the name of ${below} was not synced`
  }
  return null
}
