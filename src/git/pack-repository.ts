import { open, readdir, stat, type FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { EscrowError, isEscrowError } from '../core/errors.js'
import { packPollMs, readBlockBytes } from '../core/limits.js'
import { statObjects } from './cat-file.js'
import { LineCutter } from './fsck-message.js'
import { startGit, type GitRun } from './git-command.js'
import type { FetchRequest } from './git-remote.js'
import type { IndexedPack, IndexProgress } from './index-pack.js'
import { readPackIndexSummary } from './pack-index.js'
import { PackTrailer, type PackSummary } from './pack-trailer.js'

/**
 * `git pack-objects` from a repository on this machine into a scratch repository: pack and index as `index-pack` would leave them there,
 * without any object being hashed again. For whoever owns that repository and says so (decision 0021).
 *
 * What this trusts: that the objects of the repository are what their names say, and the indexes of its packs. What it does not: its disk. Git
 * compares whatever it copies with the CRC of the pack's index, but only when it writes to a file (builtin/pack-objects.c; to a pipe it
 * leaves that to the receiver), and follows every link. Indexes of packs and commits that are not needed, and could lie, are left aside.
 */

/** What to pack, from where, and into what. */
export interface PackingRequest extends FetchRequest {
  /** The git folder of the repository: absolute, and of a linked work tree that of its main one. */
  readonly from: string
  /** A bare scratch repository of the same object format; pack and index stay in it. */
  readonly gitDir: string
  /** Bytes; a longer pack is refused. */
  readonly packBytesMax: number
  readonly gitProgram?: string | undefined
  readonly onProgress?: ((progress: IndexProgress) => void) | undefined
}

const settings = ['core.multiPackIndex=false', 'core.commitGraph=false', 'pack.writeReverseIndex=false']
const checksumPattern = /^([0-9a-f]{40}|[0-9a-f]{64})$/m

/** A pack that git is writing. Read `bytes` to its end, then wait for `end`; or abort. */
export class RepositoryPacking {
  readonly #request: PackingRequest
  readonly #run: GitRun
  readonly #stdout: Promise<string>
  readonly #trailer: PackTrailer
  #over = false
  #hasBegun: () => void = () => undefined
  /** Git writes the first object. */
  readonly #begun = new Promise<void>((resolve) => {
    this.#hasBegun = resolve
  })

  /** Settles when git has ended; if it resolves, pack and index lie in the scratch repository, however much of them was read. */
  readonly written: Promise<void>

  /** Start git. Use `startPacking`, which looks at the repository first. */
  constructor(request: PackingRequest, input: string, signal?: AbortSignal) {
    this.#request = request
    this.#trailer = new PackTrailer(request.objectFormat)
    const command = ['pack-objects', '--revs', '--delta-base-offset', '--no-use-bitmap-index', '--progress', packStem(request.gitDir)]
    const lines = new LineCutter((line) => this.#readLine(line))
    this.#run = startGit(
      command,
      {
        gitDir: request.gitDir,
        program: request.gitProgram,
        config: settings,
        environment: { GIT_ALTERNATE_OBJECT_DIRECTORIES: quoted(join(request.from, 'objects')) },
        onStderr: (chunk) => lines.add(chunk),
      },
      signal,
    )
    const over = (): void => void (this.#over = true)
    this.written = this.#run.ended
    this.written.then(over, over)
    this.#stdout = readAll(this.#run)
    this.#stdout.catch(() => undefined)
    this.#run.stdin.end(input)
  }

  /**
   * The pack's bytes, as git writes them. A block is valid until the next one is asked for. Once only.
   *
   * @param buffer - what they are read into; a megabyte when left out.
   * @throws EscrowError `PACK_CORRUPT`, `PACK_INCOMPLETE`, `DEPOSIT_TOO_LARGE`, `SCRATCH_FULL`, `GIT_FAILED`, `GIT_MISSING`; the signal's reason
   */
  async *bytes(buffer: Uint8Array = Buffer.allocUnsafeSlow(readBlockBytes)): AsyncGenerator<Uint8Array, void, undefined> {
    const file = await this.#opened()
    try {
      for (let position = 0; ;) {
        const used = await this.#fill(file, buffer, position)
        position += used
        if (position > this.#request.packBytesMax) {
          throw new EscrowError('DEPOSIT_TOO_LARGE', `expected a pack of at most ${this.#request.packBytesMax} bytes, got more`)
        }
        const block = buffer.subarray(0, used)
        this.#trailer.update(block)
        if (used > 0) yield block
        if (used < buffer.length) return
      }
    } finally {
      await file.close()
    }
  }

  /**
   * Hold the bytes that were read against git's own word on the pack.
   *
   * @returns a pack of which only copies were checked; its `fsck` is empty.
   * @throws EscrowError as `bytes`; `PACK_CORRUPT` when trailer, index or size say something else
   */
  async end(): Promise<IndexedPack> {
    await this.#ended()
    const read = this.#trailer.finish()
    const stem = `${packStem(this.#request.gitDir)}-${await this.#named()}`
    const indexed = await readPackIndexSummary(`${stem}.idx`, this.#request.objectFormat)
    const { size } = await stat(`${stem}.pack`)
    requireSame(read, { ...indexed, sizeBytes: size })
    return { ...read, packPath: `${stem}.pack`, indexPath: `${stem}.idx`, fsck: { counts: new Map(), listed: [] } }
  }

  /** Give up. What git leaves behind goes with the scratch repository. @returns when git is gone; idempotent, never throws. */
  async abort(): Promise<void> {
    this.#run.kill()
    await this.#run.ended.catch(() => undefined)
  }

  /** Until the block is full or git has written the last byte. @returns bytes read; fewer than the block has room for at the end of the pack. */
  async #fill(file: FileHandle, buffer: Uint8Array, position: number): Promise<number> {
    for (let used = 0; ;) {
      // Asked before reading: what is written before git ends is read after it.
      const wasOver = this.#over
      const { bytesRead } = await file.read(buffer, used, buffer.length - used, position + used)
      used += bytesRead
      if (used === buffer.length) return used
      if (bytesRead > 0) continue
      if (wasOver) {
        await this.#ended()
        return used
      }
      await this.#wait()
    }
  }

  /** Git counts objects for a while, says that it writes, and then does so into a file that is renamed at the end. */
  async #opened(): Promise<FileHandle> {
    await Promise.race([this.#begun, this.#run.ended.catch(() => undefined)])
    const folder = join(this.#request.gitDir, 'objects', 'pack')
    for (;;) {
      const wasOver = this.#over
      if (wasOver) await this.#ended()
      const names = await readdir(folder)
      const name = wasOver ? `pack-${await this.#named()}.pack` : names.find((candidate) => candidate.startsWith('tmp_pack_'))
      const file = name === undefined ? null : await open(join(folder, name), 'r').catch(orMissing)
      if (file !== null) return file
      if (wasOver) throw new EscrowError('GIT_FAILED', `expected git pack-objects to leave ${name}, got nothing`)
      await this.#wait()
    }
  }

  #wait(): Promise<unknown> {
    return Promise.race([pause(packPollMs), this.#run.ended.catch(() => undefined)])
  }

  async #ended(): Promise<void> {
    try {
      await this.#run.ended
    } catch (error) {
      throw packingFault(error)
    }
  }

  async #named(): Promise<string> {
    const [, name] = checksumPattern.exec(await this.#stdout) ?? []
    if (name === undefined) throw new EscrowError('GIT_FAILED', 'expected git pack-objects to name the pack, got nothing')
    return name
  }

  #readLine(line: string): void {
    const [, done, total] = /^Writing objects: +\d+% \((\d+)\/(\d+)\)/.exec(line) ?? []
    if (done === undefined) return
    this.#hasBegun()
    this.#request.onProgress?.({ phase: 'receiving', done: Number(done), total: Number(total) })
  }
}

/**
 * Start to pack a repository.
 *
 * @throws EscrowError `REMOTE_SHALLOW`, `GIT_MISSING`, `GIT_FAILED`
 */
export async function startPacking(request: PackingRequest, signal?: AbortSignal): Promise<RepositoryPacking> {
  // Its history would end in objects that are not there, without a word why.
  if ((await stat(join(request.from, 'shallow')).catch(() => null)) !== null)
    throw new EscrowError('REMOTE_SHALLOW', 'expected a complete repository, got a shallow one')
  // Git dies on what a server passes by: something that the archive holds and the repository does not any more.
  const held = await statObjects(request.from, request.haves, signal)
  const lines = [...request.wants, ...request.haves.filter((oid) => held.has(oid)).map((oid) => `^${oid}`)]
  return new RepositoryPacking(request, lines.map((line) => `${line}\n`).join(''), signal)
}

const packStem = (gitDir: string): string => join(gitDir, 'objects', 'pack', 'pack')

/** As git reads a list of paths (git(1), GIT_ALTERNATE_OBJECT_DIRECTORIES): a colon in one would end it. */
const quoted = (path: string): string => `"${path.replaceAll(/["\\]/g, (character) => `\\${character}`)}"`

function requireSame(read: PackSummary, found: PackSummary): void {
  const words = ({ packChecksum, objectCount, sizeBytes }: PackSummary) => `${objectCount} objects in ${sizeBytes} bytes, ${packChecksum}`
  if (words(read) !== words(found)) throw new EscrowError('PACK_CORRUPT', `expected a pack of ${words(found)}, got ${words(read)}`)
}

function orMissing(error: unknown): null {
  if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null
  throw error
}

async function readAll(run: GitRun): Promise<string> {
  let text = ''
  for await (const chunk of run.stdout as AsyncIterable<Uint8Array>) if (text.length < 4096) text += Buffer.from(chunk).toString('latin1')
  return text
}

/** Git's exit tells that it could not pack; only its words tell why. */
function packingFault(error: unknown): unknown {
  if (!isEscrowError(error, 'GIT_FAILED')) return error
  const words = error.message
  const fault = (code: 'PACK_INCOMPLETE' | 'PACK_CORRUPT') => new EscrowError(code, words, { cause: error })
  if (/\bCRC\b|corrupt|inflate|bad object header|bad header|unpack_entry|data stream error|hash mismatch/i.test(words))
    return fault('PACK_CORRUPT')
  if (
    /missing|unable to (?:read|get type|parse|find)|could not (?:read|parse|locate)|bad (?:tree |commit |tag )?object|not our ref|Failed to traverse/i.test(
      words,
    )
  )
    return fault('PACK_INCOMPLETE')
  return error
}
