import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { EscrowError, isEscrowError } from '../core/errors.js'
import { demotableFsckIds, strictOption } from './fsck-ids.js'
import { FsckMessages, LineCutter, type FsckReport } from './fsck-message.js'
import { startGit, type GitRun } from './git-command.js'
import type { ObjectFormat } from './git-remote.js'
import { readPackIndexSummary } from './pack-index.js'

/**
 * `git index-pack --stdin` on a scratch repository: hashes every object of a pack while it streams past.
 *
 * A full deposit is indexed with `--strict`, which also runs fsck on each object and follows each link; every message that can be
 * demoted is a warning and comes back as a finding. An incremental is indexed plainly, because the strict modes die on links to
 * objects that only the archive holds (DESIGN section 4). What this trusts: git itself. What it does not: any byte of the pack.
 */

/** How far index-pack is; `done` and `total` count objects, or deltas while `resolving`. */
export interface IndexProgress {
  readonly phase: 'receiving' | 'resolving'
  readonly done: number
  readonly total: number
}

export interface IndexPackOptions {
  /** A bare scratch repository of the pack's object format (`initRepository`); the pack and its index stay in it. */
  readonly gitDir: string
  readonly objectFormat: ObjectFormat
  /** `full`: every object and every link must be in this pack. `incremental`: only deltas must. */
  readonly check: 'full' | 'incremental'
  /** Bytes; a longer pack is refused. */
  readonly packBytesMax: number
  /** 1 or more; default: what git chooses. */
  readonly threads?: number | undefined
  readonly gitProgram?: string | undefined
  readonly onProgress?: ((progress: IndexProgress) => void) | undefined
}

/** A pack that git has indexed. */
export interface IndexedPack {
  /** The pack's own trailer, in hex. */
  readonly packChecksum: string
  readonly objectCount: number
  readonly sizeBytes: number
  readonly packPath: string
  readonly indexPath: string
  /** Empty unless the check was `full`. */
  readonly fsck: FsckReport
}

/** One pack on its way into a scratch repository. Write, write, end; or abort. */
export class PackIndexer {
  readonly #options: IndexPackOptions
  readonly #run: GitRun
  readonly #messages = new FsckMessages()
  readonly #lines = new LineCutter((line) => this.#readLine(line))
  readonly #stdout: Promise<string>
  #sizeBytes = 0
  #fault: unknown = null
  #onFault: (error: unknown) => void = () => undefined

  /**
   * Start git. Use `startPackIndexer`, which knows the options of the check.
   *
   * @param checkOptions - options of index-pack that decide how strict it is.
   */
  constructor(options: IndexPackOptions, checkOptions: readonly string[], signal?: AbortSignal) {
    this.#options = options
    const threads = options.threads === undefined ? [] : [`--threads=${options.threads}`]
    const command = ['index-pack', '--stdin', '-v', ...threads, ...checkOptions, `--max-input-size=${options.packBytesMax}`]
    const gitOptions = {
      gitDir: options.gitDir,
      program: options.gitProgram,
      config: ['pack.writeReverseIndex=false'],
      onStderr: (chunk: Uint8Array) => this.#lines.add(chunk),
    }
    this.#run = startGit(command, gitOptions, signal)
    this.#run.ended.then(
      () => this.#giveUp(new EscrowError('PACK_CORRUPT', 'expected the pack to end where git found its end, got more')),
      (error: unknown) => this.#giveUp(packFault(error)),
    )
    this.#stdout = readAll(this.#run)
    this.#stdout.catch(() => undefined)
  }

  /**
   * Give the next bytes of the pack; they must not change any more.
   *
   * @returns when more may be given.
   * @throws EscrowError `PACK_CORRUPT`, `PACK_INCOMPLETE`, `DEPOSIT_TOO_LARGE`, `SCRATCH_FULL`, `GIT_FAILED` as soon as git gives up.
   */
  async write(bytes: Uint8Array): Promise<void> {
    if (this.#fault !== null) throw this.#fault
    this.#sizeBytes += bytes.length
    const { stdin } = this.#run
    if (stdin.write(bytes)) return
    await new Promise<void>((resolve, reject) => {
      this.#onFault = reject
      stdin.once('drain', resolve)
    })
  }

  /**
   * Say that the pack is complete, and wait until every object is checked.
   *
   * @throws EscrowError as `write`.
   */
  async end(): Promise<IndexedPack> {
    this.#run.stdin.end()
    try {
      await this.#run.ended
    } catch (error) {
      throw packFault(error)
    }
    this.#lines.end()
    const [, name] = /^pack\t([0-9a-f]{40,64})$/m.exec(await this.#stdout) ?? []
    if (name === undefined) throw new EscrowError('GIT_FAILED', 'expected git index-pack to name the pack, got nothing')
    const stem = join(this.#options.gitDir, 'objects', 'pack', `pack-${name}`)
    // From a pipe git reads to the end of the pack and not further: what follows would be sealed, and nobody would have looked at it.
    const { size } = await stat(`${stem}.pack`)
    if (size !== this.#sizeBytes) throw new EscrowError('PACK_CORRUPT', `expected the pack to end at ${size} bytes, got ${this.#sizeBytes}`)
    const summary = await readPackIndexSummary(`${stem}.idx`, this.#options.objectFormat)
    return {
      packChecksum: summary.packChecksum,
      objectCount: summary.objectCount,
      sizeBytes: this.#sizeBytes,
      packPath: `${stem}.pack`,
      indexPath: `${stem}.idx`,
      fsck: this.#messages.report,
    }
  }

  /** Give up. What git leaves behind goes with the scratch repository, which the caller removes. Idempotent. */
  abort(): void {
    this.#run.kill()
  }

  #giveUp(fault: unknown): void {
    this.#fault = fault
    this.#onFault(fault)
  }

  #readLine(line: string): void {
    if (this.#messages.add(line)) return
    const [, verb, done, total] = /^(Receiving objects|Resolving deltas): +\d+% \((\d+)\/(\d+)\)/.exec(line) ?? []
    if (verb === undefined) return
    const phase = verb === 'Receiving objects' ? 'receiving' : 'resolving'
    this.#options.onProgress?.({ phase, done: Number(done), total: Number(total) })
  }
}

/**
 * Start to index a pack.
 *
 * @param signal - aborts git; `write` and `end` then reject with its reason.
 * @throws EscrowError `GIT_MISSING`, `GIT_FAILED`
 */
export async function startPackIndexer(options: IndexPackOptions, signal?: AbortSignal): Promise<PackIndexer> {
  const checkOptions = options.check === 'full' ? [strictOption(await demotableFsckIds({ program: options.gitProgram }))] : []
  return new PackIndexer(options, checkOptions, signal)
}

/**
 * Index a pack that comes as a stream.
 *
 * @throws EscrowError as `PackIndexer.write`, and whatever the stream throws; git is gone by then.
 */
export async function indexPack(pack: AsyncIterable<Uint8Array>, options: IndexPackOptions, signal?: AbortSignal): Promise<IndexedPack> {
  const indexer = await startPackIndexer(options, signal)
  try {
    for await (const bytes of pack) await indexer.write(bytes)
    return await indexer.end()
  } catch (error) {
    indexer.abort()
    throw error
  }
}

async function readAll(run: GitRun): Promise<string> {
  let text = ''
  for await (const chunk of run.stdout as AsyncIterable<Uint8Array>) {
    // One line is all it says; the blobs that `--strict` would like to see are of no use to us.
    if (text.length < 4096) text += Buffer.from(chunk).toString('utf8')
  }
  return text
}

/** Git's exit tells that the pack was refused; only its words tell why. */
function packFault(error: unknown): unknown {
  if (!isEscrowError(error, 'GIT_FAILED')) return error
  const words = error.message
  const fault = (code: 'PACK_INCOMPLETE' | 'PACK_CORRUPT' | 'DEPOSIT_TOO_LARGE') => new EscrowError(code, words, { cause: error })
  if (/exceeds maximum allowed size/.test(words)) return fault('DEPOSIT_TOO_LARGE')
  if (/did not receive expected object|unresolved delta|missing (?:blob|tree|commit|tag|object)|broken link/i.test(words))
    return fault('PACK_INCOMPLETE')
  // By exit code 128 git dies by its own will, and what it was given is a pack: everything else is a fault of ours or of the machine.
  const isMachine =
    /cannot (?:create|open|store)|unable to (?:create|write|open)|out of memory|Cannot allocate|not a git repository|was killed/i.test(
      words,
    )
  return isMachine ? error : fault('PACK_CORRUPT')
}
