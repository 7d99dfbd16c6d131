import { isEscrowError, EscrowError } from '../core/errors.js'
import type { FetchRequest, RefListing } from './git-remote.js'
import { withIdleLimit } from './idle-limit.js'
import { PacketReader } from './pkt-line.js'
import type { ProgramRun } from './program-run.js'
import { packRequest, readGreeting, readPackIn, type Greeting } from './upload-pack.js'
import { lsRefsRequest, objectFormatOf, readRefListing } from './upload-pack-client.js'
import { writeBlocks } from './write-blocks.js'

/**
 * A conversation with `git upload-pack` through a program of ours: git itself for a repository on this machine, ssh for one elsewhere. The
 * program lives as long as the conversation: it is killed when the caller aborts or stops reading.
 */

/** One that has begun: the server has said what it speaks. */
export interface Talk {
  readonly run: ProgramRun
  readonly reader: PacketReader
  readonly greeting: Greeting
  readonly signal: AbortSignal | undefined
}

/** A program that has closed its output early is about to go; we wait so long for its last words. */
const exitPatienceMs = 2_000

/**
 * Begin to talk with a program that was just started.
 *
 * @param idleTimeoutMs - without a byte for so long, the other side is given up.
 * @throws EscrowError as `readGreeting`, `REMOTE_TIMEOUT`, and what the program says of its end; then it is gone.
 */
export async function beginTalk(run: ProgramRun, idleTimeoutMs: number, signal?: AbortSignal): Promise<Talk> {
  const reader = new PacketReader(withIdleLimit(run.stdout, idleTimeoutMs))
  try {
    return { run, reader, greeting: await readGreeting(reader), signal }
  } catch (error) {
    const explained = await explain(error, run, signal)
    leave(run, reader)
    throw explained
  }
}

/** List the refs, and end the conversation. @throws EscrowError as `GitRemote.listRefs` */
export async function listOver(talk: Talk): Promise<RefListing> {
  const { run, reader, greeting } = talk
  try {
    if (greeting.version === 2) await writeBlocks(run.stdin, lsRefsRequest(greeting.capabilities))
    const listing = greeting.listing ?? (await readRefListing(reader, objectFormatOf(greeting.capabilities)))
    run.stdin.end()
    return listing
  } catch (error) {
    throw await explain(error, run, talk.signal)
  } finally {
    leave(run, reader)
  }
}

/** Fetch a pack, and end the conversation. @throws EscrowError while iterating, as `GitRemote.fetchPack` */
export async function* fetchOver(talk: Talk, request: FetchRequest): AsyncGenerator<Uint8Array, void, undefined> {
  const { run, reader, greeting } = talk
  try {
    // Not awaited: a server that refuses early answers while we still write.
    const sent = writeBlocks(run.stdin, packRequest(greeting, request)).catch(() => undefined)
    yield* readPackIn(greeting, reader, run.words)
    await sent
    run.stdin.end()
  } catch (error) {
    throw await explain(error, run, talk.signal)
  } finally {
    leave(run, reader)
  }
}

/** Nobody reads to the end of what it says, so the stream has to be ended, and with it the timer that watches it. */
function leave(run: ProgramRun, reader: PacketReader): void {
  run.kill()
  reader.close().catch(() => undefined)
}

/** A stream that just ends means little; the words and the exit of the program say why. */
async function explain(error: unknown, run: ProgramRun, signal: AbortSignal | undefined): Promise<unknown> {
  if (signal?.aborted === true) return signal.reason
  if (!isEscrowError(error, 'REMOTE_BROKEN')) return error
  run.stdin.end()
  const patience = setTimeout(run.kill, exitPatienceMs)
  const failure: unknown = await run.ended.then(
    () => null,
    (reason: unknown) => reason,
  )
  clearTimeout(patience)
  // That git failed is what "broken" says already; a missing program, or why ssh did not get there, says more.
  if (isEscrowError(failure) && failure.code !== 'GIT_FAILED' && failure.code !== 'REMOTE_BROKEN') return failure
  const words = run.words.toString()
  if (words === '' || error.message.includes(words)) return error
  return new EscrowError('REMOTE_BROKEN', `${error.message}; the remote said: ${JSON.stringify(words)}`, { cause: error })
}
