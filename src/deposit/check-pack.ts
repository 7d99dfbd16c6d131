// Connectivity of a pack that git has indexed on scratch: does the archive, with this pack, hold everything that the refs need? A full
// pack must stand alone, which `index-pack --strict` has shown but for the tips. An incremental may lean on what its chain holds, and
// on nothing else: for that git has no check without a repository, so the links are walked here.
import { EscrowError, isEscrowError } from '../core/errors.js'
import { linkedObjectBytesMax } from '../core/limits.js'
import { findUnknown, type KnownObjectsKey } from '../format/known-objects.js'
import type { Finding, ObjectType } from '../format/manifest.js'
import { listObjects, readObjects, statObjects } from '../git/cat-file.js'
import { fsckObjects } from '../git/fsck.js'
import type { FsckReport } from '../git/fsck-message.js'
import type { ObjectFormat } from '../git/git-remote.js'
import { CommitGraph } from './commit-graph.js'
import { restartFinding } from './compose-manifest.js'
import { oidBytesOf, parseCommit, visitLinks } from './object-links.js'
import { OidSet } from './oid-set.js'

/** A pack on scratch, and the refs that were listed with it. */
export interface PackToCheck {
  readonly gitDir: string
  readonly objectFormat: ObjectFormat
  /** What refs and a detached HEAD name. */
  readonly tips: readonly string[]
  /** Links are followed, and nothing else is looked at. */
  readonly noFsck?: boolean
}

/** What the chain holds: the known-objects files of its deposits, each streamed once, and their key. */
export interface KnownChain {
  readonly key: KnownObjectsKey
  readonly files: Iterable<AsyncIterable<Uint8Array>>
}

/** A pack that the archive can hold. */
export interface CheckedPack {
  readonly outcome: 'connected'
  /** Types of the tips that this pack carries. */
  readonly types: ReadonlyMap<string, ObjectType>
  readonly fsck: FsckReport
  /** The commits of an incremental pack; empty for a full one that was pulled. */
  readonly commits: CommitGraph
  /** What pack and chain together show of the history, where no remote can be asked. */
  readonly archived?: () => Promise<CommitGraph>
}

/** The chain does not hold what the pack leans on: an incremental would be a broken chain, so a full deposit is made instead. */
export interface NeedsFull {
  readonly outcome: 'needs-full'
  readonly finding: Finding
}

/**
 * Check a pack that must stand alone.
 *
 * @param fsck - what `index-pack --strict` said; by ending well it has followed every link.
 * @throws EscrowError `PACK_INCOMPLETE` when a ref names an object that the pack does not carry.
 */
export async function checkFullPack(pack: PackToCheck, fsck: FsckReport, signal?: AbortSignal): Promise<CheckedPack> {
  const types = await typesOf(pack.gitDir, pack.tips, signal)
  const missing = pack.tips.find((tip) => !types.has(tip))
  if (missing !== undefined) throw new EscrowError('PACK_INCOMPLETE', `expected the pack to carry every ref, but ${missing} is missing`)
  return { outcome: 'connected', types, fsck, commits: new CommitGraph() }
}

/**
 * Check a pack that leans on a chain.
 *
 * @returns `needs-full` when the pack or a ref leads to something that neither the pack nor the chain holds.
 * @throws EscrowError `PACK_CORRUPT` for an object that cannot be parsed; what reading a known-objects file throws, but for a file that is
 *   damaged or of another key, which needs a full; `DEPOSIT_TOO_LARGE` for a folder or message beyond `linkedObjectBytesMax`.
 *
 * 264 objects of express took 150 to 210 ms on two busy cores, nearly all of it git starting four times.
 */
export async function checkIncrementalPack(pack: PackToCheck, chain: KnownChain, signal?: AbortSignal): Promise<CheckedPack | NeedsFull> {
  const oidBytes = oidBytesOf(pack.objectFormat)
  const { carried, linking } = await listPack(pack, signal)
  const outside = new OidSet(oidBytes)
  const note = (bytes: Buffer, offset: number): void => {
    if (!carried.has(bytes, offset)) outside.add(bytes, offset)
  }
  for (const tip of pack.tips) note(Buffer.from(tip, 'hex'), 0)
  const commits = new CommitGraph()
  for await (const object of readObjects(pack.gitDir, linking, linkedObjectBytesMax, signal)) {
    if (object === null) throw new EscrowError('PACK_CORRUPT', 'expected git to read every object that it has indexed')
    visitLinks(object, oidBytes, note)
    if (object.type === 'commit') commits.add(object.oid, parseCommit(object.body, oidBytes).parents)
  }
  const lost = await findLost(chain, outside)
  if (lost !== null) return { outcome: 'needs-full', finding: lost }
  const types = await typesOf(pack.gitDir, pack.tips, signal)
  const fsck = pack.noFsck === true ? nothingSaid : await fsckObjects(pack.gitDir, {}, signal)
  return { outcome: 'connected', types, commits, fsck }
}

const nothingSaid: FsckReport = { counts: new Map(), listed: [] }

/** What says that the chain cannot carry this pack; null when it can. */
async function findLost(chain: KnownChain, wanted: OidSet): Promise<Finding | null> {
  try {
    const missing = await findUnknown(chain.key, chain.files, wanted)
    if (missing.length === 0) return null
    return restartFinding(`the remote leaned on ${missing.length} objects that the chain does not hold`)
  } catch (error) {
    if (!isEscrowError(error, 'KEY_INVALID') && !isEscrowError(error, 'FORMAT_INVALID')) throw error
    return { code: 'KNOWN_OBJECTS_LOST', severity: 'warning', subject: 'chain', detail: error.message }
  }
}

/** Every id of the pack, and in pack order those that have links. */
async function listPack(pack: PackToCheck, signal?: AbortSignal): Promise<{ carried: OidSet; linking: readonly string[] }> {
  const carried = new OidSet(oidBytesOf(pack.objectFormat))
  const linking: string[] = []
  for await (const head of listObjects(pack.gitDir, signal)) {
    carried.add(Buffer.from(head.oid, 'hex'))
    if (head.type !== 'blob') linking.push(head.oid)
  }
  return { carried, linking }
}

async function typesOf(gitDir: string, tips: readonly string[], signal?: AbortSignal): Promise<ReadonlyMap<string, ObjectType>> {
  const heads = await statObjects(gitDir, [...new Set(tips)], signal)
  return new Map([...heads.values()].map((head) => [head.oid, head.type]))
}
