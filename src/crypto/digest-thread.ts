import { availableParallelism } from 'node:os'
import { Worker } from 'node:worker_threads'
import { assert, BugError } from '../core/errors.js'

/**
 * Threads that hash: SHA-256 takes as long as sealing, and the thread that seals has a socket, a cipher and files to see to. Streams are spread over
 * as many threads as there are other processors, up to `threadsMax`; each is started when it is first needed and keeps no process alive.
 */

const threadsMax = 3
/** A thread holds hash states and one message at a time. */
const resourceLimits = { maxYoungGenerationSizeMb: 2, maxOldGenerationSizeMb: 16 }

/** What a thread found of a stream. Without parts, the only part is the whole. */
export interface DigestsOfStream {
  readonly sha256: string
  readonly parts: readonly string[]
}

interface Asked {
  readonly resolve: (digests: DigestsOfStream | null) => void
  readonly reject: (error: Error) => void
}

/** One stream of bytes that a thread hashes, in order. End it or drop it. */
export class HashedStream {
  readonly #asked: Asked[] = []
  #failure: Error | null = null

  /** @param id - of the stream, on its thread. */
  constructor(
    private readonly thread: DigestThread,
    private readonly id: number,
  ) {}

  /** Hash the next bytes. @param bytes - copied unless they lie in shared memory. @returns when they may be written over. */
  async take(bytes: Uint8Array, beginsPart: boolean): Promise<void> {
    await this.#ask({ stream: this.id, bytes, beginsPart })
  }

  /** The digests. Once only. */
  async end(): Promise<DigestsOfStream> {
    const found = await this.#ask({ stream: this.id })
    this.thread.close(this.id)
    assert(found !== null, 'an end is answered with digests')
    return found
  }

  /** Forget it. Idempotent; whoever still waits for it is refused. */
  drop(): void {
    this.thread.drop(this.id)
    this.fail(new BugError('the digest of a stream was given up'))
  }

  /** What the thread has answered: in the order of the questions. */
  answer(digests: DigestsOfStream | null): void {
    this.#asked.shift()?.resolve(digests)
  }

  /** That the thread is no more. */
  fail(error: Error): void {
    this.#failure ??= error
    for (const { reject } of this.#asked.splice(0)) reject(error)
  }

  #ask(message: object): Promise<DigestsOfStream | null> {
    if (this.#failure !== null) return Promise.reject(this.#failure)
    return new Promise((resolve, reject) => {
      this.#asked.push({ resolve, reject })
      this.thread.ask(message)
    })
  }
}

/** One thread. It keeps the process alive only while it is asked something. */
class DigestThread {
  readonly #streams = new Map<number, HashedStream>()
  #worker: Worker | null = null
  #last = 0
  #unanswered = 0

  /** How many streams it has. */
  get busy(): number {
    return this.#streams.size
  }

  open(): HashedStream {
    const id = (this.#last += 1)
    const stream = new HashedStream(this, id)
    this.#streams.set(id, stream)
    return stream
  }

  ask(message: object): void {
    this.#worker ??= this.#start()
    this.#unanswered += 1
    this.#worker.ref()
    // eslint-disable-next-line unicorn/require-post-message-target-origin -- a thread has no origin
    this.#worker.postMessage(message)
  }

  close(id: number): void {
    this.#streams.delete(id)
  }

  drop(id: number): void {
    // eslint-disable-next-line unicorn/require-post-message-target-origin -- a thread has no origin
    if (this.#streams.has(id)) this.#worker?.postMessage({ stream: id, drop: true })
    this.close(id)
  }

  #start(): Worker {
    const worker = new Worker(new URL('./digest-worker.mjs', import.meta.url), { resourceLimits, execArgv: [], env: {} })
    worker.on('message', ({ stream, ...digests }: { readonly stream: number } & Partial<DigestsOfStream>) => {
      this.#unanswered -= 1
      if (this.#unanswered === 0) worker.unref()
      this.#streams.get(stream)?.answer(digests.sha256 === undefined ? null : { sha256: digests.sha256, parts: digests.parts ?? [] })
    })
    // It fails for want of memory, or when its program is not there.
    worker.on('error', (error) => {
      this.#worker = null
      this.#unanswered = 0
      for (const stream of this.#streams.values()) stream.fail(new BugError(`a thread that hashes has ended: ${error.message}`))
      this.#streams.clear()
    })
    return worker
  }
}

const threads: DigestThread[] = []

/** A stream on the thread that has the fewest. */
export function openHashedStream(): HashedStream {
  const [idlest] = [...threads].sort((left, right) => left.busy - right.busy)
  const enough = threads.length >= Math.min(threadsMax, Math.max(1, availableParallelism() - 1))
  if (idlest !== undefined && (idlest.busy === 0 || enough)) return idlest.open()
  const thread = new DigestThread()
  threads.push(thread)
  return thread.open()
}
