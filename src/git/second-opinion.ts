import { basename, dirname } from 'node:path'
import { Worker } from 'node:worker_threads'
import { z } from 'zod'
import { BugError, EscrowError } from '../core/errors.js'
import { secondOpinionObjectBytesMax, secondOpinionTimeMaxMs, secondOpinionUnpackedBytesMax } from '../core/limits.js'
import { listObjects } from './cat-file.js'
import type { ObjectFormat } from './git-remote.js'
import { cleanWords } from './remote-words.js'

/**
 * A second opinion on a pack: isomorphic-git derives the id of every object again, and must come to the ids that git came to. A fault of one
 * implementation, or an object made to be read in two ways, would show on the day of a release otherwise.
 *
 * isomorphic-git knows SHA-1 only, holds a whole pack in memory and has no defence against objects that unpack to very much: what is beyond
 * the limits is not asked about. No protection against somebody who makes a pack too large on purpose.
 */

/** A pack that git has indexed, alone in a scratch repository. */
export interface PackToJudge {
  readonly gitDir: string
  readonly objectFormat: ObjectFormat
  readonly packPath: string
  readonly sizeBytes: number
}

/** `not-asked` when the pack is beyond a limit, of another object format, or took too long. */
export type Opinion = 'agreed' | 'not-asked'

/** How many bytes of a pack are asked about, and how long an answer may take. */
export interface OpinionLimits {
  readonly packBytesMax: number
  readonly timeMaxMs?: number
}

const idBytes = 20

/**
 * Ask.
 *
 * @throws EscrowError `SECOND_OPINION_DIFFERS`; `GIT_FAILED`, `GIT_MISSING`; the signal's reason.
 */
export async function secondOpinion(pack: PackToJudge, limits: OpinionLimits, signal?: AbortSignal): Promise<Opinion> {
  if (pack.objectFormat !== 'sha1' || pack.sizeBytes > limits.packBytesMax) return 'not-asked'
  const known = await idsOf(pack.gitDir, signal)
  if (known === null || known.size === 0) return 'not-asked'
  const derived = await thread.ask(pack, limits.timeMaxMs ?? secondOpinionTimeMaxMs, signal)
  if (derived === null) return 'not-asked'
  compare(known, derived)
  return 'agreed'
}

/** What isomorphic-git's version is, for the manifest. */
export async function opinionVersion(): Promise<string> {
  const { version } = await import('isomorphic-git')
  return version()
}

/** The ids that git derived; null if the objects are more than somebody without defences should be shown. */
async function idsOf(gitDir: string, signal?: AbortSignal): Promise<ReadonlySet<string> | null> {
  const ids = new Set<string>()
  let unpackedBytes = 0
  for await (const { oid, sizeBytes } of listObjects(gitDir, signal)) {
    unpackedBytes += sizeBytes
    if (sizeBytes > secondOpinionObjectBytesMax || unpackedBytes > secondOpinionUnpackedBytesMax) return null
    ids.add(oid)
  }
  return ids
}

function compare(known: ReadonlySet<string>, derived: Uint8Array): void {
  const bytes = Buffer.from(derived.buffer, derived.byteOffset, derived.byteLength)
  const again = new Set<string>()
  for (let at = 0; at < bytes.length; at += idBytes) again.add(bytes.toString('hex', at, at + idBytes))
  const missing = [...known].find((id) => !again.has(id))
  const strange = [...again].find((id) => !known.has(id))
  if (missing === undefined && strange === undefined) return
  const [example] = [strange, missing].filter((id) => id !== undefined)
  throw new EscrowError(
    'SECOND_OPINION_DIFFERS',
    `expected isomorphic-git to derive the ${known.size} ids that git derived, got ${again.size}; one that only one of them has is ${example}`,
  )
}

const answerSchema = z.union([
  z.object({ ask: z.number(), ids: z.instanceof(Uint8Array) }),
  z.object({ ask: z.number(), problem: z.string() }),
])

type Settle = (
  answer: { readonly ids: Uint8Array } | { readonly problem: string } | { readonly lost: true } | { readonly bug: BugError },
) => void

/** One thread for the process, started when it is first asked. It keeps no process alive. */
export class OpinionThread {
  #worker: Worker | null = null
  #asked = 0
  readonly #waiting = new Map<number, Settle>()

  /** @param program - what the thread runs. */
  constructor(private readonly program: URL) {}

  /**
   * Ask for the ids of a pack.
   *
   * @returns ids of 20 bytes, one after the other; null if it took too long.
   * @throws EscrowError `SECOND_OPINION_DIFFERS` when it cannot be read; BugError when the program of the thread is not there
   */
  async ask(pack: PackToJudge, timeMaxMs: number, signal?: AbortSignal): Promise<Uint8Array | null> {
    signal?.throwIfAborted()
    const ask = (this.#asked += 1)
    const worker = (this.#worker ??= this.#start())
    const answer = new Promise<Parameters<Settle>[0]>((resolve) => this.#waiting.set(ask, resolve))
    const giveUp = () => this.#forget(ask)
    const timer = setTimeout(giveUp, timeMaxMs)
    signal?.addEventListener('abort', giveUp, { once: true })
    worker.ref()
    // eslint-disable-next-line unicorn/require-post-message-target-origin -- a thread has no origin
    worker.postMessage({ ask, gitDir: pack.gitDir, folder: dirname(pack.packPath), file: basename(pack.packPath) })
    try {
      const said = await answer
      signal?.throwIfAborted()
      if ('bug' in said) throw said.bug
      if ('lost' in said) return null
      if ('ids' in said) return said.ids
      throw new EscrowError('SECOND_OPINION_DIFFERS', `expected isomorphic-git to read what git has read, got: ${cleanWords(said.problem)}`)
    } finally {
      clearTimeout(timer)
      signal?.removeEventListener('abort', giveUp)
      this.#waiting.delete(ask)
      if (this.#waiting.size === 0) this.#worker?.unref()
    }
  }

  #start(): Worker {
    const worker = new Worker(this.program)
    worker.on('message', (message: unknown) => {
      const answer = answerSchema.parse(message)
      this.#waiting.get(answer.ask)?.(answer)
    })
    // It cannot fail by itself but for want of memory: then nobody has an opinion. Where its program is missing nobody ever would have one,
    // and nobody would notice.
    worker.on('error', (error) => {
      const missing = 'code' in error && missingCodes.has(error.code)
      this.#end(missing ? { bug: new BugError(`the program of the second opinion is not there: ${error.message}`) } : { lost: true })
    })
    return worker
  }

  /** What nobody waits for any more ends with the thread, unless somebody else's pack is there too. */
  #forget(ask: number): void {
    this.#waiting.get(ask)?.({ lost: true })
    this.#waiting.delete(ask)
    if (this.#waiting.size === 0) this.#end()
  }

  /** Whoever waits is told, and the next who asks starts another. */
  #end(why: Parameters<Settle>[0] = { lost: true }): void {
    void this.#worker?.terminate()
    this.#worker = null
    for (const settle of this.#waiting.values()) settle(why)
  }
}

/** What Node says of a program that is not there. */
const missingCodes = new Set<unknown>(['ERR_MODULE_NOT_FOUND', 'MODULE_NOT_FOUND'])

const thread = new OpinionThread(new URL('./second-opinion-worker.mjs', import.meta.url))
