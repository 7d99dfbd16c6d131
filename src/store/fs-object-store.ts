// An object store in a folder. It keeps every promise of the port against our own software and against a power cut; it cannot keep
// the lock against somebody who may write to the folder (an administrator, a thief with the disk), and says so when inspected.
// Newest versions lie under their plain keys, read-only; see fs-versions.ts for the rest of the layout.
import { constants } from 'node:fs'
import { lstat, open, type FileHandle } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import type { Clock, Entropy } from '../core/environment.js'
import { EscrowError } from '../core/errors.js'
import { readBlockBytes } from '../core/limits.js'
import { errnoOf, fsFault, isEmptyFolder, orNull, pathBelow, removeQuietly, translated } from './fs-durable.js'
import { listFolder } from './fs-listing.js'
import { inspectFolder } from './fs-store-folder.js'
import { readAtOnce } from './fs-at-once.js'
import { FsKeyedUpload, FsUpload } from './fs-upload.js'
import { ObjectPlace, placeVersion, readVersions, recordRetention, type ObjectVersions, type VersionFile } from './fs-versions.js'
import { KeyedTurns } from './keyed-turns.js'
import { parseKeyPrefix, parseObjectKey, type ObjectKey } from './object-key.js'
import { ObjectStore, type NamelessUpload, type ObjectUpload, type ReadRange, type StoredObject, type StoreReport } from './object-store.js'
import { resolveRange } from './read-range.js'

/** One for all stores: two of them may be opened on one folder in one process. Between processes the home folder's lock decides. */
const turns = new KeyedTurns()

/** ADAPTER: a write-once object store in a folder that `makeStoreFolder` has made. Owns nothing that must be closed. */
export class FsObjectStore extends ObjectStore {
  private readonly root: string
  private readonly active = new Set<string>()

  /**
   * @param folder - made by `makeStoreFolder`; to read a copied tree any folder will do.
   * @param atOnceBytesMax - whole files up to this size are read without leaving the thread: for a program that only reads.
   */
  constructor(
    folder: string,
    private readonly clock: Clock,
    private readonly entropy: Entropy,
    private readonly atOnceBytesMax = 0,
  ) {
    super()
    this.root = resolve(folder)
  }

  inspect(signal?: AbortSignal): Promise<StoreReport> {
    return inspectFolder(this.root, { now: this.clock.now(), active: this.active, freeName: this.freeName() }, signal)
  }

  async openUpload(
    key: ObjectKey,
    options: { readonly retainUntil: Date; readonly supersede?: boolean },
    signal?: AbortSignal,
  ): Promise<ObjectUpload> {
    signal?.throwIfAborted()
    if (options.supersede !== true && (await this.holds(key))) throw alreadyThere(key)
    const temporary = await this.openTemporary(key)
    return new FsKeyedUpload(key, temporary.handle, { ...temporary.steps(options), what: key, signal })
  }

  override async openNameless(options: { readonly retainUntil: Date }, signal?: AbortSignal): Promise<NamelessUpload> {
    signal?.throwIfAborted()
    const what = 'what gets its name at its end'
    const temporary = await this.openTemporary(what)
    return new FsUpload(temporary.handle, { ...temporary.steps(options), what, signal })
  }

  async *get(key: ObjectKey, range: ReadRange = {}, signal?: AbortSignal): AsyncIterable<Uint8Array> {
    const whole = await this.readAtOnce(key, range, signal)
    if (whole !== null) {
      yield whole
      return
    }
    const handle = await this.openToRead(key, range.versionId)
    try {
      const { size } = await translated(`read ${key}`, () => handle.stat())
      yield* readBlocks(handle, key, { ...resolveRange(key, range, size), transient: range.transient === true }, signal)
    } finally {
      await handle.close()
    }
  }

  async stat(key: ObjectKey, signal?: AbortSignal): Promise<StoredObject | null> {
    signal?.throwIfAborted()
    const { newest } = await this.read(key)
    return newest === null ? null : stored(key, newest)
  }

  async versions(key: ObjectKey, signal?: AbortSignal): Promise<readonly StoredObject[]> {
    signal?.throwIfAborted()
    const { newest, superseded } = await this.read(key)
    return [...(newest === null ? [] : [newest]), ...superseded].map((version) => stored(key, version))
  }

  async *list(prefix: string, signal?: AbortSignal): AsyncIterable<StoredObject> {
    const { folder, name } = parseKeyPrefix(prefix)
    await this.requireTree('list objects')
    const stat = (key: ObjectKey) => this.stat(key, signal)
    yield* listFolder({ root: this.root, folder, namePrefix: name, atOnce: this.atOnceBytesMax > 0, stat }, signal)
  }

  async extendRetention(key: ObjectKey, versionId: string, retainUntil: Date, signal?: AbortSignal): Promise<StoredObject> {
    signal?.throwIfAborted()
    const place = this.placeOf(key)
    await turns.run(place.path, () =>
      translated(`extend the retention of ${key}`, async () => {
        const before = await readVersions(place)
        const version = requireVersion(key, before, versionId)
        if (version.retainUntil !== null && version.retainUntil >= retainUntil) return
        await recordRetention(place, before, { versionId, retainUntil: retainUntil.toISOString() }, this.freeName())
      }),
    )
    const held = stored(key, requireVersion(key, await this.read(key), versionId))
    requireRetention(held, retainUntil)
    return held
  }

  /** Only a first look: who places the object looks again when it is its turn. */
  private holds(key: ObjectKey): Promise<boolean> {
    return translated(`read ${key}`, async () => (await orNull(lstat(this.placeOf(key).path)))?.isFile() === true)
  }

  /** A file that nobody sees, and what becomes of it. */
  private async openTemporary(what: string) {
    const temporary = this.freeName()
    this.active.add(temporary)
    const handle = await open(temporary, 'wx', 0o600).catch((error: unknown) => {
      this.active.delete(temporary)
      throw this.openFault(error, what)
    })
    const steps = (options: { readonly retainUntil: Date; readonly supersede?: boolean }) => ({
      place: (key: ObjectKey) => this.place(key, temporary, options),
      discard: async () => {
        await removeQuietly(temporary)
        this.active.delete(temporary)
      },
    })
    return { handle, steps }
  }

  private async readAtOnce(key: ObjectKey, range: ReadRange, signal?: AbortSignal): Promise<Uint8Array | null> {
    if (this.atOnceBytesMax === 0 || Object.values(range).some((part) => part !== undefined)) return null
    signal?.throwIfAborted()
    const { path } = this.placeOf(key)
    return translated(`read ${key}`, async () => readAtOnce(path, this.atOnceBytesMax))
  }

  private async place(
    key: ObjectKey,
    temporary: string,
    { retainUntil, supersede }: { readonly retainUntil: Date; readonly supersede?: boolean },
  ): Promise<StoredObject> {
    const place = this.placeOf(key)
    const versionId = await turns.run(place.path, () =>
      translated(`store ${key}`, async () => {
        const before = await readVersions(place)
        if (before.newest !== null && supersede !== true) throw alreadyThere(key)
        await placeVersion(place, before, { temporary, freeName: this.freeName(), retainUntil })
        return before.nextVersionId
      }),
    )
    const held = stored(key, requireVersion(key, await this.read(key), versionId))
    requireRetention(held, retainUntil)
    return held
  }

  private async read(key: ObjectKey): Promise<ObjectVersions> {
    const place = this.placeOf(key)
    const found = await turns.run(place.path, () => translated(`read ${key}`, () => readVersions(place)))
    if (found.newest === null && found.superseded.length === 0) await this.requireTree(`read ${key}`)
    return found
  }

  /** Without a version the plain name is opened; a supersession at the same moment is seen wholly or not at all. */
  private async openToRead(key: ObjectKey, versionId: string | undefined): Promise<FileHandle> {
    const place = this.placeOf(key)
    const openFile = (path: string) => open(path, constants.O_RDONLY | constants.O_NOFOLLOW)
    const handle = await translated(`read ${key}`, async () => {
      if (versionId === undefined) return (await orNull(lstat(place.path)))?.isFile() ? await orNull(openFile(place.path)) : null
      return turns.run(place.path, async () => {
        const { newest, superseded } = await readVersions(place)
        const version = [newest, ...superseded].find((candidate) => candidate?.versionId === versionId)
        return version ? await orNull(openFile(version.path)) : null
      })
    })
    if (handle !== null) return handle
    await this.requireTree(`read ${key}`)
    throw missing(key, versionId)
  }

  /** Before we say that an object is missing: an empty or absent root is a disk that is not there, not an archive that lost everything. */
  private async requireTree(doing: string): Promise<void> {
    const empty = await translated(doing, () => isEmptyFolder(this.root))
    if (empty) throw new EscrowError('STORE_UNREACHABLE', `cannot ${doing}: the store folder is empty; is its disk mounted?`)
  }

  private openFault(error: unknown, what: string): unknown {
    if (errnoOf(error) !== 'ENOENT') return fsFault(error, `store ${what}`)
    return new EscrowError('STORE_UNREACHABLE', `cannot store ${what}: the folder is not a store; is its disk mounted?`, { cause: error })
  }

  private placeOf(key: ObjectKey): ObjectPlace {
    return new ObjectPlace(this.root, pathBelow(this.root, parseObjectKey(key)))
  }

  private freeName(): string {
    return join(this.root, '.incoming', Buffer.from(this.entropy.bytes(12)).toString('hex'))
  }
}

/** The blocks of a range; the next one is read while the caller works on this one. */
async function* readBlocks(
  handle: FileHandle,
  key: ObjectKey,
  { offset, end, transient }: { readonly offset: number; readonly end: number; readonly transient: boolean },
  signal?: AbortSignal,
): AsyncIterable<Uint8Array> {
  const freshBlock = blockSource(transient)
  const read = async (from: number) => {
    const block = freshBlock(Math.min(readBlockBytes, end - from))
    const { bytesRead } = await translated(`read ${key}`, () => handle.read(block, 0, block.length, from))
    if (bytesRead === 0) throw new EscrowError('OBJECT_CORRUPT', `${key} ended at byte ${from}, expected ${end}`)
    return block.subarray(0, bytesRead)
  }
  let pending = offset < end ? read(offset) : null
  try {
    for (let at = offset; pending !== null;) {
      signal?.throwIfAborted()
      const block = await pending
      at += block.length
      pending = at < end ? read(at) : null
      pending?.catch(() => undefined)
      yield block
    }
  } finally {
    await pending?.catch(() => undefined)
  }
}

/** Two blocks in turn, one with the reader and one being filled: new memory for each would cost the page faults of every byte. */
function blockSource(transient: boolean): (sizeBytes: number) => Buffer {
  if (!transient) return (sizeBytes) => Buffer.allocUnsafe(sizeBytes)
  let [next, other] = [Buffer.alloc(0), Buffer.alloc(0)]
  return (sizeBytes) => {
    const block = next.length < sizeBytes ? Buffer.allocUnsafeSlow(sizeBytes) : next
    next = other
    other = block
    return block.subarray(0, sizeBytes)
  }
}

function stored(key: ObjectKey, { versionId, sizeBytes, retainUntil }: VersionFile): StoredObject {
  return { key, versionId, sizeBytes, retainUntil }
}

function requireVersion(key: ObjectKey, { newest, superseded }: ObjectVersions, versionId: string): VersionFile {
  const version = [newest, ...superseded].find((candidate) => candidate?.versionId === versionId)
  if (!version) throw missing(key, versionId)
  return version
}

function requireRetention(held: StoredObject, retainUntil: Date): void {
  if (held.retainUntil !== null && held.retainUntil >= retainUntil) return
  throw new EscrowError('RETENTION_REFUSED', `expected ${held.key} to be kept until ${retainUntil.toISOString()}, the store says otherwise`)
}

const alreadyThere = (key: ObjectKey) => new EscrowError('OBJECT_EXISTS', `${key} is stored already, and objects are written once`)
const missing = (key: ObjectKey, versionId?: string) =>
  new EscrowError('OBJECT_MISSING', `the store has no ${versionId === undefined ? '' : `version ${versionId} of `}${key}`)
