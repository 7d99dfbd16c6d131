import { assert, EscrowError } from '../core/errors.js'
import { inventoryTreeBytesMax } from '../core/limits.js'
import { ByteReader } from './byte-reader.js'
import { parseHead, readBody, readLine, tooLarge, writeLines, type ObjectContent, type ObjectHead } from './cat-file.js'
import { startGit, type GitRun } from './git-command.js'

/**
 * One `git cat-file --batch-command` that answers for as long as somebody asks: for a walk through a tree, where each answer says what to
 * ask next, a process for each question costs more than the answers. Questions do not overlap.
 */
export class ObjectReader {
  readonly #gitDir: string
  readonly #signal: AbortSignal | undefined
  #git: { readonly run: GitRun; readonly bytes: ByteReader } | null = null
  #state: 'free' | 'asked' | 'closed' = 'free'

  /** @param gitDir - a scratch repository; git is started by the first question, and `close` ends it. */
  constructor(gitDir: string, signal?: AbortSignal) {
    this.#gitDir = gitDir
    this.#signal = signal
  }

  /** As `readObjects`. Whoever leaves it early can ask nothing more. */
  async *read(oids: readonly string[], objectBytesMax = inventoryTreeBytesMax): AsyncGenerator<ObjectContent | null> {
    const read = async (bytes: ByteReader, head: ObjectHead | null): Promise<ObjectContent | null> => {
      if (head !== null && head.sizeBytes > objectBytesMax) throw tooLarge(head, objectBytesMax)
      return head === null ? null : { ...head, body: await readBody(bytes, head.sizeBytes) }
    }
    yield* this.#ask('contents', oids, read)
  }

  /** As `statObjects`. */
  async stat(oids: readonly string[]): Promise<ReadonlyMap<string, ObjectHead>> {
    const heads = new Map<string, ObjectHead>()
    for await (const head of this.#ask('info', oids, async (_, found) => found)) if (head !== null) heads.set(head.oid, head)
    return heads
  }

  /** End git. Idempotent. */
  close(): void {
    this.#state = 'closed'
    this.#git?.run.kill()
  }

  async *#ask<T>(
    command: 'contents' | 'info',
    oids: readonly string[],
    read: (bytes: ByteReader, head: ObjectHead | null) => Promise<T>,
  ): AsyncGenerator<T> {
    assert(this.#state === 'free', 'a git that is open answers one question at a time')
    if (oids.length === 0) return
    this.#state = 'asked'
    try {
      const { run, bytes } = (this.#git ??= this.#start())
      writeLines(run, [...oids.map((oid) => `${command} ${oid}`), 'flush'])
      for (let answers = 0; answers < oids.length; answers += 1) yield await read(bytes, await this.#head())
      this.#state = 'free'
    } catch (error) {
      // A killed git closes its pipes first; why it was killed is in the signal.
      this.#signal?.throwIfAborted()
      throw error
    } finally {
      if (this.#state === 'asked') this.close()
    }
  }

  #start(): { readonly run: GitRun; readonly bytes: ByteReader } {
    const run = startGit(['cat-file', '--batch-command', '--buffer'], { gitDir: this.#gitDir }, this.#signal)
    return { run, bytes: new ByteReader(run.stdout) }
  }

  async #head(): Promise<ObjectHead | null> {
    const line = this.#git === null ? null : await readLine(this.#git.bytes)
    if (line !== null) return parseHead(line)
    await this.#git?.run.ended
    throw new EscrowError('GIT_FAILED', 'expected an answer of git cat-file, got its end')
  }
}
