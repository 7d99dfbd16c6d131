// The versions of one object in a folder, readable by a person:
//
//   deposits/manifest.json                       the newest version, under its plain name
//   deposits/.versions/manifest.json.lock        {"versions":[{"versionId":"v0001","retainUntil":"2036-11-22T10:00:00.000Z"}, ...]}
//   deposits/.versions/manifest.json.d/v0001     a superseded version
//
// No object key has a segment that begins with a dot, so nothing here can collide with an object. Which version lies under the
// plain name is never stored twice: it is the one in `.d` that is the same file (a supersession that stopped half way), otherwise
// the last recorded one that is not in `.d`.
import type { Stats } from 'node:fs'
import { link, lstat, readdir, readFile, rename } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { z } from 'zod'
import { EscrowError } from '../core/errors.js'
import { documentBytesMax } from '../core/limits.js'
import { errnoOf, makeFolder, nameExclusively, orNull, replaceFile, syncFolder } from './fs-durable.js'

const versionName = /^v\d{4,9}$/
const RecordedVersion = z.strictObject({
  versionId: z.string().regex(versionName),
  retainUntil: z.iso.datetime({ precision: 3 }),
})
const LockRecord = z.strictObject({ versions: z.array(RecordedVersion) })
type RecordedVersion = z.infer<typeof RecordedVersion>

/** Beside objects that were stored here; a copied tree has none. */
export const versionsFolderName = '.versions'
/** What a file is taken for of which no version is on record. */
export const firstVersionId = 'v0001'

/** One version as it lies in the folder. */
export interface VersionFile {
  readonly versionId: string
  readonly path: string
  readonly sizeBytes: number
  /** Null when no record names this version: a copied tree, or a lost or damaged lock record. */
  readonly retainUntil: Date | null
}

/** Everything known of one object; `newest` is null when nothing lies under its plain name. */
export interface ObjectVersions {
  readonly newest: VersionFile | null
  /** Newest first, without `newest`. */
  readonly superseded: readonly VersionFile[]
  readonly recorded: readonly RecordedVersion[]
  /** A version id that no version has or had. */
  readonly nextVersionId: string
}

/** Where the parts of one object lie. */
export class ObjectPlace {
  readonly folder: string
  readonly versionsFolder: string
  readonly lockRecord: string
  readonly supersededFolder: string

  /** @param path - the plain path, below `root`. */
  constructor(
    readonly root: string,
    readonly path: string,
  ) {
    const name = basename(path)
    this.folder = dirname(path)
    this.versionsFolder = join(this.folder, versionsFolderName)
    this.lockRecord = join(this.versionsFolder, `${name}.lock`)
    this.supersededFolder = join(this.versionsFolder, `${name}.d`)
  }
}

/** Read what lies in the folder for one object. Empty when there is nothing. */
export async function readVersions(place: ObjectPlace): Promise<ObjectVersions> {
  const plain = await lstatFile(place.path)
  const recorded = await readLockRecord(place.lockRecord)
  const names = ((await orNull(readdir(place.supersededFolder))) ?? []).filter((name) => versionName.test(name))
  const untilOf = new Map(recorded.map((version) => [version.versionId, new Date(version.retainUntil)]))
  const superseded: VersionFile[] = []
  let halfWay: string | null = null
  for (const versionId of names.toSorted(byNumber).toReversed()) {
    const path = join(place.supersededFolder, versionId)
    const stats = await lstatFile(path)
    if (stats === null) continue
    if (plain !== null && stats.ino === plain.ino && stats.dev === plain.dev) halfWay = versionId
    else superseded.push({ versionId, path, sizeBytes: stats.size, retainUntil: untilOf.get(versionId) ?? null })
  }
  const free = versionIdAfter([...names, ...untilOf.keys()])
  if (plain === null) return { newest: null, superseded, recorded, nextVersionId: free }
  const versionId = halfWay ?? [...untilOf.keys()].findLast((name) => !names.includes(name)) ?? free
  const newest = { versionId, path: place.path, sizeBytes: plain.size, retainUntil: untilOf.get(versionId) ?? null }
  return { newest, superseded, recorded, nextVersionId: versionId === free ? versionIdAfter([free]) : free }
}

/**
 * Give a finished, synced file its place as the newest version. The caller holds the object's turn.
 *
 * @param temporary - the finished file; gone on success.
 * @param freeName - a free temporary name on the same file system.
 */
export async function placeVersion(
  place: ObjectPlace,
  before: ObjectVersions,
  { temporary, freeName, retainUntil }: { readonly temporary: string; readonly freeName: string; readonly retainUntil: Date },
): Promise<void> {
  await makeFolder(place.root, place.versionsFolder)
  if (before.newest !== null) await keepBeside(place, before.newest)
  // If we stop before the name is given, the record has one version more than there are files; readVersions passes over it.
  const recorded = [...before.recorded, { versionId: before.nextVersionId, retainUntil: retainUntil.toISOString() }]
  await writeLockRecord(place, recorded, freeName)
  try {
    if (before.newest === null) return await nameExclusively(temporary, place.path)
    await rename(temporary, place.path)
  } catch (error) {
    await writeLockRecord(place, before.recorded, freeName)
    if (errnoOf(error) !== 'EEXIST') throw error
    throw new EscrowError('OBJECT_EXISTS', 'another writer or a folder has taken the name of the object', { cause: error })
  }
  await syncFolder(place.folder)
}

/** Record until when a version is kept, in place of what was recorded for it. The caller holds the object's turn. */
export async function recordRetention(
  place: ObjectPlace,
  before: ObjectVersions,
  version: RecordedVersion,
  freeName: string,
): Promise<void> {
  await makeFolder(place.root, place.versionsFolder)
  const known = before.recorded.some((recorded) => recorded.versionId === version.versionId)
  const recorded = known
    ? before.recorded.map((other) => (other.versionId === version.versionId ? version : other))
    : [...before.recorded, version]
  await writeLockRecord(place, recorded, freeName)
}

/** Give the newest version its second name, so that the plain name can pass to its successor in one step. */
async function keepBeside(place: ObjectPlace, newest: VersionFile): Promise<void> {
  await makeFolder(place.root, place.supersededFolder)
  try {
    await link(place.path, join(place.supersededFolder, newest.versionId))
  } catch (error) {
    // An earlier supersession stopped after this step.
    if (errnoOf(error) !== 'EEXIST') throw error
  }
  await syncFolder(place.supersededFolder)
}

async function writeLockRecord(place: ObjectPlace, versions: readonly RecordedVersion[], freeName: string): Promise<void> {
  const text = `${JSON.stringify({ versions })}\n`
  await replaceFile(place.lockRecord, Buffer.from(text), freeName)
}

/** A record that is missing or damaged is no record: the bytes stay readable, and their lock reads as unknown. */
async function readLockRecord(path: string): Promise<readonly RecordedVersion[]> {
  const stats = await lstatFile(path)
  if (stats === null || stats.size > documentBytesMax) return []
  const text = await readFile(path, 'utf8')
  try {
    return LockRecord.parse(JSON.parse(text)).versions
  } catch {
    return []
  }
}

/** The file at a path, or null when there is none; a folder or a symbolic link is not a file of ours. */
async function lstatFile(path: string): Promise<Stats | null> {
  const stats = await orNull(lstat(path))
  return stats !== null && stats.isFile() ? stats : null
}

const numberOf = (versionId: string) => Number(versionId.slice(1))
const byNumber = (a: string, b: string) => numberOf(a) - numberOf(b)

function versionIdAfter(versionIds: readonly string[]): string {
  return `v${String(Math.max(0, ...versionIds.map(numberOf)) + 1).padStart(4, '0')}`
}
