import { EscrowError } from '../core/errors.js'
import { inventoryTreeBytesMax } from '../core/limits.js'
import { ByteReader } from './byte-reader.js'
import { startGit, type GitRun } from './git-command.js'

/**
 * Reads objects of a scratch repository through `git cat-file --batch`: one process for any number of objects, in the order asked.
 *
 * What the objects say is attacker-controlled; the answers' framing is git's own.
 */

/** Type and size of an object; the size is in bytes. */
export interface ObjectHead {
  readonly oid: string
  readonly type: 'commit' | 'tree' | 'blob' | 'tag'
  readonly sizeBytes: number
}

/** An object as git stores it, without its header. */
export interface ObjectContent extends ObjectHead {
  readonly body: Buffer
}

/**
 * Type and size of every object of a repository, in the order of its packs (which is the fast one).
 *
 * @throws EscrowError `GIT_FAILED`, `GIT_MISSING`
 */
export async function* listObjects(gitDir: string, signal?: AbortSignal): AsyncGenerator<ObjectHead> {
  const run = startGit(['cat-file', '--batch-check', '--batch-all-objects', '--unordered'], { gitDir }, signal)
  run.stdin.end()
  const read = async function* (bytes: ByteReader) {
    for await (const lines of linesOf(bytes)) {
      for (const line of lines) {
        const head = parseHead(line)
        if (head !== null) yield head
      }
    }
  }
  yield* reading(run, read, signal)
}

/**
 * The ids of the blobs of a repository whose size lies within bounds, many at once. Of hundreds of thousands of objects few are small:
 * only for those anything is made of git's line.
 *
 * @param bounds - in bytes; `below` is excluded.
 * @throws EscrowError `GIT_FAILED`, `GIT_MISSING`
 */
export async function* listBlobs(
  gitDir: string,
  bounds: { readonly atLeast: number; readonly below: number },
  signal?: AbortSignal,
): AsyncGenerator<readonly string[]> {
  const format = '--batch-check=%(objectsize) %(objecttype) %(objectname)'
  const run = startGit(['cat-file', format, '--batch-all-objects', '--unordered'], { gitDir }, signal)
  run.stdin.end()
  const read = async function* (bytes: ByteReader) {
    for await (const lines of wholeLinesOf(bytes)) yield blobsIn(lines, bounds)
  }
  yield* reading(run, read, signal)
}

/**
 * The ids of the commits of a repository, in the order of its packs, many at once. For their types alone git looks at a third of what it reads for sizes.
 *
 * @throws EscrowError `GIT_FAILED`, `GIT_MISSING`
 */
export async function* listCommits(gitDir: string, signal?: AbortSignal): AsyncGenerator<readonly string[]> {
  const format = '--batch-check=%(objecttype) %(objectname)'
  const run = startGit(['cat-file', format, '--batch-all-objects', '--unordered'], { gitDir }, signal)
  run.stdin.end()
  const read = async function* (bytes: ByteReader) {
    for await (const lines of wholeLinesOf(bytes)) yield commitsIn(lines)
  }
  yield* reading(run, read, signal)
}

/**
 * Type and size of the named objects.
 *
 * @param oids - full ids; each may be missing from the repository.
 * @returns by id; what is missing is left out.
 * @throws EscrowError `GIT_FAILED`, `GIT_MISSING`
 */
export async function statObjects(gitDir: string, oids: readonly string[], signal?: AbortSignal): Promise<ReadonlyMap<string, ObjectHead>> {
  const heads = new Map<string, ObjectHead>()
  if (oids.length === 0) return heads
  const run = startGit(['cat-file', '--batch-check'], { gitDir }, signal)
  feed(run, oids)
  const read = async function* (bytes: ByteReader) {
    for (let line = await readLine(bytes); line !== null; line = await readLine(bytes)) yield parseHead(line)
  }
  for await (const head of reading(run, read, signal)) if (head !== null) heads.set(head.oid, head)
  return heads
}

/**
 * Read the named objects.
 *
 * @param oids - full ids.
 * @param objectBytesMax - a larger object ends the reading.
 * @returns one answer for each id, in order; null for a missing one. A body is valid until the next answer is asked for.
 * @throws EscrowError `DEPOSIT_TOO_LARGE` for an object beyond the limit; `GIT_FAILED`, `GIT_MISSING`
 */
export async function* readObjects(
  gitDir: string,
  oids: readonly string[],
  objectBytesMax = inventoryTreeBytesMax,
  signal?: AbortSignal,
): AsyncGenerator<ObjectContent | null> {
  for await (const some of readManyObjects(gitDir, oids, objectBytesMax, signal)) yield* some
}

/**
 * The same, as many answers at once as git has given: of hundred thousand objects none is waited for by itself.
 *
 * @returns answers in the order asked. Bodies are valid until the next ones are asked for.
 * @throws EscrowError as `readObjects`
 */
export async function* readManyObjects(
  gitDir: string,
  oids: readonly string[],
  objectBytesMax = inventoryTreeBytesMax,
  signal?: AbortSignal,
): AsyncGenerator<readonly (ObjectContent | null)[]> {
  if (oids.length === 0) return
  const run = startGit(['cat-file', '--batch', '--buffer'], { gitDir }, signal)
  feed(run, oids)
  const read = async function* (bytes: ByteReader) {
    for (let line = await readLine(bytes); line !== null; line = await readLine(bytes)) {
      const head = readableHead(line, objectBytesMax)
      const first = head === null ? null : { ...head, body: await readBody(bytes, head.sizeBytes) }
      yield [first, ...arrivedObjects(bytes, objectBytesMax)]
    }
  }
  yield* reading(run, read, signal)
}

function readableHead(line: string, objectBytesMax: number): ObjectHead | null {
  const head = parseHead(line)
  if (head !== null && head.sizeBytes > objectBytesMax) throw tooLarge(head, objectBytesMax)
  return head
}

/** The answers that lie there as a whole. */
function arrivedObjects(bytes: ByteReader, objectBytesMax: number): readonly (ObjectContent | null)[] {
  const objects: (ObjectContent | null)[] = []
  for (let line = bytes.peekLine(lineBytesMax); line !== null; line = bytes.peekLine(lineBytesMax)) {
    const head = readableHead(line, objectBytesMax)
    const bodyBytes = head === null ? 0 : head.sizeBytes + 1
    if (bytes.available < line.length + 1 + bodyBytes) break
    bytes.take(line.length + 1)
    objects.push(head === null ? null : { ...head, body: takeBody(bytes, head.sizeBytes) })
  }
  return objects
}

/** Whoever stops reading early ends the process too. */
async function* reading<T>(run: GitRun, read: (bytes: ByteReader) => AsyncGenerator<T>, signal?: AbortSignal): AsyncGenerator<T> {
  try {
    yield* read(new ByteReader(run.stdout))
    await run.ended
  } catch (error) {
    // A killed git closes its pipes first; why it was killed is in the signal.
    signal?.throwIfAborted()
    throw error
  } finally {
    run.kill()
  }
}

function feed(run: GitRun, oids: readonly string[]): void {
  writeLines(run, oids, () => run.stdin.end())
}

/**
 * Write lines in the background with back-pressure: git answers while we ask. Its end, and why, is seen on the reading side.
 *
 * @param then - called when the last one was written.
 */
export function writeLines(run: GitRun, lines: readonly string[], then: () => void = () => undefined): void {
  let next = 0
  const write = (): void => {
    while (next < lines.length && !run.stdin.destroyed) {
      const some = lines.slice(next, next + linesAtOnce)
      next += some.length
      if (!run.stdin.write(`${some.join('\n')}\n`) && next < lines.length) {
        run.stdin.once('drain', write)
        return
      }
    }
    then()
  }
  write()
}

const linesAtOnce = 1024
const lineBytesMax = 200
const headPattern = /^([0-9a-f]{40}|[0-9a-f]{64}) (commit|tree|blob|tag) (\d{1,15})$/
const missingPattern = /^(?:[0-9a-f]{40}|[0-9a-f]{64}) missing$/

/** The first line of an answer; null for a missing object. @throws EscrowError `GIT_FAILED` for any other line */
export function parseHead(line: string): ObjectHead | null {
  const [, oid, type, size] = headPattern.exec(line) ?? []
  if (oid !== undefined && type !== undefined) return { oid, type: type as ObjectHead['type'], sizeBytes: Number(size) }
  if (missingPattern.test(line)) return null
  throw new EscrowError('GIT_FAILED', `expected an answer of git cat-file, got ${JSON.stringify(line.slice(0, 100))}`)
}

/** All lines to the end, many at once: hundreds of thousands are not waited for one by one. */
async function* linesOf(bytes: ByteReader): AsyncGenerator<readonly string[]> {
  for await (const lines of wholeLinesOf(bytes)) yield lines.toString('latin1', 0, lines.length - 1).split('\n')
}

/** The same as bytes, each line with its line feed. Valid until the next ones are asked for. */
async function* wholeLinesOf(bytes: ByteReader): AsyncGenerator<Buffer> {
  let begun: Buffer = Buffer.alloc(0)
  for await (const chunk of bytes.rest()) {
    const arrived = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength)
    const all = begun.length === 0 ? arrived : Buffer.concat([begun, arrived])
    const end = all.lastIndexOf(lineFeed) + 1
    begun = Buffer.from(all.subarray(end))
    if (begun.length > lineBytesMax) throw longerLine()
    if (end > 0) yield all.subarray(0, end)
  }
  if (begun.length > 0) yield Buffer.concat([begun, Buffer.from([lineFeed])])
}

/** Ids of the lines `<size> blob <id>` within bounds. Byte by byte: text is made only of what is kept. */
function blobsIn(lines: Buffer, { atLeast, below }: { readonly atLeast: number; readonly below: number }): readonly string[] {
  const oids: string[] = []
  for (let at = 0; at < lines.length;) {
    let sizeBytes = 0
    for (; lines[at] !== space && at < lines.length; at += 1) sizeBytes = sizeBytes * 10 + (lines[at] ?? 0) - digitZero
    const end = lines.indexOf(lineFeed, at)
    const isBlob = lines[at + 1] === firstOfBlob
    if (isBlob && sizeBytes >= atLeast && sizeBytes < below) oids.push(lines.toString('latin1', at + ' blob '.length, end))
    at = end + 1
  }
  return oids
}

/** Ids of the lines `commit <id>`. */
function commitsIn(lines: Buffer): readonly string[] {
  const oids: string[] = []
  for (let at = 0; at < lines.length;) {
    const end = lines.indexOf(lineFeed, at)
    if (lines[at] === firstOfCommit) oids.push(lines.toString('latin1', at + 'commit '.length, end))
    at = end + 1
  }
  return oids
}

/** Bytes of git's lines: `\n`, ` `, `0`, and what only `blob` and only `commit` begin with. */
const lineFeed = 0x0a
const space = 0x20
const digitZero = 0x30
const firstOfBlob = 0x62
const firstOfCommit = 0x63

/** The next line of an answer; null at the end. @throws EscrowError `GIT_FAILED` for a longer one than git writes */
export async function readLine(bytes: ByteReader): Promise<string | null> {
  const line = await bytes.line(lineBytesMax)
  if (line === null && bytes.available > 0) throw longerLine()
  return line
}

const longerLine = () => new EscrowError('GIT_FAILED', 'expected a line of git cat-file, got a longer one')

/** Exactly so many bytes, and the line feed that follows them, which is dropped. @throws EscrowError `GIT_FAILED` */
export async function readBody(bytes: ByteReader, sizeBytes: number): Promise<Buffer> {
  if (!(await bytes.need(sizeBytes + 1)))
    throw new EscrowError('GIT_FAILED', `expected an object of ${sizeBytes} bytes from git, got ${bytes.available}`)
  return takeBody(bytes, sizeBytes)
}

function takeBody(bytes: ByteReader, sizeBytes: number): Buffer {
  const body = bytes.take(sizeBytes)
  bytes.take(1)
  return Buffer.from(body.buffer, body.byteOffset, body.length)
}

/** What an object beyond a limit is refused with. */
export function tooLarge(head: ObjectHead, objectBytesMax: number): EscrowError {
  return new EscrowError('DEPOSIT_TOO_LARGE', `expected a ${head.type} of at most ${objectBytesMax} bytes, got ${head.sizeBytes}`)
}
