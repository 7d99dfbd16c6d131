// What lies in a folder as a store lists it. Only names of keys are looked at: whatever else somebody put there is passed over.
import { lstat, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { statAtOnce } from './fs-at-once.js'
import { orNull, pathBelow, translated } from './fs-durable.js'
import { firstVersionId, versionsFolderName } from './fs-versions.js'
import { parseObjectKey, type ObjectKey } from './object-key.js'
import type { StoredObject } from './object-store.js'

/** What is listed. */
export interface FolderListing {
  readonly root: string
  /** Below the root, with its slash; empty for the root. */
  readonly folder: string
  readonly namePrefix: string
  /** Look at files without leaving the thread; see fs-at-once.ts. */
  readonly atOnce: boolean
  /** For folders with versions on record. */
  readonly stat: (key: ObjectKey) => Promise<StoredObject | null>
}

/** A folder whose names are not all given yet. */
interface OpenFolder {
  readonly folder: string
  /** Folders with a slash at their end. */
  readonly names: Iterator<string>
  /** Nothing in it has a version on record: one look at each file is enough. */
  readonly copied: boolean
}

/**
 * Objects below a folder in key order: a folder sorts as its name with the slash that follows it in every key.
 *
 * @throws EscrowError `STORE_UNREACHABLE`, `STORE_REFUSED`
 */
export async function* listFolder(listing: FolderListing, signal?: AbortSignal): AsyncGenerator<StoredObject> {
  const open = [await openFolder(listing.root, listing.folder, listing.namePrefix)]
  for (let last = open.at(-1); last !== undefined; last = open.at(-1)) {
    const next = last.names.next()
    if (next.done === true) open.pop()
    else if (next.value.endsWith('/')) {
      signal?.throwIfAborted()
      open.push(await openFolder(listing.root, `${last.folder}${next.value}`, ''))
    } else {
      const key = parseObjectKey(`${last.folder}${next.value}`)
      const object = last.copied ? await statCopied(key, listing) : await listing.stat(key)
      if (object !== null) yield object
    }
  }
}

async function openFolder(root: string, folder: string, namePrefix: string): Promise<OpenFolder> {
  const path = pathBelow(root, folder)
  const entries = await translated('list objects', () => orNull(readdir(path, { withFileTypes: true })))
  // Looked at after the names: it is made before the first of them is given, so where it is missing, none has a version on record.
  const versions = await translated('list objects', () => orNull(lstat(join(path, versionsFolderName))))
  const names = (entries ?? [])
    .filter((entry) => entry.name.startsWith(namePrefix) && (entry.isFile() || entry.isDirectory()) && isSegment(entry.name))
    .map((entry) => (entry.isDirectory() ? `${entry.name}/` : entry.name))
    .sort()
  return { folder, names: names.values(), copied: versions === null }
}

async function statCopied(key: ObjectKey, { root, atOnce }: FolderListing): Promise<StoredObject | null> {
  const path = pathBelow(root, key)
  const stats = await translated('list objects', async () => (atOnce ? statAtOnce(path) : orNull(lstat(path))))
  return stats?.isFile() === true ? { key, versionId: firstVersionId, sizeBytes: stats.size, retainUntil: null } : null
}

function isSegment(name: string): boolean {
  try {
    return parseObjectKey(name) === name
  } catch {
    return false
  }
}
